import { describe, expect, test } from 'vitest';

import { type Step, take } from '../../src/install/steps.ts';

/** A machine that is nothing but a set of what is done on it. */
function machine(): { done: Set<string>; step: (name: string, how?: 'fails' | 'cannot be undone') => Step } {
  const done = new Set<string>();
  return {
    done,
    step: (name, how) => async () => {
      if (done.has(name)) return undefined;
      return {
        words: name,
        act: async () => {
          done.add(name);
          if (how === 'fails') throw new Error(`${name} failed.`);
        },
        undo: async () => {
          if (how === 'cannot be undone') throw new Error(`${name} stays.`);
          done.delete(name);
        },
      };
    },
  };
}

const silent = { tell: () => {} };

describe('steps', () => {
  test('change only what is not done yet', async () => {
    const { done, step } = machine();
    expect(await take([step('a'), step('b')], silent)).toEqual(['a', 'b']);
    done.delete('b');
    expect(await take([step('a'), step('b')], silent)).toEqual(['b']);
    expect(await take([step('a'), step('b')], silent)).toEqual([]);
  });

  test('are taken back when one fails, it too, and then what ran before runs again', async () => {
    const { done, step } = machine();
    done.add('before');
    let restored = false;
    const restoring = { ...silent, restored: async () => void (restored = true) };
    await expect(take([step('before'), step('a'), step('b', 'fails')], restoring)).rejects.toThrow('b failed.');
    expect([...done]).toEqual(['before']);
    expect(restored).toBe(true);
  });

  test('say what could not be taken back', async () => {
    const { done, step } = machine();
    const failing = take([step('a', 'cannot be undone'), step('b'), step('c', 'fails')], silent);
    await expect(failing).rejects.toThrow(/c failed\. Not everything could be taken back: a stays\./);
    expect([...done]).toEqual(['a']);
  });

  test('are only told in a dry run', async () => {
    const { done, step } = machine();
    const told: string[] = [];
    await take([step('a')], { tell: (words) => void told.push(words), dryRun: true });
    expect(told).toEqual(['would a']);
    expect([...done]).toEqual([]);
  });
});
