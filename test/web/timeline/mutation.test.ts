import { describe, expect, test } from 'vitest';

import { bandsOf, itemOf } from '../../../web/timeline/mutation.ts';
import { at, EPOCH, item, mutation } from './played.ts';

describe('a mutation on the timeline', () => {
  test.each([
    ['queued', undefined, 'waiting'],
    ['halting', undefined, 'waiting'],
    ['withdrawing', undefined, 'waiting'],
    ['withdrawing', at(1), 'cleared'],
    ['cleared', at(1), 'cleared'],
    ['rolling_back', at(1), 'cleared'],
    ['quarantined', at(1), 'quarantined'],
    ['rolled_back', at(1), 'rolled_back'],
    ['denied', undefined, 'denied'],
  ] as const)('that is %s, cleared at %s, is drawn as %s', (stage, clearedAt, outcome) => {
    const { clearedAt: _, ...asked } = mutation('a', 0, undefined, { stage });
    expect(itemOf({ ...asked, ...(clearedAt === undefined ? {} : { clearedAt }) }).outcome).toBe(outcome);
  });

  test('is a bar from its clearance to its end, and open until there is one', () => {
    expect(item('a', 2, 5, { requestedAt: at(1) })).toMatchObject({
      asked: EPOCH + 1_000,
      start: EPOCH + 2_000,
      end: EPOCH + 5_000,
    });
    expect(item('b', 2, undefined).end).toBe(Infinity);
  });

  test('that was never cleared is a point at its end', () => {
    const { clearedAt: _, ...denied } = mutation('a', 0, 7, { stage: 'denied' });
    expect(itemOf(denied)).toMatchObject({ asked: EPOCH, start: EPOCH + 7_000, end: EPOCH + 7_000 });
  });

  test('never runs backwards, whatever two clocks say', () => {
    expect(item('a', 10, 4)).toMatchObject({ start: EPOCH + 10_000, end: EPOCH + 10_000 });
  });

  test('was frozen when the name of its snapshot says, else when it was cleared', () => {
    const named = '/srv/site@PRE_web1_say_goodbye_20260616_160001_250';
    expect(item('a', 2, 3, { snapshots: [{ name: named }] }).frozen).toBe(EPOCH + 1_250);
    expect(item('b', 2, 3, { snapshots: [{ name: 'tank@by-hand' }] }).frozen).toBe(EPOCH + 2_000);
    expect(item('c', 2, 3).frozen).toBeUndefined();
  });

  test('shows what cannot be seen in the words of others', () => {
    expect(item('a', 0, 1, { intent: 'a\u202eb', node: 'x\ny' })).toMatchObject({ intent: 'a\\u202eb', node: 'x\\ny' });
  });

  test('is reckoned once', () => {
    const one = mutation('a', 0, 1);
    expect(itemOf(one)).toBe(itemOf(one));
  });
});

describe('bands across all lanes', () => {
  const { clearedAt: _, ...waiting } = mutation('w', 20, undefined, {
    mode: 'critical',
    stage: 'halting',
    participants: ['web1'],
  });
  const items = [
    item('a', 0, 1),
    item('b', 5, 9, { mode: 'critical', participants: [], requestedAt: at(3) }),
    itemOf(waiting),
  ];

  test('stand for critical mutations, from the request to the clearance', () => {
    expect(bandsOf(items, [])).toMatchObject([
      { key: 'b', from: EPOCH + 3_000, to: EPOCH + 5_000 },
      { key: 'w', from: EPOCH + 20_000, to: Infinity },
    ]);
  });

  test('do not stand for those that waited or were denied before anything was halted', () => {
    const { clearedAt: _denied, ...denied } = mutation('d', 1, 2, { mode: 'critical', stage: 'denied' });
    const { clearedAt: _queued, ...queued } = mutation('q', 1, undefined, { mode: 'critical', stage: 'queued' });
    expect(bandsOf([itemOf(denied), itemOf(queued)], [])).toEqual([]);
  });

  test('of a barrier that stands are drawn once, with who is awaited', () => {
    const standing = { epoch: 4, intent: 'x', phase: 'flushing', awaited: ['db1'], since: EPOCH + 21_000 } as const;
    expect(bandsOf(items, [standing])).toMatchObject([
      { key: 'b' },
      { key: 'epoch 4', from: EPOCH + 21_000, to: Infinity, awaited: ['db1'] },
    ]);
  });
});
