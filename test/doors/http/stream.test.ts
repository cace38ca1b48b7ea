import { describe, expect, test } from 'vitest';

import { waiting } from '../../../src/doors/http/stream.ts';

describe('waiting for a full connection', () => {
  test('ends with what happens first, and takes back what it registered', async () => {
    const taken: string[] = [];
    const on = (what: 'drained' | 'gone' | 'nothing') => (drained: () => void, gone: () => void) => {
      if (what !== 'nothing') setTimeout(what === 'gone' ? gone : drained, 1);
      return () => void taken.push(what);
    };
    expect(await waiting(on('drained'), 10_000)).toBe('drained');
    expect(await waiting(on('gone'), 10_000)).toBe('gone');
    expect(await waiting(on('nothing'), 5)).toBe('stalled');
    expect(taken).toEqual(['drained', 'gone', 'nothing']);
  });

  test('need not wait for one that is gone already', async () => {
    let taken = 0;
    const how = await waiting((_drained, gone) => {
      gone();
      return () => (taken += 1);
    }, 10_000);
    expect([how, taken]).toEqual(['gone', 1]);
  });
});
