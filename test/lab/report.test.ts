import assert from 'node:assert/strict';

import { describe, expect, test } from 'vitest';

import { closingLine, failureLines, type Result } from '../../lab/report.ts';

const NONE = { passed: 0, failed: 0, skipped: 0 };

function result(failure: readonly string[], inner = NONE): Result {
  return { name: 'x', seconds: 1, inner, failure };
}

describe('the closing line', () => {
  test('counts scenarios', () => {
    expect(closingLine([result([]), result([]), result(['broken'])])).toBe('2 passed, 1 failed');
    expect(closingLine([])).toBe('0 passed, 0 failed');
  });

  test('counts the tests that ran in the guest as well', () => {
    const inner = { passed: 10, failed: 2, skipped: 1 };
    expect(closingLine([result(['vitest failed'], inner), result([])])).toBe('11 passed, 3 failed, 1 skipped');
  });
});

describe('a failure', () => {
  test('says what was being done, the assertion, the last command, and where to look', () => {
    const error = (() => {
      try {
        assert.equal(1, 2, 'one is two');
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    const lines = failureLines({
      doing: 'the power fails',
      error,
      lastCommand: '$ cat /x\nsomething else\n(exit code 0 after 0.02 s)',
      logs: ['/logs/x.log'],
    }).join('\n');
    for (const part of ['the power fails', 'one is two', '$ cat /x', 'something else', '/logs/x.log'])
      expect(lines).toContain(part);
  });

  test('shows the end of long output', () => {
    const said = Array.from({ length: 500 }, (_, index) => `line ${index}`).join('\n');
    const lines = failureLines({ doing: 'x', error: new Error('y'), lastCommand: `$ z\n${said}\n(exit)`, logs: [] });
    expect(lines.length).toBeLessThan(60);
    expect(lines.join('\n')).toContain('line 499');
  });

  test('does not repeat a command whose failure is the error', () => {
    const lines = failureLines({
      doing: 'x',
      error: new Error('false ended with exit code 1:\noh no'),
      lastCommand: '$ false\noh no\n(exit code 1)',
      logs: [],
    });
    expect(lines.filter((line) => line.includes('oh no'))).toHaveLength(1);
  });
});
