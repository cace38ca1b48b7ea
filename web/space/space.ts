import type { KeptView, PruneView } from '../../src/wire/http.ts';

/** What a kept state is in the picture: a snapshot or evidence, and whether it would go. */
export interface Block {
  readonly kept: KeptView;
  readonly bytes: number | undefined;
  /** Of the width of its row, 0 to 1. */
  readonly share: number;
  readonly going: boolean;
}

/** All that is kept of one dataset. */
export interface Row {
  readonly dataset: string;
  readonly blocks: readonly Block[];
  /** Sum of what is known. */
  readonly bytes: number;
  readonly unknown: number;
  readonly goingBytes: number;
  /** Of the widest row, 0 to 1. */
  readonly share: number;
}

/** So that the smallest can still be seen and pointed at. */
const SHARE_MIN = 0.012;

/**
 * The picture: a row for each dataset, the largest first; in it a block for each kept state, the oldest first, as wide as it is large.
 * What the storage does not know the size of is as wide as the smallest.
 */
export function spaceOf(kept: readonly KeptView[], going: PruneView['going']): readonly Row[] {
  const leaving = new Set(going.map(({ kind, name }) => `${kind} ${name}`));
  const datasets = new Set(kept.map(({ dataset }) => dataset));
  const rows = [...datasets].map((dataset) => {
    const all = kept.filter((one) => one.dataset === dataset);
    const known = all.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
    const widths = all.map(({ bytes }) => Math.max(SHARE_MIN, known === 0 || bytes === undefined ? 0 : bytes / known));
    const width = widths.reduce((sum, one) => sum + one, 0);
    const blocks = all.map((one, index) => ({
      kept: one,
      bytes: one.bytes,
      share: (widths[index] ?? 0) / width,
      going: leaving.has(`${one.kind} ${one.name}`),
    }));
    return {
      dataset,
      bytes: known,
      unknown: all.filter(({ bytes }) => bytes === undefined).length,
      goingBytes: blocks.reduce((sum, { going: goes, bytes }) => sum + (goes ? (bytes ?? 0) : 0), 0),
      blocks: blocks.toSorted((a, b) => (a.kept.createdAt < b.kept.createdAt ? -1 : 1)),
    };
  });
  const widest = Math.max(1, ...rows.map(({ bytes }) => bytes));
  return rows
    .map((row) => ({ ...row, share: row.bytes === 0 ? 1 : Math.max(0.08, row.bytes / widest) }))
    .toSorted((a, b) => b.bytes - a.bytes || (a.dataset < b.dataset ? -1 : 1));
}
