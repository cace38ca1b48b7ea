import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { binsOf, cellMs, Details, detailOf } from '../../../web/timeline/detail.ts';
import { hitAt } from '../../../web/timeline/hit.ts';
import { lanesOf } from '../../../web/timeline/lanes.ts';
import { OUTCOMES } from '../../../web/timeline/mutation.ts';
import { layoutOf, laneAt, ROW_PX, rowAt } from '../../../web/timeline/layout.ts';
import { EPOCH, item } from './played.ts';

const rowOf = (...items: ReturnType<typeof item>[]) => {
  const row = lanesOf(['web1'], items)[0]?.rows[0];
  if (row === undefined) throw new Error('a lane without a row');
  return row;
};

describe('levels of detail', () => {
  test('have cells of a power of two that take 9 to 18 px', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1e7, noNaN: true }), (msPerPx) => {
        const cell = cellMs(msPerPx);
        expect(Number.isInteger(Math.log2(cell))).toBe(true);
        expect(cell / msPerPx).toBeGreaterThanOrEqual(9);
        expect(cell / msPerPx).toBeLessThan(18.01);
      }),
    );
  });

  test('tell bars, single shapes and clusters apart', () => {
    const long = item('long', 10, 60);
    const open = item('open', 100, undefined);
    const [one, two] = [item('one', 3, 4), item('two', 5, 6, { stage: 'rolled_back' })];
    const alone = item('alone', 70, 70);
    const row = rowOf(one, two, long, alone, open);
    const { bars, pips, clusters } = detailOf(row, 8_000);
    expect(bars).toEqual([long, open]);
    expect(pips).toEqual([alone]);
    expect(clusters).toMatchObject([{ items: [one, two], from: one.start, to: two.end }]);
    expect(clusters[0]?.counts).toEqual(
      OUTCOMES.map((name) => (name === 'committed' || name === 'rolled_back' ? 1 : 0)),
    );
  });

  test('lose nothing, at any level', () => {
    const lifetimes = fc.array(fc.tuple(fc.nat(10_000), fc.nat(50)), { maxLength: 80 });
    fc.assert(
      fc.property(lifetimes, fc.nat(24), (spans, power) => {
        const items = spans.map(([from, length], index) => item(String(index), from, from + length));
        const drawn = lanesOf([], items)
          .flatMap(({ rows }) => rows)
          .map((row) => detailOf(row, 2 ** power))
          .flatMap(({ bars, pips, clusters }) => [...bars, ...pips, ...clusters.flatMap((cluster) => cluster.items)]);
        expect(drawn.map(({ id }) => id).toSorted()).toEqual(items.map(({ id }) => id).toSorted());
      }),
    );
  });

  test('are reckoned once a level', () => {
    const details = new Details();
    const row = rowOf(item('a', 0, 1));
    expect(details.of(row, 1_024)).toBe(details.of(row, 1_024));
    expect(details.of(row, 2_048)).not.toBe(details.of(row, 1_024));
  });

  test('of the overview count each outcome in its part of time', () => {
    const items = [item('a', 0, 1), item('b', 9, 9.5), item('c', 9, 10, { stage: 'rolled_back' })];
    const bins = binsOf(items, EPOCH, EPOCH + 10_000, 5);
    expect([...(bins.get('committed') ?? [])]).toEqual([1, 0, 0, 0, 1]);
    expect([...(bins.get('rolled_back') ?? [])]).toEqual([0, 0, 0, 0, 1]);
  });
});

describe('what is under the pointer', () => {
  const span = { from: EPOCH, to: EPOCH + 100_000 };
  const width = 1_000;
  const now = EPOCH + 95_000;

  test('is the bar there, the open one as far as now', () => {
    const row = rowOf(item('a', 10, 30), item('b', 60, undefined));
    const detail = detailOf(row, 1_024);
    expect(hitAt(detail, span, width, 200, 4, now)).toMatchObject({ item: { id: 'a' } });
    expect(hitAt(detail, span, width, 303, 4, now)).toMatchObject({ item: { id: 'a' } });
    expect(hitAt(detail, span, width, 310, 4, now)).toBeUndefined();
    expect(hitAt(detail, span, width, 940, 4, now)).toMatchObject({ item: { id: 'b' } });
    expect(hitAt(detail, span, width, 960, 4, now)).toBeUndefined();
  });

  test('is the nearer of two, and of those over one another the shorter', () => {
    const near = detailOf(rowOf(item('a', 10, 10), item('b', 12, 12)), 1_024);
    expect(hitAt(near, span, width, 108, 12, now)).toMatchObject({ item: { id: 'a' } });
    expect(hitAt(near, span, width, 113, 12, now)).toMatchObject({ item: { id: 'b' } });
    const over = { bars: [item('long', 0, 90), item('short', 40, 50)], pips: [], clusters: [] };
    expect(hitAt(over, span, width, 450, 4, now)).toMatchObject({ item: { id: 'short' } });
  });

  test('is a cluster where there is one', () => {
    const detail = detailOf(rowOf(item('a', 10, 10.2), item('b', 10.5, 11)), 16_384);
    expect(hitAt(detail, span, width, 105, 4, now)).toMatchObject({
      kind: 'cluster',
      cluster: { from: EPOCH + 10_000 },
    });
  });
});

describe('the layout', () => {
  const lanes = lanesOf(['web1', 'db1'], [item('1', 0, 10), item('2', 2, 4), item('3', 3, 4, { node: 'db1' })]);

  test.each([false, true])('has a place for each row, and finds it again (narrow: %s)', (narrow) => {
    const layout = layoutOf(lanes, narrow);
    expect(layout.height).toBe(layout.lanes.reduce((sum, { height }) => sum + height, 0));
    for (const placed of layout.lanes) {
      expect(laneAt(layout, placed.top)).toBe(placed);
      for (const [index, row] of placed.lane.rows.entries())
        expect(rowAt(layout, placed.rows + index * ROW_PX + 5)).toBe(row);
    }
    expect(laneAt(layout, layout.height)).toBeUndefined();
    expect(rowAt(layout, -1)).toBeUndefined();
  });
});
