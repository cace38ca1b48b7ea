import { describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import { nextDue } from '../../../src/core/decide.ts';
import { evolve } from '../../../src/core/evolve.ts';
import { pending } from '../../../src/core/pending.ts';
import { standing, Story, T0 } from '../story.ts';

const TICK = { type: 'tick' } as const;
const RENEW = { type: 'renew', mutation: 'm', fence: 1 } as const;
const COMMIT = { type: 'commit', mutation: 'm', fence: 1 } as const;
const START = { type: 'start', version: '1', node: 'host' } as const;

describe('a lease', () => {
  test('ends after its time and the grace, not before', () => {
    const story = standing('cleared', { ttlMs: 10_000 });
    expect(nextDue(story.state, story.policy)).toBe(12_000);
    expect(story.pass(11_999).say(TICK)).toBe('-');
    expect(story.pass(1).say(TICK)).toBe('rollback_started');
    expect(story.get().reason?.code).toBe('lease_expired');
  });

  test('that runs out is kept for a person when its caller asked for that', () => {
    const story = standing('cleared', { ttlMs: 10_000, onExpiry: 'quarantine' });
    expect(story.pass(12_000).say(TICK)).toBe('quarantined');
    expect(story.get().reason?.code).toBe('lease_expired');
  });

  test('that ends in quarantine has its holder stopped, again and again until that is so', () => {
    const story = standing('cleared', { ttlMs: 10_000, onExpiry: 'quarantine' });
    story.pass(12_000).say(TICK);
    const stopping = (): string[] => pending(story.state).map((effect) => effect.kind);
    expect(stopping()).toEqual(['stop']);
    const mutation = story.get().id;
    const reason = refusal('holder_unstoppable', 'It does not end.');
    expect(story.say({ type: 'stop_answered', mutation, answer: { kind: 'refused', reason } })).toBe('-');
    expect(stopping()).toEqual(['stop']);
    expect(story.say({ type: 'stop_answered', mutation, answer: { kind: 'done', value: { stopped: 1 } } })).toBe(
      'holder_stopped',
    );
    expect(stopping()).toEqual([]);
    expect(story.get().stage).toBe('quarantined');
  });

  test('lasts from the latest renewal', () => {
    const story = standing('cleared', { ttlMs: 10_000 });
    expect(story.pass(9_000).say(RENEW)).toBe('renewed');
    expect(story.get().expiresAt).toBe(T0 + 19_000);
    expect(story.pass(11_999).say(TICK)).toBe('-');
    expect(story.pass(1).say(TICK)).toBe('rollback_started');
  });

  test('can still be renewed, or committed, in the grace: the locks are still its own', () => {
    expect(standing('cleared', { ttlMs: 10_000 }).pass(11_000).say(RENEW)).toBe('renewed');
    expect(standing('cleared', { ttlMs: 10_000 }).pass(11_000).say(COMMIT)).toBe('committed');
  });

  test('cannot be renewed or committed once the controller ended it', () => {
    const story = standing('cleared', { ttlMs: 10_000 }).pass(12_000);
    story.tell(TICK);
    expect(story.say(RENEW)).toBe('! lease_lost');
    expect(story.say(COMMIT)).toBe('! lease_lost');
  });

  test('does not mind the wall clock', () => {
    const story = standing('cleared', { ttlMs: 10_000 });
    story.at += 86_400_000;
    expect(story.say(TICK)).toBe('-');
    story.at -= 2 * 86_400_000;
    story.mono += 12_000;
    expect(story.say(TICK)).toBe('rollback_started');
  });

  test('nothing falls due when nothing is open', () => {
    expect(nextDue(standing('committed').state, standing('committed').policy)).toBeUndefined();
    expect(nextDue(standing('quarantined').state, standing('quarantined').policy)).toBeUndefined();
    expect(nextDue(standing('queued').state, standing('queued').policy)).toBe(30_000);
  });
});

describe('fencing tokens', () => {
  test('grow with every grant, whatever became of the ones before', () => {
    const story = new Story().ask(['/a'], {}, 'm1').cleared('m1').commit('m1').ask(['/a'], {}, 'm2');
    story.tell({ type: 'holder_gone', mutation: 'm2' });
    story.tell({ type: 'withdraw_answered', mutation: 'm2', answer: { kind: 'done', value: undefined } });
    story.archive().ask(['/a'], {}, 'm3');
    expect([story.events].flat().flatMap((event) => (event.type === 'snapshot_started' ? [event.fence] : []))).toEqual([
      1, 2, 3,
    ]);
  });

  test('of the one before are worth nothing to the next', () => {
    const story = new Story().ask(['/a'], {}, 'm1').cleared('m1').commit('m1').ask(['/a'], {}, 'm2').cleared('m2');
    expect(story.say({ type: 'commit', mutation: 'm2', fence: 1 })).toBe('! fence_stale');
    expect(story.say({ type: 'commit', mutation: 'm1', fence: 2 })).toBe('! fence_stale');
  });
});

describe('a controller that comes back', () => {
  const restart = (story: Story, downMs: number, wallJumpMs = 0): Story => {
    story.at += downMs + wallJumpMs;
    // The monotonic clock begins again, anywhere.
    story.mono = 5;
    story.tell(START);
    return story;
  };

  test.each([
    ['at once', 0, 0],
    ['after ten seconds', 10_000, 0],
    ['after ten minutes, in which the lease would have ended', 600_000, 0],
    // Nobody can tell the three apart, and a holder may be at work in each.
    ['with a wall clock set forward by a day', 0, 86_400_000],
    ['with a wall clock set back by a day', 0, -86_400_000],
  ])('lets a lease begin anew: %s', (_, downMs, jumpMs) => {
    const story = restart(standing('cleared', { ttlMs: 60_000 }).pass(20_000), downMs, jumpMs);
    expect(story.get().expiresMono).toBe(5 + 60_000);
    expect(story.pass(61_999).say(TICK)).toBe('-');
    expect(story.pass(1).say(TICK)).toBe('rollback_started');
  });

  test('reads an older record as it was written: what the wall clock said was left', () => {
    const story = standing('cleared', { ttlMs: 60_000 }).pass(20_000);
    const started = {
      type: 'controller_started',
      version: '0.1.0',
      node: 'host',
      at: story.at + 10_000,
      mono: 5,
    } as const;
    expect(evolve(story.state, [started]).mutations.get('m')?.expiresMono).toBe(5 + 30_000);
  });

  test('and back again keeps the record in order', () => {
    const story = restart(standing('cleared').pass(20_000), 0, -86_400_000);
    const times = story.events.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test('gives an attached caller a while to come back', () => {
    const story = restart(standing('cleared', { attached: true }), 100);
    expect(story.events.at(-1)).toMatchObject({ type: 'holder_lost', untilMs: 10_000 });
    expect(story.pass(9_999).say({ type: 'attach', mutation: 'm', fence: 1 })).toBe('holder_back');
    expect(story.pass(10_000).say(TICK)).toBe('-');
  });

  test('takes an attached caller that does not come back for dead', () => {
    const story = restart(standing('cleared', { attached: true }), 100);
    expect(nextDue(story.state, story.policy)).toBe(10_005);
    expect(story.pass(10_000).say(TICK)).toBe('rollback_started');
    expect(story.get().reason?.code).toBe('holder_gone');
  });

  test('gives the while anew when it is killed again', () => {
    const story = restart(restart(standing('cleared', { attached: true }), 100).pass(9_000), 100);
    expect(story.get().holderLostUntilMono).toBe(10_005);
  });

  test('leaves alone what is not attached', () => {
    const story = restart(standing('cleared'), 100);
    expect(story.pass(30_000).say(TICK)).toBe('-');
  });

  test.each([
    ['queued', 'denied'],
    ['snapshotting', 'withdraw_started'],
    ['withdrawing', undefined],
    ['committing', undefined],
    ['rolling_back', undefined],
    ['quarantined', undefined],
  ] as const)('%s: %s', (stage, expected) => {
    const story = standing(stage);
    const before = story.events.length;
    restart(story, 100);
    const about = story.events.slice(before).filter((event) => 'mutation' in event && event.mutation === 'm');
    expect(about.map(({ type }) => type)).toEqual(expected === undefined ? [] : [expected]);
    expect(story.get().reason?.code === 'controller_restarted').toBe(expected !== undefined);
  });

  test('does not touch what has ended', () => {
    const story = standing('committed');
    const before = story.get();
    restart(story, 100);
    expect(story.get()).toEqual(before);
  });
});
