import { randomUUID } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { contains, type DatasetName } from '../../core/dataset.ts';
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
import { byPath } from '../tree/access.ts';
import { changesOf } from '../tree/compare.ts';
import type { Tree } from '../tree/entry.ts';
import { guardable, notRecursive } from '../tree/guardable.ts';
import { type Holder, holdersOf } from '../tree/holders.ts';
import { differencesOf } from '../tree/look.ts';
import { mountOf, mounts, mountsInside, textPath } from '../tree/mounts.ts';
import { compareLive, planRestore, refusing, restore, type Restoration } from '../tree/restore.ts';
import { scan } from '../tree/scan.ts';
import { DEFAULT_RESERVE, isFull, lowSpace, ranFull, type Reserve } from '../tree/space.ts';
import { errorCode, type Syscalls, syscalls } from '../tree/syscalls.ts';
import { type Kept, type Meta, Store, STORE_NAME, TREE } from './store.ts';
import {
  createSubvolume,
  destroySubvolume,
  inspectSubvolume,
  isBtrfs,
  isSubvolume,
  setReadOnly,
  takeSnapshot,
} from './subvolume.ts';

export interface BtrfsOptions {
  /** HAUKI_HOME: hauki's own data is not guarded by itself. */
  readonly home: string;
  /** A directory on a btrfs file system for scratch datasets; `<home>/scratch` when HAUKI_HOME is on one. */
  readonly scratchIn?: string;
  readonly reserve?: Reserve;
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number;
}

type About = Omit<Meta, 'format' | 'home'>;

/** The kernel's clock ticks every 4 to 10 ms; twice the longest is certain. */
const CLOCK_TICKS_MS = 20;

/**
 * Guards btrfs subvolumes, by snapshots that are atomic and take a few milliseconds whatever the size. Needs root.
 *
 * A rollback does not swap the subvolume for its snapshot, which would be instant: everything that has the old one open, mounted
 * or as its working directory would stay on it, and a container's disk device would go on with the failed state. What changed
 * is put back in place instead, sharing blocks with the snapshot.
 */
