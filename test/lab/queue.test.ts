import { expect, test } from 'vitest';

import { Queue } from '../../lab/queue.ts';
import { scenario } from '../../lab/scenario.ts';

const ENDLESS = { minutesLeft: () => Infinity, turn: '' };
const lasting = (minutesMax: number) => scenario({ about: '', minutesMax, run: () => Promise.resolve() });
const names = (queue: Queue): string[] => {
  const taken: string[] = [];
  for (let due = queue.take(); due !== undefined; due = queue.take()) taken.push(due.name);
  return taken;
};

test('what may take longest comes first; of the same length, in the order given', () => {
  const queue = new Queue(
    new Map([
      ['a', lasting(5)],
      ['b', lasting(40)],
      ['c', lasting(5)],
    ]),
    ENDLESS,
  );
  expect(names(queue)).toEqual(['b', 'a', 'c']);
});

test('one that failed is run again, after all others, and once', () => {
  const queue = new Queue(
    new Map([
      ['a', lasting(1)],
      ['b', lasting(1)],
    ]),
    ENDLESS,
  );
  const [a, b] = [queue.take(), queue.take()];
  if (a === undefined || b === undefined) throw new Error('two were due');
  expect(queue.again(a, ['it stalled'])).toBe(true);
  expect(queue.again(b, ['it stalled too'])).toBe(false);
  const again = queue.take();
  expect(again).toMatchObject({ name: 'a', atFirst: ['it stalled'] });
  expect(again !== undefined && queue.again(again, ['it failed'])).toBe(false);
  expect(queue.take()).toBeUndefined();
});

test('a single one is never run again', () => {
  const queue = new Queue(new Map([['a', lasting(1)]]), ENDLESS);
  const due = queue.take();
  expect(due !== undefined && queue.again(due, ['it failed'])).toBe(false);
});

test('where time is short, what does not fit stays, and each turn begins with another', () => {
  const many = new Map(['a', 'b', 'c', 'd', 'e', 'f'].map((name) => [name, lasting(9)]));
  const begins = ['1', '2', '3', '4', '5', '6'].map(
    (turn) => new Queue(many, { minutesLeft: () => 60, turn }).take()?.name,
  );
  expect(new Set(begins).size).toBeGreaterThan(2);

  let left = 10;
  const queue = new Queue(new Map([...many, ['long', lasting(45)]]), { minutesLeft: () => left, turn: 'x' });
  const taken: (string | undefined)[] = [];
  for (; left > 0; left -= 3) taken.push(queue.take()?.name);
  // Nine minutes at most are three on a quiet machine, so three fit into ten; the long one never did.
  expect(taken.filter((name) => name !== undefined)).toHaveLength(3);
  expect(taken).not.toContain('long');
  expect(queue.rest()).toHaveLength(4);
});

test('where time is short, one that failed may take some that is kept for it', () => {
  const many = new Map(['a', 'b'].map((name) => [name, lasting(12)]));
  let left = 4;
  const queue = new Queue(many, { minutesLeft: () => left, turn: 'x' });
  const first = queue.take();
  left = -3;
  expect(first !== undefined && queue.again(first, ['it stalled'])).toBe(true);
  expect(queue.take()).toMatchObject({ name: first?.name, atFirst: ['it stalled'] });
  expect(queue.take()).toBeUndefined();
});
