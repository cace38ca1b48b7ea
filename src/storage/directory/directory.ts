import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import type { Evidence, Snapshot } from '../../core/snapshot/snapshot.ts';
import type {
  Changes,
  Inspection,
  RollbackRequest,
  Scratch,
  SnapshotRequest,
  StorageDriver,
  Stored,
} from '../../ports/storage.ts';
import { changesOf } from '../tree/compare.ts';
import { guardable, notRecursive, restorable } from '../tree/guardable.ts';
import { differencesOf } from '../tree/look.ts';
import { compareLive, makeRoot, planRestore, refusing, restore, type Restoration } from '../tree/restore.ts';
import { DEFAULT_RESERVE, isFull, ranFull, type Reserve } from '../tree/space.ts';
import { syncedAlong, syncTree } from '../tree/sync.ts';
import { errorCode, syscalls } from '../tree/syscalls.ts';
import { type Base, freeze } from './freeze.ts';
import { tryReflink } from './space.ts';
import { type Kept, type Meta, readEntries, readManifest, Store, writeRecord } from './store.ts';

export interface DirectoryOptions {
  /** Where snapshots and evidence are kept, e.g. HAUKI_HOME/store/directory. Made when it is not there, closed to others. */
  readonly store: string;
  /** HAUKI_HOME: hauki's own data is not guarded by itself. Scratch datasets are made in `<home>/scratch`. */
  readonly home: string;
  readonly reserve?: Reserve;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
}

