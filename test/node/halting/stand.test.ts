import { beforeEach, describe, expect, it } from 'vitest';

import { Stand } from '../../../src/node/halting/stand.ts';
import { VirtualClock } from '../../engine/place.ts';

let clock: VirtualClock;
let told: string[];
let pulses: string[];
let flushing: Map<number, (why?: string) => void>;
let stand: Stand;

beforeEach(() => {
  clock = new VirtualClock();
  told = [];
  pulses = [];
  flushing = new Map();
  stand = new Stand({
    boot: 'b',
    epoch: 4,
    clock,
    flush: (epoch, _intent, signal) => {
      told.push(`flush ${epoch}`);
      return new Promise((resolve) => {
        flushing.set(epoch, resolve);
        signal.addEventListener('abort', () => {
          told.push(`abort ${epoch}`);
          resolve('called off');
        });
      });
    },
    thaw: async () => void told.push('thaw'),
    changed: () => {
      const { state, epoch, held, why } = stand.pulse;
      pulses.push([state, epoch, held, why].filter((one) => one !== undefined).join(' '));
    },
  });
});

let orders = 0;
function halt(epoch: number, forMs = 10_000): void {
  stand.take({ type: 'order', order: { type: 'halt', epoch, order: (orders += 1), forMs, intent: 'why' } });
}
function resume(epoch: number): void {
  stand.take({ type: 'order', order: { type: 'resume', epoch, order: (orders += 1) } });
}
async function flushed(epoch: number, why?: string): Promise<void> {
  await clock.pass(0);
  flushing.get(epoch)?.(why);
  await clock.pass(0);
}

describe('a node in a barrier', () => {
  it('flushes, stays halted, and goes on when told: it held', async () => {
    halt(5);
    await flushed(5);
    expect(stand.state).toBe('halted');
    resume(5);
    await clock.pass(0);
    expect(pulses).toEqual(['flushing 5', 'halted 5', 'running 5 true']);
    expect(told).toEqual(['thaw', 'flush 5', 'thaw']);
  });

  it('runs again at its deadline, without anybody', async () => {
    halt(5, 3_000);
    await flushed(5);
    await clock.pass(2_999);
    expect(stand.state).toBe('halted');
    await clock.pass(1);
    expect(pulses.at(-1)).toMatch(/^running 5 false the deadline passed/);
    expect(told.at(-1)).toBe('thaw');
  });

  it('ends a flush that hangs at the deadline, and thaws after it', async () => {
    halt(5, 3_000);
    await clock.pass(4_000);
    expect(told).toEqual(['thaw', 'flush 5', 'abort 5', 'thaw']);
    expect(stand.state).toBe('running');
  });

  it('puts its deadline off when HALT is said again', async () => {
    halt(5, 3_000);
    await flushed(5);
    for (let times = 0; times < 5; times += 1) {
      await clock.pass(2_000);
      halt(5, 3_000);
    }
    expect(stand.state).toBe('halted');
    expect(told.filter((one) => one.startsWith('flush'))).toEqual(['flush 5']);
  });

  it('begins a later barrier only when what an earlier one froze is thawed', async () => {
    halt(5);
    await flushed(5);
    halt(6);
    await flushed(6);
    expect(told).toEqual(['thaw', 'flush 5', 'thaw', 'flush 6']);
    expect(stand.pulse).toMatchObject({ state: 'halted', epoch: 6 });
  });

  it('says why a flush failed, and runs', async () => {
    halt(5);
    await flushed(5, `flush hook pg_dump ended with code 1: ${'x'.repeat(2_000)}`);
    expect(stand.pulse).toMatchObject({ state: 'running', held: false });
    expect(stand.pulse.why).toHaveLength(500);
    expect(told.at(-1)).toBe('thaw');
  });

  it('does not do what an order from before its restart says', async () => {
    halt(4);
    await clock.pass(0);
    expect(told).toEqual([]);
    expect(stand.pulse).toMatchObject({ state: 'running', epoch: 4, held: false });
  });

  it('runs when somebody at the node wants it to', async () => {
    halt(5);
    await flushed(5);
    stand.take({ type: 'thaw', why: 'I say so' });
    await stand.settled();
    expect(pulses.at(-1)).toBe('running 5 false I say so');
    resume(5);
    expect(stand.pulse).toMatchObject({ held: false });
  });
});
