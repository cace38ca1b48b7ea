import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { contains, type Dataset, type DatasetName } from '../../core/dataset.ts';
import type { MutationId } from '../../core/mutation/mutation.ts';
import type { Evidence, Snapshot } from '../../core/snapshot/snapshot.ts';
import type {
  Changes,
  RollbackPlan,
  RollbackRequest,
  SnapshotProperties,
  SnapshotRequest,
  StorageDriver,
  Stored,
} from '../../ports/storage.ts';

/** Path relative to the dataset's root → content. */
type Files = ReadonlyMap<string, string>;

interface Frozen {
  readonly kind: Stored['kind'];
  readonly dataset: DatasetName;
  readonly name: string;
  readonly guid: string;
  readonly createdAt: number;
  readonly properties: SnapshotProperties;
  /** Of evidence: which try of the rollback it belongs to. */
  readonly attempt: number;
  readonly files: Files;
}

/** A storage of maps: what the simulator and fast tests run on. It keeps every promise of the port except surviving its process. */
export interface MemoryStorage extends StorageDriver {
  /** Makes an empty dataset; one that is there already stays as it is. */
  create(dataset: DatasetName): void;
  files(dataset: DatasetName): Files;
  /** @throws when the dataset is sealed: what EROFS is on a disk */
  write(dataset: DatasetName, path: string, content: string): void;
  /** @throws when the dataset is sealed */
  remove(dataset: DatasetName, path: string): void;
  isSealed(dataset: DatasetName): boolean;
}