/** Guards any directory by keeping copies of it: no special file system, and no privilege beyond being its owner. */
export function directoryStorage({
  store: root,
  home,
  reserve = DEFAULT_RESERVE,
  now = () => Date.now(),
}: DirectoryOptions): StorageDriver {
  const store = new Store(root);
  const scratchRoot = join(home, 'scratch');
  const place = { own: [home, root], except: [scratchRoot] };

  const locate: StorageDriver['locate'] = async (target) => {
    const path = await guardable(target, place);
    if (path === undefined || !path.ok) return path;
    const name = await restorable(path.value);
    return name.ok ? ok({ name: name.value, driver: 'directory' }) : name;
  };

  async function snapshot(request: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal>> {
    const { mutation, snapshots, recursive = false, properties } = request;
    if (recursive) return err(notRecursive('directory'));
    await store.prepare();
    const there = await answer(request);
    if (there !== undefined) return there;
    const folder = store.snapshotsOf(mutation);
    const built = await build(folder, async (partial) => {
      for (const { dataset, name } of snapshots) {
        const about = { kind: 'snapshot' as const, dataset, name, properties, attempt: 0 };
        const kept = await keep(store.placeIn(partial, dataset), about, await store.newest(dataset), reserve);
        if (!kept.ok) return kept;
      }
      return ok(undefined);
    });
    if (!built.ok) return built;
    return (
      (await answer(request)) ??
      err(refusal('snapshot_failed', `The snapshots of ${mutation} could not be read back from ${folder}.`))
    );
  }

  /** What a snapshot request is answered with, read from the store; undefined when the mutation has none. */
  async function answer({
    mutation,
    snapshots,
  }: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal> | undefined> {
    const kept = await store.ofMutation(mutation);
    if (kept.length === 0) return undefined;
    const taken: Snapshot[] = [];
    for (const { name } of snapshots) {
      const one = kept.find(({ meta }) => meta.name === name);
      if (one === undefined)
        return err(
          refusal('snapshot_failed', `${mutation} has snapshots in the store, but ${name} is not among them.`),
        );
      await readManifest(one);
      taken.push(snapshotOf(one.meta));
    }
    return ok(taken);
  }

  /** Builds a folder of the store under another name, has it on the disk, and then makes it exist. All of it, or nothing stays. */
  async function build(
    folder: string,
    work: (partial: string) => Promise<Result<unknown, Refusal>>,
  ): Promise<Result<void, Refusal>> {
    try {
      const partial = await store.begin(folder);
      const built = await work(partial);
      if (built.ok) {
        await syncTree(partial, await syscalls());
        await store.complete(partial, folder);
        return ok(undefined);
      }
      await store.abandon(folder);
      return built;
    } catch (error) {
      await store.abandon(folder);
      if (isFull(error)) return err(ranFull(root));
      throw error;
    }
  }

  /** Freezes a live directory into a folder of the store. */
  async function keep(
    folder: string,
    about: Pick<Meta, 'kind' | 'dataset' | 'name' | 'properties' | 'attempt'>,
    base: Kept | undefined,
    reserve: Reserve,
  ): Promise<Result<Meta, Refusal>> {
    const createdAt = now();
    const sys = await syscalls();
    return syncedAlong(root, sys, async () => {
      const frozen = await freeze({
        root: about.dataset,
        folder,
        base: base === undefined ? undefined : await baseOf(base),
        journal: store.journalOf(about.dataset),
        reserve,
        sys,
      });
      if (!frozen.ok) return frozen;
      const { manifest, ...found } = frozen.value;
      return ok(await writeRecord(folder, manifest, { ...about, createdAt, ...found }));
    });
  }

  async function rollback({
    snapshot,
    properties,
    evidenceName,
    attempt,
  }: RollbackRequest): Promise<Result<Evidence, Refusal>> {
    const { dataset } = snapshot;
    const kept = await wanted(snapshot);
    if (!kept.ok) return kept;
    const of = await restoration(kept.value);
    return refusing(dataset, async () => {
      await makeRoot(dataset);
      const evidence = await keepEvidence();
      if (!evidence.ok) return evidence;
      const restored = await restore(of);
      return restored.ok ? evidence : restored;
    });

    /** Complete, and on the disk, before anything is put back. When it is there already, the live state may be half restored. */
    async function keepEvidence(): Promise<Result<Evidence, Refusal>> {
      await store.prepare();
      const folder = store.evidenceOf(properties.mutation, attempt, dataset);
      const result = ok({ dataset, driver: 'directory' as const, name: evidenceName, path: join(folder, 'tree') });
      if ((await store.find(evidenceName)) !== undefined) return result;
      const about = { kind: 'evidence' as const, dataset, name: evidenceName, properties, attempt };
      // The reserve is kept for this very moment.
      const failed = await build(folder, (partial) => keep(partial, about, kept.ok ? kept.value : undefined, () => 0));
      if (failed.ok) return result;
      const why = `${dataset} is not put back, because its failed state could not be kept first: ${failed.error.message}`;
      return err(refusal('rollback_failed', why, undefined, { cause: failed.error.code, ...failed.error.evidence }));
    }
  }

  async function diff(from: Snapshot, to: Snapshot | Evidence | 'live'): Promise<Result<Changes, Refusal>> {
    const before = await wanted(from);
    if (!before.ok) return before;
    const of = await restoration(before.value);
    if (to === 'live') {
      return refusing(from.dataset, () =>
        compareLive(of, ({ differences }) => Promise.resolve(ok(changesOf(differences)))),
      );
    }
    const after = await wanted(to);
    if (!after.ok) return after;
    const { differences } = await differencesOf(of.frozen, await treeOf(after.value), of.racySinceMs, of.sys);
    return ok(changesOf(differences));
  }

  async function restoration(kept: Kept): Promise<Restoration> {
    const { dataset, racySinceMs } = kept.meta;
    return {
      dataset,
      frozen: await treeOf(kept),
      racySinceMs,
      journal: store.journalOf(dataset),
      sys: await syscalls(),
    };
  }

  /** Finds what is in the store under a name; another thing under the same name does not count. */
  async function wanted(of: Snapshot | Evidence): Promise<Result<Kept, Refusal>> {
    const kept = await store.find(of.name);
    const guid = 'guid' in of ? of.guid : '';
    if (kept !== undefined && (guid === '' || kept.meta.guid === guid)) return ok(kept);
    return err(refusal('snapshot_gone', `${of.name} is not in the store ${root}.`));
  }

  async function scratch(): Promise<Scratch | undefined> {
    const path = join(scratchRoot, randomUUID());
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
    } catch {
      return undefined;
    }
    const located = await locate(path);
    if (located === undefined || !located.ok) return undefined;
    const dataset = located.value;
    const remove = async (): Promise<void> => {
      for (const { meta, folder } of await store.list()) if (meta.dataset === dataset.name) await store.remove(folder);
      await rm(path, { recursive: true, force: true });
    };
    return { dataset, path: dataset.name, remove };
  }

  async function inspect(): Promise<Inspection> {
    const limits: { what: string; fix: string }[] = [
      {
        what: 'not atomic against a writer outside hauki: what is written during a snapshot is copied until it holds still',
        fix: 'Put the state on a btrfs subvolume.',
      },
      {
        what: 'no seal: a directory cannot be made read-only for everybody',
        fix: 'Put the state on a btrfs subvolume.',
      },
    ];
    const can = ['guards any directory: snapshot, rollback with evidence, diff'];
    try {
      await store.prepare();
      const sys = await syscalls();
      const [sample, probe] = [join(root, `probe-${randomUUID()}`), join(root, `probe-${randomUUID()}`)];
      await writeFile(sample, 'hauki');
      if (tryReflink(sample, probe, sys))
        can.push('snapshots share their blocks with directories on the same file system (reflinks)');
      else
        limits.push({
          what: `${root} has no reflinks: the first snapshot copies everything, later ones what changed`,
          fix: 'Put HAUKI_HOME and the state on btrfs or XFS.',
        });
      await rm(sample);
      if (process.geteuid?.() === 0) can.push('restores owners, devices and all extended attributes (runs as root)');
      else
        limits.push({
          what: 'runs as an ordinary user: owners of others and devices cannot be restored',
          fix: 'Run the controller as root.',
        });
      return { driver: 'directory', available: true, can, limits };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return {
        driver: 'directory',
        available: false,
        can: [],
        limits: [{ what: `${root} cannot be used: ${why}`, fix: 'Make HAUKI_HOME writable.' }],
      };
    }
  }

  return {
    driver: 'directory',
    inspect,
    locate,
    snapshot,
    discard: async (mutation) => {
      await store.prepare();
      await store.abandon(store.snapshotsOf(mutation));
      await store.remove(store.snapshotsOf(mutation));
      return ok(undefined);
    },
    plan: async (snapshot) => {
      const kept = await wanted(snapshot);
      if (!kept.ok) return kept;
      return planRestore(
        await restoration(kept.value),
        snapshot.name,
        `keep the failed state as evidence in ${join(root, 'evidence')}`,
      );
    },
    rollback,
    diff,
    list: async () => (await store.list()).map(storedOf),
    destroy: async ({ kind, name }) => {
      const kept = await store.find(name);
      if (kept?.meta.kind === kind) await store.remove(kept.folder);
      return ok(undefined);
    },
    reclaimable: () => Promise.resolve(undefined),
    tend: () => Promise.resolve(),
    seal: async (dataset, sealed) => Promise.resolve(sealed ? err(sealUnsupported(dataset)) : ok(undefined)),
    scratch,
  };
}

function sealUnsupported(dataset: DatasetName): Refusal {
  const why = 'the superuser writes whatever its mode says, and its owner can change the mode back';
  return refusal(
    'seal_unsupported',
    `${dataset} is a plain directory and cannot be sealed: ${why}.`,
    'Make it a btrfs subvolume: there the file system itself refuses every write.',
  );
}

function snapshotOf({ dataset, name, guid, createdAt }: Meta): Snapshot {
  return { dataset, driver: 'directory', name, guid, createdAt };
}

function storedOf({ meta: { kind, dataset, name, guid, createdAt, properties }, folder }: Kept): Stored {
  return { ...properties, kind, driver: 'directory', dataset, name, guid, createdAt, path: join(folder, 'tree') };
}

/** What a new tree may share files with; undefined when it was destroyed meanwhile: then everything is copied. */
async function baseOf(kept: Kept): Promise<Base | undefined> {
  try {
    return { ...(await treeOf(kept)), racySinceMs: kept.meta.racySinceMs };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function treeOf(kept: Kept): Promise<Restoration['frozen']> {
  return { root: join(kept.folder, 'tree'), entries: await readEntries(kept) };
}
