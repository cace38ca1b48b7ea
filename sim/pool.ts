import { contains, type DatasetName } from '../src/core/dataset.ts';
import type { FinalStage, MutationId } from '../src/core/mutation/mutation.ts';

/** What lies in a dataset: path → content. */
export type Content = ReadonlyMap<string, string>;

export interface Frozen {
  readonly kind: 'snapshot' | 'evidence';
  readonly name: string;
  readonly dataset: DatasetName;
  readonly mutation: MutationId;
  readonly guid: string;
  readonly node: string;
  readonly intent: string;
  readonly createdAt: number;
  readonly fence: number;
  /** Of evidence: the snapshot that cannot go before it. */
  readonly restsOn?: string;
  /** How its mutation ended, as far as the storage was told. */
  outcome?: FinalStage;
  /** Undefined while it is being made: a crash in between leaves it so. */
  content: Content | undefined;
}

/** Nested ones, siblings, and one whose name only looks like it lay inside another. */
export const DATASETS: readonly DatasetName[] = ['/a', '/a/b', '/a/b/c', '/a/d', '/a-b', '/e', '/f', '/g'];

/** Whom a snapshot belongs to that the ledger knows nothing of: it was lost, or the snapshot is from another mesh. */
export const NOBODY = 'nobody';

/** Its fencing token: somebody acted on it once, so nobody is given it, or a lower one, again. */
const STRANGER_FENCE = 7;

/** The file system of the fake world. All of it survives crashes, at whatever point they come. */
export class Pool {
  readonly files = new Map<string, string>();
  readonly frozen = new Map<string, Frozen>();
  readonly sealed = new Set<DatasetName>();

  constructor() {
    for (const dataset of DATASETS) for (const file of ['x', 'y']) this.files.set(`${dataset}/${file}`, 'at first');
    for (const dataset of ['/a', '/e']) {
      const name = `${dataset}@PRE_stranger_before_20200101_000000_000`;
      const about = { dataset, mutation: NOBODY, guid: name, node: 'stranger', intent: 'before' };
      const content = this.contentOf(dataset);
      this.frozen.set(name, { kind: 'snapshot', name, ...about, createdAt: 0, fence: STRANGER_FENCE, content });
    }
  }

  contentOf(dataset: DatasetName): Content {
    return new Map([...this.files].filter(([path]) => contains(dataset, path)));
  }

  isReadOnly(path: string): boolean {
    for (const dataset of this.sealed) if (dataset === path || contains(dataset, path)) return true;
    return false;
  }

  frozenOf(mutation: MutationId, kind: Frozen['kind']): Frozen[] {
    return [...this.frozen.values()].filter((frozen) => frozen.mutation === mutation && frozen.kind === kind);
  }
}

/** Paths whose content differs; undefined content means the file is not there. */
export function differences(from: Content, to: Content): string[] {
  const paths = new Set([...from.keys(), ...to.keys()]);
  return [...paths].filter((path) => from.get(path) !== to.get(path));
}
