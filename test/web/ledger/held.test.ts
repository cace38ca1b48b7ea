import { describe, expect, test } from 'vitest';

import type { LedgerPage } from '../../../src/wire/ledger.ts';
import { extended, joined, RECORDS_MAX } from '../../../web/ledger/held.ts';

/** Records from `newest` down to `oldest`. */
function page(newest: number, oldest: number): LedgerPage {
  const records = Array.from({ length: newest - oldest + 1 }, (_, index) => ({
    seq: newest - index,
    at: '',
    type: 'renewed',
    hash: '',
    event: {},
  })) as unknown as LedgerPage['records'];
  return oldest === 1 ? { records } : { records, next: oldest };
}

const ends = ({ records, next }: LedgerPage): unknown => [records[0]?.seq, records.at(-1)?.seq, next];

describe('the records a page holds', () => {
  test('begin with the newest page, followed by what was held', () => {
    expect(ends(joined(page(60, 11), page(50, 1)))).toEqual([60, 1, undefined]);
    expect(ends(joined(page(60, 11), undefined))).toEqual([60, 11, 11]);
  });

  test('are the newest page alone where there would be a gap', () => {
    expect(ends(joined(page(200, 151), page(100, 51)))).toEqual([200, 151, 151]);
  });

  test('do not become more and more by themselves', () => {
    let held = page(50, 1);
    for (let newest = 51; newest <= 2_000; newest += 1) held = joined(page(newest, newest - 49), held);
    expect(held.records.length).toBe(RECORDS_MAX);
    expect(ends(held)).toEqual([2_000, 1_001, 1_001]);
  });

  test('stay as many as somebody has asked for', () => {
    expect(ends(joined(page(2_010, 1_961), page(2_000, 501)))).toEqual([2_010, 511, 511]);
  });

  test('are followed by older ones once, and only by those that come next', () => {
    const more = extended(page(100, 51), page(50, 1));
    expect(ends(more)).toEqual([100, 1, undefined]);
    expect(extended(more, page(50, 1))).toBe(more);
  });
});
