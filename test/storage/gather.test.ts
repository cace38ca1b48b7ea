import { expect, test } from 'vitest';

import { gather } from '../../src/storage/gather.ts';

/** A batch worker that ends when it is told to. */
function stepwise() {
  const batches: number[][] = [];
  const ends: (() => void)[] = [];
  const work = (calls: readonly number[]): Promise<readonly string[]> => {
    batches.push([...calls]);
    return new Promise((resolve) => ends.push(() => resolve(calls.map((call) => `answer ${call}`))));
  };
  return { batches, work, end: (batch: number) => ends[batch]?.() };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what comes while a batch is under way goes together into the next, each with its own answer', async () => {
  const { batches, work, end } = stepwise();
  const call = gather(work, 10);
  const first = call(1);
  await turn();
  const others = [2, 3, 4].map((each) => call(each));
  await turn();
  expect(batches).toEqual([[1]]);
  end(0);
  expect(await first).toBe('answer 1');
  await turn();
  expect(batches).toEqual([[1], [2, 3, 4]]);
  end(1);
  expect(await Promise.all(others)).toEqual(['answer 2', 'answer 3', 'answer 4']);
});

test('calls of the same moment are one batch, of so many at most', async () => {
  const { batches, work, end } = stepwise();
  const call = gather(work, 2);
  const answers = Promise.all([1, 2, 3].map((each) => call(each)));
  await turn();
  end(0);
  await turn();
  await turn();
  end(1);
  expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 3']);
  expect(batches).toEqual([[1, 2], [3]]);
});

test('a batch that fails fails its own calls, and the next one goes on', async () => {
  let fails = true;
  const call = gather<number, number>((calls) => {
    if (!fails) return Promise.resolve(calls);
    fails = false;
    return Promise.reject(new Error('pool is suspended'));
  }, 10);
  await expect(call(1)).rejects.toThrow('pool is suspended');
  expect(await call(2)).toBe(2);
});

test('a worker that answers too few is found out', async () => {
  const call = gather<number, number>(() => Promise.resolve([]), 10);
  await expect(call(1)).rejects.toThrow('1 calls got 0 answers');
});
