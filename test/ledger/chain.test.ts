import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { GENESIS, link, type StoredRecord, verifyChain } from '../../src/ledger/chain.ts';
import { requestedEvent, sampleMutation } from './sample.ts';

/** An honest chain of this many records. */
function chainOf(length: number): StoredRecord[] {
  const rows: StoredRecord[] = [];
  let prev = GENESIS;
  for (let seq = 1; seq <= length; seq++) {
    const { record, body } = link(prev, seq, requestedEvent(sampleMutation(seq)));
    rows.push({ seq, body, prev: record.prev, hash: record.hash });
    prev = record.hash;
  }
  return rows;
}

const honest = chainOf(9);
const at = (seq: number): StoredRecord => honest[seq - 1] ?? { seq: 0, body: '', prev: '', hash: '' };
const replaced = (seq: number, change: Partial<StoredRecord>): StoredRecord[] =>
  honest.map((row) => (row.seq === seq ? { ...row, ...change } : row));

describe('an honest chain', () => {
  test('verifies and names its last record', () => {
    expect(verifyChain(honest)).toEqual({ records: 9, last: { seq: 9, hash: at(9).hash } });
    expect(verifyChain([])).toEqual({ records: 0 });
  });

  test('has known hashes: the format is for ever', () => {
    const { record, body } = link(GENESIS, 1, { type: 'pinned', mono: 2, at: 1, mutation: 'm', pinned: true });
    expect(body).toBe('{"at":1,"mono":2,"mutation":"m","pinned":true,"type":"pinned"}');
    // printf '%064d\n1\n%s' 0 '<body>' | sha256sum
    expect(record.hash).toBe('658ff1a62a17230e0054e07ee16b26d7dec55d325b9f5d925c25538509b3e42f');
  });
});

describe('a tampered chain is named at the right place', () => {
  const cases: readonly (readonly [string, StoredRecord[], number, string, string])[] = [
    [
      'an edited body',
      replaced(4, { body: at(4).body.replace('number 4', 'number 5') }),
      4,
      'edited',
      'content does not match',
    ],
    ['an edited body at the end', replaced(9, { body: '{}' }), 9, 'edited', 'content does not match'],
    ['an edited hash', replaced(4, { hash: 'f'.repeat(64) }), 4, 'edited', 'its hash was changed'],
    ['an edited link', replaced(4, { prev: 'f'.repeat(64) }), 4, 'edited', 'its link'],
    [
      'a dropped record',
      honest.filter(({ seq }) => seq !== 4),
      4,
      'dropped',
      'Record 4 is missing: the next one there is 5',
    ],
    ['the first dropped', honest.slice(1), 1, 'dropped', 'Record 1 is missing'],
    [
      'one dropped and the rest moved up',
      [...honest.slice(0, 3), ...honest.slice(4).map((row) => ({ ...row, seq: row.seq - 1 }))],
      4,
      'dropped',
      'Record 4 was dropped',
    ],
    [
      'two swapped',
      honest.map((row) => (row.seq === 3 ? { ...at(6), seq: 3 } : row.seq === 6 ? { ...at(3), seq: 6 } : row)),
      3,
      'reordered',
      'stands at 6',
    ],
    [
      'one moved to the end',
      [...honest.filter(({ seq }) => seq !== 4), { ...at(4), seq: 10 }],
      4,
      'reordered',
      'stands at 10',
    ],
    ['read in the wrong order', [at(1), at(3), at(2)], 2, 'reordered', 'Record 2 was moved'],
    ['one read twice', [at(1), at(2), at(2), at(3)], 3, 'reordered', 'Record 3 was moved'],
  ];

  test.each(cases)('%s', (_, rows, seq, how, words) => {
    const { broken } = verifyChain(rows);
    expect(broken).toMatchObject({ seq, how });
    expect(broken?.problem).toContain(words);
  });

  test('any single change to any record is found, at that record', () => {
    const change = fc.record({
      seq: fc.integer({ min: 1, max: 9 }),
      field: fc.constantFrom('body', 'prev', 'hash'),
      place: fc.nat(),
      flip: fc.integer({ min: 1, max: 15 }),
    });
    fc.assert(
      fc.property(change, ({ seq, field, place, flip }) => {
        const text = at(seq)[field as 'body'];
        const i = place % text.length;
        const flipped = String.fromCharCode(text.charCodeAt(i) ^ flip);
        const rows = replaced(seq, { [field]: text.slice(0, i) + flipped + text.slice(i + 1) });
        expect(verifyChain(rows).broken?.seq).toBe(seq);
      }),
    );
  });

  test('any set of records left out is found at the first of them, unless only the end is missing', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (left) => {
        const first = Math.min(...left);
        const rows = honest.filter(({ seq }) => !left.includes(seq));
        const onlyTheEnd = rows.every(({ seq }) => seq < first);
        expect(verifyChain(rows).broken?.seq).toBe(onlyTheEnd ? undefined : first);
      }),
    );
  });
});
