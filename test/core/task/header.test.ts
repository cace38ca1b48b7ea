import { describe, expect, test } from 'vitest';

import { readHeader } from '../../../src/core/task/header.ts';

const script = (...lines: readonly string[]): string => ['#!/bin/sh', ...lines, 'echo done', ''].join('\n');

describe("a task's header", () => {
  test.for([
    ['', {}],
    [script(), {}],
    [script('#hauki intent: bump the schema: v2'), { intent: 'bump the schema: v2' }],
    [
      script('# a comment', '', '#hauki mode: critical', '#hauki timeout: 1h30m'),
      { mode: 'critical', timeoutMs: 5_400_000 },
    ],
    [script('#hauki verify: ./check --all 1'), { verify: ['./check', '--all', '1'] }],
    [
      script('#hauki traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
      { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' },
    ],
    [script('#hauki verify: ["sh", "-c", "a | b"]'), { verify: ['sh', '-c', 'a | b'] }],
    [script('#hauki datasets: tank/crm, /srv/my site'), { datasets: ['tank/crm', '/srv/my site'] }],
    [script('#hauki name: third strike.task'), { name: 'third strike.task' }],
    [script('#hauki   intent :   spaced  '), { intent: 'spaced' }],
    [`#hauki intent: crlf\r\n--- a/x\r\n`, { intent: 'crlf' }],
    [`#hauki intent: a patch\ndiff --git a/x b/x\n`, { intent: 'a patch' }],
    [script('#haukify: is another word'), {}],
    [script('# hauki runs this', 'echo', '# hauki verify: in the text'), {}],
  ] as const)('%j', ([text, header]) => {
    expect(readHeader(text)).toEqual({ ok: true, value: header });
  });

  test.for([
    [script('#hauki intnet: typo'), /Line 2 .*there is no "intnet"/],
    [script('#hauki'), /reads "#hauki key: value"/],
    [script('#hauki intent bump'), /reads "#hauki key: value"/],
    [script('#hauki intent:'), /intent says nothing/],
    [script('#hauki intent: a', '#hauki intent: b'), /Line 3 .*said before/],
    [script(`#hauki intent: ${'x'.repeat(513)}`), /512/],
    [script('#hauki intent: bell\u0007'), /control character/],
    [script('#hauki mode: fast'), /"fast" is no mode/],
    [script('#hauki timeout: 10'), /"10" is no time limit/],
    [script('#hauki timeout: 0s'), /no time limit/],
    [script('#hauki timeout: 25h'), /24 h at most/],
    [script('# hauki verify: x'), /Line 2 .*begins with "#hauki "/],
    [script('#Hauki verify: x'), /begins with "#hauki "/],
    ['\uFEFF#hauki verify: x\n--- a/x\n', /begins with "#hauki "/],
    [script('#hauki traceparent: yesterday'), /no traceparent/],
    [script('#hauki verify: a && b'), /no shell reads verify/],
    [script('#hauki verify: echo "x"'), /no shell reads verify/],
    [script('#hauki verify: [1]'), /no JSON list/],
    [script('#hauki verify: []'), /no JSON list/],
    [script('#hauki verify: [""]'), /no JSON list/],
    [script('#hauki datasets: a,,b'), /commas/],
    [script('#hauki constructor: x'), /there is no "constructor"/],
    [script('echo first', '#hauki verify: ./check'), /Line 3 .*above the first line/],
  ] as const)('%j is refused', ([text, message]) => {
    const read = readHeader(text);
    const refused = read.ok ? undefined : read.error;
    expect([refused?.code, refused?.message]).toEqual(['task_invalid', expect.stringMatching(message)]);
  });

  test('reads ten megabytes without losing time on them', () => {
    expect(readHeader(`#!/bin/sh\n#hauki intent: big\n${'echo x\n'.repeat(1_500_000)}`)).toMatchObject({ ok: true });
  });
});
