import { describe, expect, test } from 'vitest';

import { inOrder, isPassing, safeName, taskNameRefusal } from '../../../src/core/task/name.ts';

describe("a task's name", () => {
  test.for([
    ['third_strike.task', true],
    ['with some blanks.sh', true],
    ['🛠 fix.patch', true],
    ['Ünïcode', true],
    ['quotes\'"$`;', true],
    ['-rf', true],
    ['a'.repeat(200), true],
    ['a'.repeat(201), false],
    ['ü'.repeat(101), false],
    ['two\nlines', false],
    ['tab\there', false],
    ['bell\u0007', false],
    ['line\u2028separator', false],
    ['bytes \u{FFFD}', false],
    ['', false],
    ['a/b', false],
    ['x.log', false],
    ['x.result.json', false],
    ['x.claim.json', false],
    ['x.sig', false],
    ['.hidden', false],
    ['half.part', false],
    ['backup~', false],
  ] as const)('%j: %s', ([name, good]) => {
    expect(taskNameRefusal(name)?.code).toBe(good ? undefined : 'task_invalid');
  });

  test('of what programs have not finished is left alone', () => {
    for (const name of ['.x', '.x.swp', 'x~', 'x.tmp', 'x.part', 'x.filepart', 'x.crdownload', '#x#', 'x.sig'])
      expect([name, isPassing(name)]).toEqual([name, true]);
    for (const name of ['x', 'x.task', 'tmp', 'part', 'x.tmp.sh', 'x.log'])
      expect([name, isPassing(name)]).toEqual([name, false]);
  });

  test('what cannot be called so gets a name that can lie beside the others', () => {
    const digest = 'abcdef0123456789';
    for (const name of ['two\nlines', 'x'.repeat(255), 'x.log', 'x.sig', '\u{FFFD}', '..', '']) {
      expect([name, taskNameRefusal(safeName(name, digest))]).toEqual([name, undefined]);
    }
  });

  test('order is that of code points, the same in every language', () => {
    expect(inOrder(['b', 'a10', 'a2', 'B', '😀', '\uFF21', 'a', 'ä', '1'])).toEqual([
      '1',
      'B',
      'a',
      'a10',
      'a2',
      'b',
      'ä',
      '\uFF21',
      '😀',
    ]);
  });
});