/** @param now wall clock, ms since the epoch */
export function memoryStorage({ now = () => Date.now() }: { readonly now?: () => number } = {}): MemoryStorage {
  const live = new Map<DatasetName, Map<string, string>>();
  const sealed = new Set<DatasetName>();
  /** By name: names are unique, whatever kind they are. */
  const store = new Map<string, Frozen>();
  let counter = 0;

  function writable(dataset: DatasetName): Map<string, string> {
    const files = live.get(dataset);
    if (files === undefined) throw new Error(`no dataset ${dataset}`);
    if (sealed.has(dataset)) throw new Error(`EROFS: ${dataset} is sealed`);
    return files;
  }

  function freeze(of: Pick<Frozen, 'kind' | 'dataset' | 'name' | 'properties' | 'attempt'>): Frozen {
    const files = new Map(live.get(of.dataset));
    const frozen = { ...of, guid: String(++counter), createdAt: now(), files };
    store.set(of.name, frozen);
    return frozen;
  }

  function stored(name: string): Result<Frozen, Refusal> {
    const frozen = store.get(name);
    return frozen === undefined ? err(refusal('snapshot_gone', `There is no ${name} in memory.`)) : ok(frozen);
  }

  /** The datasets inside one, with the names that their snapshots get beside its own. */
  function within(dataset: DatasetName, name: string): SnapshotRequest['snapshots'] {
    const label = name.slice(name.lastIndexOf('@'));
    const names = [...live.keys()].filter((other) => contains(dataset, other));
    return names.map((other) => ({ dataset: other, name: `${other}${label}` }));
  }

  function liveFiles(dataset: DatasetName): Result<Files, Refusal> {
    const files = live.get(dataset);
    return files === undefined
      ? err(refusal('dataset_missing', `There is no dataset ${dataset} in memory.`))
      : ok(files);
  }

  function compare(from: Snapshot, to: Snapshot | Evidence | 'live'): Result<Changes, Refusal> {
    const before = stored(from.name);
    if (!before.ok) return before;
    const after = to === 'live' ? liveFiles(from.dataset) : stored(to.name);
    if (!after.ok) return after;
    return ok(changes(before.value.files, 'files' in after.value ? after.value.files : after.value));
  }

  return {
    driver: 'memory',

    create: (dataset) => void (live.has(dataset) || live.set(dataset, new Map())),
    files: (dataset) => live.get(dataset) ?? new Map(),
    write: (dataset, path, content) => void writable(dataset).set(path, content),
    remove: (dataset, path) => void writable(dataset).delete(path),
    isSealed: (dataset) => sealed.has(dataset),

    inspect: () =>
      Promise.resolve({
        driver: 'memory' as const,
        available: true,
        can: ['snapshots, rollback, seal'],
        limits: [{ what: 'nothing outlives the process', fix: 'Use it for tests only.' }],
      }),

    locate: (target): Promise<Result<Dataset, Refusal> | undefined> => {
      if (live.has(target)) return Promise.resolve(ok({ name: target, driver: 'memory' }));
      return Promise.resolve(err(refusal('dataset_missing', `There is no dataset ${target} in memory.`)));
    },

    snapshot: (request: SnapshotRequest) => {
      for (const { dataset } of request.snapshots) {
        const files = liveFiles(dataset);
        if (!files.ok) return Promise.resolve(files);
      }
      const inside = request.recursive ? request.snapshots.flatMap((one) => within(one.dataset, one.name)) : [];
      const taken = [...request.snapshots, ...inside].map(({ dataset, name }) => {
        const there = store.get(name);
        if (there?.properties.mutation === request.mutation) return snapshotOf(there);
        return snapshotOf(freeze({ kind: 'snapshot', dataset, name, properties: request.properties, attempt: 0 }));
      });
      return Promise.resolve(ok(taken));
    },

    discard: (mutation: MutationId) => {
      for (const [name, frozen] of store) {
        if (frozen.kind === 'snapshot' && frozen.properties.mutation === mutation) store.delete(name);
      }
      return Promise.resolve(ok(undefined));
    },

    plan: (snapshot: Snapshot): Promise<Result<RollbackPlan, Refusal>> => {
      const found = compare(snapshot, 'live');
      if (!found.ok) return Promise.resolve(found);
      const { dataset, name } = snapshot;
      const steps = [`keep the failed state of ${dataset} as evidence`, `put ${dataset} back to ${name}`];
      return Promise.resolve(ok({ dataset, snapshot: name, changes: found.value, openFiles: [], blockers: [], steps }));
    },

    rollback: ({
      snapshot,
      properties,
      evidenceName,
      attempt,
    }: RollbackRequest): Promise<Result<Evidence, Refusal>> => {
      const wanted = stored(snapshot.name);
      if (!wanted.ok) return Promise.resolve(wanted);
      const { dataset } = snapshot;
      const files = liveFiles(dataset);
      if (!files.ok) return Promise.resolve(files);
      if (sealed.has(dataset)) {
        return Promise.resolve(err(refusal('rollback_failed', `${dataset} cannot be written: it is sealed.`)));
      }
      if (!store.has(evidenceName)) freeze({ kind: 'evidence', dataset, name: evidenceName, properties, attempt });
      live.set(dataset, new Map(wanted.value.files));
      return Promise.resolve(ok({ dataset, driver: 'memory', name: evidenceName, path: `memory:${evidenceName}` }));
    },

    diff: (from, to) => Promise.resolve(compare(from, to)),

    list: () => Promise.resolve([...store.values()].map(storedOf)),

    destroy: ({ name, kind }) => {
      if (store.get(name)?.kind === kind) store.delete(name);
      return Promise.resolve(ok(undefined));
    },

    reclaimable: () => Promise.resolve(undefined),

    tend: () => Promise.resolve(),

    seal: (dataset, wanted) => {
      if (!live.has(dataset))
        return Promise.resolve(err(refusal('dataset_missing', `There is no dataset ${dataset} in memory.`)));
      if (wanted) sealed.add(dataset);
      else sealed.delete(dataset);
      return Promise.resolve(ok(undefined));
    },

    scratch: () => {
      const name = `/scratch/${++counter}`;
      live.set(name, new Map());
      const remove = () => {
        live.delete(name);
        sealed.delete(name);
        for (const [key, frozen] of store) if (frozen.dataset === name) store.delete(key);
        return Promise.resolve();
      };
      return Promise.resolve({ dataset: { name, driver: 'memory' as const }, path: name, remove });
    },
  };
}

function snapshotOf({ dataset, name, guid, createdAt }: Frozen): Snapshot {
  return { dataset, driver: 'memory', name, guid, createdAt };
}

function storedOf({ kind, dataset, name, guid, createdAt, properties }: Frozen): Stored {
  return { ...properties, kind, driver: 'memory', dataset, name, guid, createdAt };
}

function changes(before: Files, after: Files): Changes {
  const both = [...before.keys()].filter((path) => after.has(path));
  return {
    added: [...after.keys()].filter((path) => !before.has(path)).toSorted(),
    modified: both.filter((path) => before.get(path) !== after.get(path)).toSorted(),
    removed: [...before.keys()].filter((path) => !after.has(path)).toSorted(),
  };
}
