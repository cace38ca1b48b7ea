import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { firstFrom, lanesOf } from '../../../web/timeline/lanes.ts';
import { item } from './played.ts';

describe('lanes', () => {
  test('are those of the nodes in their order, then of others by name', () => {
    const items = [
      item('1', 0, 1, { node: 'zeta' }),
      item('2', 0, 1, { node: 'alpha' }),
      item('3', 0, 1, { node: 'db1' }),
    ];
    expect(lanesOf(['web1', 'db1'], items).map(({ node }) => node)).toEqual(['web1', 'db1', 'alpha', 'zeta']);
  });

  test('of a node without mutations have one empty row', () => {
    expect(lanesOf(['web1'], [])).toMatchObject([{ node: 'web1', rows: [{ items: [] }], items: [] }]);
  });

  test('put below one another what overlaps, and into one row what does not', () => {
    const items = [item('1', 0, 10), item('2', 2, 4), item('3', 4, 6), item('4', 10, undefined)];
    const rows = lanesOf([], items)[0]?.rows.map((row) => row.items.map(({ id }) => id));
    expect(rows).toEqual([
      ['1', '4'],
      ['2', '3'],
    ]);
  });

  test('have four rows at most, and lose nothing', () => {
    const lifetimes = fc.array(fc.tuple(fc.nat(1_000), fc.option(fc.nat(200))), { maxLength: 60 });
    fc.assert(
      fc.property(lifetimes, (spans) => {
        const items = spans.map(([from, length], index) =>
          item(String(index), from, length === null ? undefined : from + length),
        );
        const [lane] = lanesOf(['web1'], items);
        const rows = lane?.rows ?? [];
        expect(rows.length).toBeLessThanOrEqual(4);
        expect(rows.flatMap((row) => row.items.map(({ id }) => id)).toSorted()).toEqual(
          items.map(({ id }) => id).toSorted(),
        );
        for (const row of rows) {
          const reach = [...row.reach];
          expect(reach).toEqual(reach.toSorted((a, b) => a - b));
          row.items.every((one, index) => expect(reach[index]).toBeGreaterThanOrEqual(one.end));
        }
      }),
    );
  });
});

test('the first that is not below a value is found by halving', () => {
  const sorted = fc.array(fc.nat(50)).map((values) => values.toSorted((a, b) => a - b));
  fc.assert(
    fc.property(sorted, fc.nat(50), (values, wanted) => {
      const index = values.findIndex((value) => value >= wanted);
      const found = firstFrom(values.length, (at) => values[at] ?? 0, wanted);
      expect(found).toBe(index === -1 ? values.length : index);
    }),
  );
});
