import { describe, expect, test } from 'vitest';

import { ELSEWHERE, type Output, TaskOutput } from '../../../web/mutation/task-output.ts';

function listening(mutation: string) {
  const shown: Output[] = [];
  const output = new TaskOutput(mutation, (one) => void shown.push(one));
  return { shown, hear: (event: string, told: object) => output.hear(event, JSON.stringify(told)) };
}

describe('the output of a task', () => {
  test('is shown from the first state on, which says of which run it is', () => {
    const { shown, hear } = listening('m1');
    expect(hear('output', { text: 'one\n' })).toBe(true);
    expect(shown).toEqual([]);
    hear('state', { state: 'running', mutation: 'm1' });
    hear('output', { text: 'two\n' });
    // The node names the mutation only where a run begins.
    expect(hear('state', { state: 'done', words: 'exit code 0' })).toBe(true);
    expect(shown).toEqual([
      { text: 'one\n', state: 'running' },
      { text: 'one\ntwo\n' },
      { text: 'one\ntwo\n', state: 'done: exit code 0' },
    ]);
  });

  test.each(['m2', undefined])('of another run is not shown: %s', (mutation) => {
    const { shown, hear } = listening('m1');
    hear('output', { text: 'not for us' });
    expect(hear('state', { state: 'running', mutation })).toBe(false);
    expect(shown).toEqual([{ state: ELSEWHERE }]);
  });

  test('ends where another run begins', () => {
    const { shown, hear } = listening('m1');
    hear('state', { state: 'running', mutation: 'm1' });
    hear('output', { text: 'ours' });
    expect(hear('state', { state: 'running', mutation: 'm2' })).toBe(false);
    expect(shown.at(-1)).toEqual({ state: ELSEWHERE });
  });
});
