import { describe, expect, test } from 'vitest';

import type { KeptView } from '../../../src/wire/http.ts';
import { spaceOf } from '../../../web/space/space.ts';

let made = 0;

function kept(dataset: string, bytes: number | undefined, more: Partial<KeptView> = {}): KeptView {
  made += 1;
  return {
    kind: 'snapshot',
    name: `${dataset}@${made}`,
    dataset,
    driver: 'directory',
    mutation: `m${made}`,
    node: 'web1',
    intent: 'test',
    createdAt: new Date(1_800_000_000_000 + made).toISOString(),
    pinned: false,
    ...(bytes === undefined ? {} : { bytes }),
    ...more,
  };
}

describe('the picture of space', () => {
  test('has the largest dataset first, and blocks as wide as they are large, oldest first', () => {
    const [young, old] = [
      kept('/a', 30, { createdAt: '2026-02-01T00:00:00Z' }),
      kept('/a', 10, { createdAt: '2026-01-01T00:00:00Z' }),
    ];
    const rows = spaceOf([young, old, kept('/b', 400)], []);
    expect(rows.map(({ dataset, bytes, share }) => [dataset, bytes, share])).toEqual([
      ['/b', 400, 1],
      ['/a', 40, 0.1],
    ]);
    expect(rows[1]?.blocks.map(({ kept: { name }, share }) => [name, share])).toEqual([
      [old.name, 0.25],
      [young.name, 0.75],
    ]);
  });

  test('shows what would go, told apart by kind', () => {
    const snapshot = kept('/a', 10);
    const evidence = kept('/a', 20, { kind: 'evidence', name: snapshot.name });
    const [row] = spaceOf([snapshot, evidence], [{ kind: 'evidence', name: snapshot.name, mutation: 'm', why: 'old' }]);
    expect(row?.blocks.map(({ kept: { kind }, going }) => [kind, going])).toEqual([
      ['snapshot', false],
      ['evidence', true],
    ]);
    expect(row?.goingBytes).toBe(20);
  });

  test('draws alike what nobody knows the size of, and hides nothing that is tiny', () => {
    const [unknown] = spaceOf([kept('/a', undefined), kept('/a', undefined)], []);
    expect(unknown?.blocks.map(({ share }) => share)).toEqual([0.5, 0.5]);
    expect(unknown?.unknown).toBe(2);
    const [mixed] = spaceOf([kept('/b', 1), kept('/b', 1_000_000_000)], []);
    expect(Math.min(...(mixed?.blocks.map(({ share }) => share) ?? []))).toBeGreaterThan(0.01);
  });
});
