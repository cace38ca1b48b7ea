import { describe, expect, it } from 'vitest';

import {
  atBoot,
  deadlineOf,
  type Halting,
  type HaltingDeed,
  type HaltingInput,
  haltingStep,
  pulseOf,
} from '../../../src/core/barrier/halting.ts';
import type { Pulse } from '../../../src/core/barrier/message.ts';

type Step = readonly [mono: number, input: HaltingInput];

const halt = (epoch: number, order: number, forMs = 1_000): HaltingInput => ({
  type: 'order',
  order: { type: 'halt', epoch, order, forMs, intent: 'bump the schema' },
});
const resume = (epoch: number, order: number): HaltingInput => ({
  type: 'order',
  order: { type: 'resume', epoch, order },
});
const flushed = (epoch: number, why?: string): HaltingInput => ({
  type: 'flushed',
  epoch,
  ...(why === undefined ? {} : { why }),
});
const tick: HaltingInput = { type: 'tick' };
const thaw: HaltingInput = { type: 'thaw', why: 'root said so' };

function live(steps: readonly Step[], from: Halting = atBoot('b1')): { pulse: Pulse; deeds: string[]; last: Halting } {
  let now = from;
  const deeds: HaltingDeed[] = [];
  for (const [mono, input] of steps) {
    const step = haltingStep(now, input, mono);
    now = step.next;
    deeds.push(...step.deeds);
  }
  return { pulse: pulseOf(now), deeds: deeds.map(({ type, epoch }) => `${type} ${epoch}`), last: now };
}

const cases: readonly [words: string, steps: readonly Step[], pulse: Partial<Pulse>, deeds: readonly string[]][] = [
  ['flushes when it is halted', [[0, halt(7, 1)]], { state: 'flushing', epoch: 7, ack: 1 }, ['flush 7']],
  [
    'is halted when it has flushed, and says how long that took',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
    ],
    { state: 'halted', epoch: 7, flushMs: 30 },
    ['flush 7'],
  ],
  [
    'held when RESUME finds it halted',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [50, resume(7, 2)],
    ],
    { state: 'running', epoch: 7, ack: 2, held: true },
    ['flush 7', 'thaw 7'],
  ],
  [
    'thaws itself at its deadline, and says that it did not hold',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [1_000, tick],
    ],
    { state: 'running', epoch: 7, held: false, why: 'the deadline passed before RESUME came' },
    ['flush 7', 'thaw 7'],
  ],
  [
    'did not hold when it slept through its deadline and is woken by RESUME',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [1_000, resume(7, 2)],
    ],
    { state: 'running', held: false },
    ['flush 7', 'thaw 7'],
  ],
  [
    'a flush that never ends ends at the deadline too',
    [
      [0, halt(7, 1)],
      [1_000, tick],
      [1_100, flushed(7)],
    ],
    { state: 'running', held: false },
    ['flush 7', 'thaw 7'],
  ],
  [
    'stays halted for as long as it is told again',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [900, halt(7, 2)],
      [1_800, tick],
    ],
    { state: 'halted', ack: 2 },
    ['flush 7'],
  ],
  [
    'an order overtaken by a later one does not shorten the deadline',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [100, halt(7, 3, 5_000)],
      [200, halt(7, 2, 10)],
      [2_000, tick],
    ],
    { state: 'halted', ack: 3 },
    ['flush 7'],
  ],
  [
    'a HALT that comes twice flushes once',
    [
      [0, halt(7, 1)],
      [10, halt(7, 1)],
      [30, flushed(7)],
      [40, halt(7, 1)],
    ],
    { state: 'halted' },
    ['flush 7'],
  ],
  [
    'a HALT that comes after the RESUME of its epoch is void',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [50, resume(7, 2)],
      [60, halt(7, 1)],
      [70, halt(7, 9)],
    ],
    { state: 'running', held: true },
    ['flush 7', 'thaw 7'],
  ],
  [
    'RESUME before HALT: the HALT that comes then is void',
    [
      [0, resume(7, 2)],
      [10, halt(7, 1)],
    ],
    { state: 'running', epoch: 7, held: false, why: 'RESUME came without a HALT' },
    [],
  ],
  [
    'RESUME of a later epoch ends the one under way',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [40, resume(8, 5)],
    ],
    { state: 'running', epoch: 8, held: false },
    ['flush 7', 'thaw 7'],
  ],
  [
    'a later epoch flushes anew, without running in between',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [40, halt(8, 2)],
      [50, flushed(7)],
    ],
    { state: 'flushing', epoch: 8 },
    ['flush 7', 'flush 8'],
  ],
  [
    'an earlier epoch changes nothing',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [40, halt(6, 9)],
      [50, resume(6, 10)],
    ],
    { state: 'halted', epoch: 7 },
    ['flush 7'],
  ],
  [
    'called off while it flushes, it has not held',
    [
      [0, halt(7, 1)],
      [10, resume(7, 2)],
      [30, flushed(7)],
    ],
    { state: 'running', held: false },
    ['flush 7', 'thaw 7'],
  ],
  [
    'a hook that fails ends it at once, with its words',
    [
      [0, halt(7, 1)],
      [10, flushed(7, 'pg_dump ended with 1')],
    ],
    { state: 'running', held: false, why: 'pg_dump ended with 1' },
    ['flush 7', 'thaw 7'],
  ],
  [
    'thawed by a person, it has not held',
    [
      [0, halt(7, 1)],
      [30, flushed(7)],
      [40, thaw],
      [50, resume(7, 2)],
    ],
    { state: 'running', held: false, why: 'root said so' },
    ['flush 7', 'thaw 7'],
  ],
  ['thaw when it runs is nothing', [[0, thaw]], { state: 'running', epoch: 0 }, []],
];

describe('a node in a barrier', () => {
  it.each(cases)('%s', (_, steps, pulse, deeds) => {
    const end = live(steps);
    expect(end.pulse).toMatchObject(pulse);
    expect(end.deeds).toEqual(deeds);
  });

  it('always has a deadline while it does not run, and none while it runs', () => {
    for (const [, steps] of cases) {
      const { last } = live(steps);
      expect(deadlineOf(last) === undefined).toBe(last.state === 'running');
    }
  });

  it('knows after a restart which epoch it was in, and that it did not hold', () => {
    const { pulse, deeds } = live([[0, halt(7, 4)]], atBoot('b2', 7));
    expect(pulse).toMatchObject({ boot: 'b2', state: 'running', epoch: 7, held: false });
    expect(deeds).toEqual([]);
  });
});
