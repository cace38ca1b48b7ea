import { describe, expect, it } from 'vitest';

import type { Pulse } from '../../../src/core/barrier/message.ts';
import { Round } from '../../../src/core/barrier/round.ts';

const EPOCH = 7;
const LIMIT_MS = 1_000;

const pulse = (state: Pulse['state'], more: Partial<Pulse> = {}): Pulse => ({
  boot: 'b1',
  state,
  epoch: EPOCH,
  ack: 1,
  ...more,
});
const round = (...nodes: string[]): Round => new Round(EPOCH, nodes, 0, LIMIT_MS);

/** Both nodes have flushed, and a snapshot was taken. */
function flushed(): Round {
  const one = round('crm', 'web');
  one.heard('crm', pulse('halted'), 10);
  one.heard('web', pulse('halted'), 20);
  return one;
}

describe('a barrier as the controller sees it', () => {
  it('is met when all have flushed, and knows who is awaited until then', () => {
    const one = round('crm', 'web');
    expect(one.outcome(0)).toBe('open');
    one.heard('crm', pulse('flushing'), 5);
    one.heard('crm', pulse('halted'), 10);
    expect(one.outcome(10)).toBe('open');
    expect(one.waitingFor()).toEqual(['web']);
    one.heard('web', pulse('halted'), 20);
    expect(one.outcome(20)).toBe('met');
    expect(one.parts.get('web')).toMatchObject({ boot: 'b1', flushedMs: 20 });
  });

  it('waits for one that still says what it said before the HALT', () => {
    const one = round('crm');
    one.heard('crm', pulse('running', { epoch: 0, ack: 0 }), 5);
    one.heard('crm', pulse('running', { epoch: EPOCH - 1, held: false }), 6);
    expect(one.outcome(6)).toBe('open');
  });

  it('breaks on whoever has not flushed when the time is up', () => {
    const one = round('crm', 'web');
    one.heard('crm', pulse('halted'), 10);
    expect(one.outcome(LIMIT_MS - 1)).toBe('open');
    expect(one.outcome(LIMIT_MS)).toEqual([{ node: 'web', why: 'it has not flushed in time' }]);
  });

  it('breaks at once on a hook that failed, with its words', () => {
    const one = round('crm', 'web');
    one.heard('web', pulse('running', { held: false, why: 'pg_dump ended with 1' }), 10);
    expect(one.outcome(10)).toEqual([{ node: 'web', why: 'pg_dump ended with 1' }]);
  });

  it('listens to nobody else', () => {
    const one = round('crm');
    one.heard('stranger', pulse('running', { held: false }), 1);
    expect(one.outcome(1)).toBe('open');
  });

  it.each<[string, Pulse, string]>([
    ['was restarted', pulse('halted', { boot: 'b2' }), 'it was restarted'],
    ['was restarted and remembers nothing', pulse('running', { boot: 'b2', epoch: 0 }), 'it was restarted'],
    ['thawed itself', pulse('running', { held: false, why: 'the deadline passed' }), 'the deadline passed'],
    ['says it held before it was asked', pulse('running', { held: true }), 'it went on before it was told to'],
    ['is in a later barrier', pulse('flushing', { epoch: 9 }), 'it is in barrier 9 already'],
    ['forgot', pulse('running', { epoch: 3 }), 'it forgot that it was halted'],
    ['flushes again', pulse('flushing'), 'it flushes once more'],
  ])('breaks on a node that %s between its flush and the question', (_, said, why) => {
    const one = flushed();
    one.heard('crm', said, 30);
    expect(one.outcome(30)).toEqual([{ node: 'crm', why }]);
    // Nothing that it says later makes it whole again.
    one.ask('resuming', 5, 40, LIMIT_MS);
    one.heard('crm', pulse('running', { held: true }), 50);
    one.heard('web', pulse('running', { held: true }), 50);
    expect(one.outcome(50)).toEqual([{ node: 'crm', why }]);
  });

  it('is proven when every node resumed and says that it held', () => {
    const one = flushed();
    one.ask('resuming', 5, 40, LIMIT_MS);
    one.heard('crm', pulse('running', { held: true, ack: 5 }), 50);
    // Said before it read RESUME.
    one.heard('web', pulse('halted', { ack: 1 }), 51);
    expect(one.outcome(51)).toBe('open');
    one.heard('web', pulse('running', { held: true, ack: 5 }), 52);
    expect(one.outcome(52)).toBe('met');
  });

  it('is not proven by silence', () => {
    const one = flushed();
    one.ask('resuming', 5, 40, LIMIT_MS);
    one.heard('crm', pulse('running', { held: true, ack: 5 }), 50);
    expect(one.outcome(40 + LIMIT_MS)).toEqual([{ node: 'web', why: 'it did not say in time whether it held' }]);
  });

  it('with the nodes to stay halted, only an answer to an order given after the snapshot counts', () => {
    const one = flushed();
    one.ask('proving', 5, 40, LIMIT_MS);
    one.heard('crm', pulse('halted', { ack: 4 }), 50);
    one.heard('web', pulse('halted', { ack: 5 }), 50);
    expect(one.waitingFor()).toEqual(['crm']);
    one.heard('crm', pulse('halted', { ack: 6 }), 60);
    expect(one.outcome(60)).toBe('met');
  });

  it('of nobody is met', () => {
    expect(round().outcome(0)).toBe('met');
  });
});