export function btrfsStorage({
  home,
  scratchIn = join(home, 'scratch'),
  reserve = DEFAULT_RESERVE,
  now = () => Date.now(),
}: BtrfsOptions): StorageDriver {
  const place = { own: [home], except: [scratchIn] };
  let opened: Promise<{ sys: Syscalls; store: Store }> | undefined;
  const open = () => (opened ??= syscalls().then((sys) => ({ sys, store: new Store(sys, resolve(home)) })));

  const locate: StorageDriver['locate'] = async (target) => {
    if (!isAbsolute(target) || process.geteuid?.() !== 0) return undefined;
    // What is missing, or is no subvolume, is for the directory driver to judge.
    const path = await realpath(target).catch(() => undefined);
    if (path === undefined || !(await isSubvolume(path))) return undefined;
    const found = await guardable(path, place);
    if (found === undefined || !found.ok) return found;
    const mount = mountOf(path, await mounts());
    const ownStore = join(mount === undefined ? '/' : textPath(mount.path), STORE_NAME);
    if (contains(ownStore, path)) {
      return err(refusal('dataset_protected', `${path} lies in ${ownStore}, where hauki keeps its snapshots.`));
    }
    if (mount?.readOnly) {
      return err(
        refusal(
          'dataset_unsupported',
          `${path} is mounted read-only: no snapshot can be taken there.`,
          'Mount it writable.',
        ),
      );
    }
    return ok({ name: path, driver: 'btrfs' });
  };

  async function snapshot({
    mutation,
    snapshots,
    recursive = false,
    properties,
  }: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal>> {
    if (recursive) return err(notRecursive('btrfs'));
    const { sys, store } = await open();
    const members: { folder: string; meta: About }[] = [];
    const table = await mounts();
    for (const { dataset, name } of snapshots) {
      const folder = store.snapshotFolder(await store.rootFor(dataset), mutation, dataset);
      members.push({
        folder,
        meta: { kind: 'snapshot', dataset, name, createdAt: now(), properties, mounts: mountsInside(dataset, table) },
      });
    }
    const there = members.map(({ folder }) => store.read(folder));
    if (there.every((kept) => kept !== undefined)) return ok(there.map(snapshotOf));
    // Some of them: the rest of a call that was broken off. They are of another moment than those to come.
    const cleared = await discard(mutation);
    if (!cleared.ok) return cleared;

    const taken: Snapshot[] = [];
    for (const { folder, meta } of members) {
      const kept = await take(folder, meta, sys, store, reserve);
      if (!kept.ok) {
        await discard(mutation);
        return kept;
      }
      taken.push(snapshotOf(kept.value));
    }
    return ok(taken);
  }

  async function take(
    folder: string,
    meta: About,
    sys: Syscalls,
    store: Store,
    reserve: Reserve,
  ): Promise<Result<Kept, Refusal>> {
    const { dataset, name } = meta;
    const failed = (why: string) => err(refusal('snapshot_failed', `The snapshot ${name} could not be taken: ${why}.`));
    try {
      if (!(await isSubvolume(dataset))) return failed(`${dataset} is no btrfs subvolume any more`);
      const tight = await lowSpace(dataset, 0, reserve);
      if (tight !== undefined) return err(tight);
      store.announce(folder, meta);
      await takeSnapshot(dataset, folder, TREE, sys);
      const kept = store.read(folder);
      if (kept?.subvolume.parentUuid !== inspectSubvolume(dataset, sys).uuid)
        return failed('what was read back is not a snapshot of it');
      return ok(kept);
    } catch (error) {
      if (isFull(error)) return err(ranFull(dataset));
      if (errorCode(error) === undefined) throw error;
      return failed(error instanceof Error ? error.message : String(error));
    }
  }

  async function discard(mutation: string): Promise<Result<void, Refusal>> {
    const { store } = await open();
    for (const folder of await store.foldersOf(mutation)) await store.remove(folder);
    return ok(undefined);
  }

  async function rollback({
    snapshot,
    properties,
    evidenceName,
    attempt,
  }: RollbackRequest): Promise<Result<Evidence, Refusal>> {
    const { sys, store } = await open();
    const kept = await wanted(snapshot);
    if (!kept.ok) return kept;
    const { dataset } = snapshot;
    const refused = await makeSubvolume(dataset, sys);
    if (refused !== undefined) return err(refused);

    // First of all the failed state. When it is there already, the live state may be half restored by now.
    const folder = store.evidenceFolder(await store.rootFor(dataset), properties.mutation, attempt, dataset);
    if (store.read(folder) === undefined) {
      await store.remove(folder);
      const meta: About = {
        kind: 'evidence',
        dataset,
        name: evidenceName,
        createdAt: now(),
        properties,
        mounts: mountsInside(dataset, await mounts()),
      };
      // The reserve is kept for this very moment.
      const evidence = await take(folder, meta, sys, store, () => 0);
      if (!evidence.ok) {
        await store.remove(folder);
        const why = `${dataset} is not put back, because its failed state could not be kept first: ${evidence.error.message}`;
        return err(
          refusal('rollback_failed', why, undefined, { cause: evidence.error.code, ...evidence.error.evidence }),
        );
      }
    }
    const restored = await refusing(dataset, async () => restore(await restoration(kept.value, sys)));
    return restored.ok ? ok({ dataset, driver: 'btrfs', name: evidenceName, path: join(folder, TREE) }) : restored;
  }

  async function diff(from: Snapshot, to: Snapshot | Evidence | 'live'): Promise<Result<Changes, Refusal>> {
    const { sys } = await open();
    const before = await wanted(from);
    if (!before.ok) return before;
    return refusing(from.dataset, async () => {
      const of = await restoration(before.value, sys);
      if (to === 'live') return ok(changesOf(await compareLive(of, ({ differences }) => Promise.resolve(differences))));
      const after = await wanted(to);
      if (!after.ok) return after;
      const { differences } = await differencesOf(
        of.frozen,
        await treeOf(after.value, of.exclude),
        of.racySinceMs,
        sys,
      );
      return ok(changesOf(differences));
    });
  }

  async function restoration(kept: Kept, sys: Syscalls): Promise<Restoration> {
    const { dataset } = kept.meta;
    const exclude = await notPartOf(dataset);
    const racySinceMs = kept.subvolume.otimeMs - CLOCK_TICKS_MS;
    // Only ordinary users need the journal of access.ts.
    return { dataset, frozen: await treeOf(kept, exclude), racySinceMs, journal: '', exclude, sys };
  }

  /** hauki's own store, where it lies in the dataset: the dataset is the root of its file system then. */
  async function notPartOf(dataset: DatasetName): Promise<string[]> {
    const { store } = await open();
    return (await store.rootFor(dataset)) === join(dataset, STORE_NAME) ? [STORE_NAME] : [];
  }

  async function wanted(of: Snapshot | Evidence): Promise<Result<Kept, Refusal>> {
    const { store } = await open();
    const kept = await store.find(of.name);
    const guid = 'guid' in of ? of.guid : '';
    if (kept !== undefined && (guid === '' || kept.subvolume.uuid === guid)) return ok(kept);
    return err(refusal('snapshot_gone', `${of.name} is in no btrfs file system mounted here.`));
  }

  async function seal(dataset: DatasetName, sealed: boolean): Promise<Result<void, Refusal>> {
    const { sys } = await open();
    if (!(await isSubvolume(dataset))) return err(refusal('dataset_missing', `${dataset} is no btrfs subvolume.`));
    try {
      const before = inspectSubvolume(dataset, sys).readOnly;
      await setReadOnly(dataset, sealed, sys);
      const writers = sealed && !before ? (await holdersOf(dataset)).holders.filter(({ writing }) => writing) : [];
      if (writers.length === 0) return ok(undefined);
      await setReadOnly(dataset, before, sys);
      return err(stillWriting(dataset, writers));
    } catch (error) {
      if (errorCode(error) === undefined) throw error;
      const why = error instanceof Error ? error.message : String(error);
      return err(refusal('seal_failed', `${dataset} could not be made ${sealed ? 'read-only' : 'writable'}: ${why}.`));
    }
  }

  async function scratch(): Promise<Scratch | undefined> {
    if (process.geteuid?.() !== 0) return undefined;
    const { sys, store } = await open();
    const name = randomUUID();
    try {
      mkdirSync(scratchIn, { recursive: true, mode: 0o700 });
      if (!(await isBtrfs(scratchIn))) return undefined;
      await createSubvolume(scratchIn, name, sys);
    } catch {
      return undefined;
    }
    const path = await realpath(join(scratchIn, name));
    const remove = async (): Promise<void> => {
      for (const { meta, folder } of await store.list()) if (meta.dataset === path) await store.remove(folder);
      await setReadOnly(path, false, sys);
      await destroySubvolume(dirname(path), name, sys);
    };
    return { dataset: { name: path, driver: 'btrfs' }, path, remove };
  }

  async function inspect(): Promise<Inspection> {
    const unavailable = (what: string, fix: string): Inspection => ({
      driver: 'btrfs',
      available: false,
      can: [],
      limits: [{ what, fix }],
    });
    if (process.geteuid?.() !== 0)
      return unavailable('snapshots of subvolumes need root', 'Run the controller as root.');
    try {
      const paths = (await mounts()).filter(({ fsType }) => fsType === 'btrfs').map(({ path }) => textPath(path));
      if (paths.length === 0)
        return unavailable(
          'no btrfs file system is mounted',
          'Make one ("mkfs.btrfs"), and a subvolume for the state ("btrfs subvolume create").',
        );
      await open();
      return {
        driver: 'btrfs',
        available: true,
        can: [
          `guards subvolumes of ${paths.join(', ')}: atomic snapshots, rollback in place with evidence, diff`,
          'seals: read-only for everybody until a mutation is cleared',
        ],
        limits: [{ what: 'a subvolume inside a guarded one is not part of it', fix: 'Guard it as well: name both.' }],
      };
    } catch (error) {
      return unavailable(error instanceof Error ? error.message : String(error), 'See the message.');
    }
  }

  return {
    driver: 'btrfs',
    inspect,
    locate,
    snapshot,
    discard,
    plan: async (of) => {
      const { sys } = await open();
      const kept = await wanted(of);
      if (!kept.ok) return kept;
      return refusing(of.dataset, async () =>
        planRestore(await restoration(kept.value, sys), of.name, 'keep the failed state as a read-only snapshot'),
      );
    },
    rollback,
    diff,
    list: async () => {
      if (process.geteuid?.() !== 0) return [];
      const { store } = await open();
      return (await store.list()).map(storedOf);
    },
    destroy: async ({ kind, name }) => {
      const { store } = await open();
      const kept = await store.find(name);
      if (kept?.meta.kind === kind) await store.remove(kept.folder);
      return ok(undefined);
    },
    reclaimable: () => Promise.resolve(undefined),
    tend: () => Promise.resolve(),
    seal,
    scratch,
  };
}

/** btrfs refuses to open for writing what is read-only, but lets those write who have it open already. */
function stillWriting(dataset: DatasetName, writers: readonly Holder[]): Refusal {
  const [first] = writers;
  const message = `${dataset} is not sealed: ${first?.command} (pid ${first?.pid}) has ${first?.path} open, and could go on writing.`;
  const processes = writers.map(({ pid, command, path }) => ({ pid, command, path }));
  return refusal('seal_failed', message, 'Stop what writes there, then seal it again.', { processes });
}

/** The mutation may have deleted the subvolume; a new one takes its place. Anything else there is not ours to remove. */
async function makeSubvolume(dataset: DatasetName, sys: Syscalls): Promise<Refusal | undefined> {
  if (await isSubvolume(dataset)) return undefined;
  if (statSync(dataset, { throwIfNoEntry: false }) !== undefined) {
    return refusal(
      'rollback_failed',
      `${dataset} is no btrfs subvolume any more; something else is in its place.`,
      'Move it away, then "hauki resolve M --rollback".',
    );
  }
  await createSubvolume(dirname(dataset), dataset.slice(dataset.lastIndexOf('/') + 1), sys);
  return undefined;
}

async function treeOf({ folder, meta }: Kept, exclude: readonly string[] = []): Promise<Tree> {
  const root = join(folder, TREE);
  const { entries } = await scan(root, { snapshot: true, covered: meta.mounts, exclude });
  return { root, entries: byPath(entries) };
}

function snapshotOf({ meta: { dataset, name, createdAt }, subvolume: { uuid, otransid } }: Kept): Snapshot {
  return { dataset, driver: 'btrfs', name, guid: uuid, txg: otransid, createdAt };
}

function storedOf({ meta, folder, subvolume: { uuid, otransid } }: Kept): Stored {
  const { kind, dataset, name, createdAt, properties } = meta;
  const path = join(folder, TREE);
  return { ...properties, kind, driver: 'btrfs', dataset, name, guid: uuid, txg: otransid, createdAt, path };
}
