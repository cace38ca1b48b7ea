import { randomUUID } from 'node:crypto';
import { existsSync, rmdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import type { Evidence, Snapshot } from '../../core/snapshot/snapshot.ts';
import type { Changes, Inspection, Scratch, SnapshotProperties, StorageDriver, Stored } from '../../ports/storage.ts';
import { encodeProperty } from '../../wire/zfs/property.ts';
import { syscalls } from '../tree/syscalls.ts';
import type { Access } from './access.ts';
import { byCommand } from './by-command.ts';
import { byProgram, programsWork, type ReserveShare } from './by-program.ts';
import { Clearing } from './clearing.ts';
import { commands as commandsOf, endOrphans } from './command.ts';
import { lacking, pools } from './delegation.ts';
import { Difference } from './difference.ts';
import { EvidenceRoom } from './evidence.ts';
import { Keep } from './keep.ts';
import { locator } from './locate.ts';
import { scratchDataset } from './names.ts';
import { Programs } from './programs.ts';
import { seal } from './seal.ts';
import { type Kept, Store, storedOf } from './store.ts';
import { type Step, Undo } from './undo.ts';

export interface ZfsOptions {
  /** HAUKI_HOME: whose snapshots these are. */
  readonly home: string;
  readonly reserve?: ReserveShare;
  /** Told of each step of a rollback that was done: where the fault matrix kills. */
  readonly reached?: (step: Step, of: SnapshotProperties) => void;
}

/** What ZFS needs is there when this is. */
const DEVICE = '/dev/zfs';

/**
 * Guards ZFS datasets, file systems and volumes, by their names: `tank/crm`, or by the path they are mounted at. As root everything
 * that waits at a moment is frozen by one channel program; as an ordinary user, within what `zfs allow` lets him do, command by command.
 */
export function zfsStorage({
  home: given,
  reserve = { share: 0, bytesMax: 0 },
  reached = () => undefined,
}: ZfsOptions): StorageDriver {
  const home = resolve(given);
  const commands = commandsOf(home);
  const programs = new Programs(commands);
  const store = new Store(commands, home);
  const room = new EvidenceRoom(commands, home);
  const difference = new Difference(commands, home);
  const accesses = new Map<string, Promise<Access>>();
  let orphansEnded: Promise<void> | undefined;

  /** Nothing is begun in a pool before what an earlier controller began there has ended. */
  async function accessOf(pool: string): Promise<Access> {
    await (orphansEnded ??= endOrphans(home));
    const known = accesses.get(pool);
    if (known !== undefined) return known;
    const found = choose(pool);
    accesses.set(pool, found);
    found.catch(() => accesses.delete(pool));
    return found;
  }

  async function choose(pool: string): Promise<Access> {
    if (await programsWork(programs, pool))
      return byProgram(programs, commands, { pool, home: encodeProperty(home), reserve });
    // What kept root's program from running may pass, as an import does.
    if (process.geteuid?.() === 0) accesses.delete(pool);
    return byCommand(commands, { home, reserve });
  }

  const undo = new Undo({ home, commands, room, difference, accessOf, sys: syscalls, reached });
  const keep = new Keep({ commands, store, accessOf });
  const locate = locator(home, commands);
  const clearing = new Clearing({ home, accessOf, sys: syscalls, discard });

  async function discard(mutation: string): Promise<Result<void, Refusal>> {
    if (!existsSync(DEVICE)) return ok(undefined);
    await (orphansEnded ??= endOrphans(home));
    const left = (await store.list()).filter(
      ({ story }) => story.kind === 'snapshot' && story.properties.mutation === mutation,
    );
    for (const { zfsName } of left) {
      const done = await keep.destroy(zfsName);
      if (!done.ok) return done;
    }
    return ok(undefined);
  }

  async function diff(from: Snapshot, to: Snapshot | Evidence | 'live'): Promise<Result<Changes, Refusal>> {
    const before = await wanted(from);
    if (!before.ok) return before;
    const type = await typeOf(from.dataset);
    if (to === 'live') return difference.changes(from.dataset, type, from.name, 'live');
    const after = await wanted(to);
    return after.ok ? difference.changes(from.dataset, type, from.name, after.value.zfsName) : after;
  }

  async function wanted(of: Snapshot | Evidence): Promise<Result<Kept, Refusal>> {
    const kept = await store.find(of.name);
    const guid = 'guid' in of ? of.guid : '';
    if (kept !== undefined && (guid === '' || kept.guid === guid)) return ok(kept);
    return err(refusal('snapshot_gone', `${of.name} is in no pool that is imported here.`));
  }

  async function typeOf(dataset: DatasetName): Promise<'filesystem' | 'volume'> {
    const ran = await commands.zfs(['get', '-Hp', '-o', 'value', 'type', dataset]);
    return ran.stdout.toString().trim() === 'volume' ? 'volume' : 'filesystem';
  }

  async function destroy({ kind, name }: Pick<Stored, 'kind' | 'name'>): Promise<Result<void, Refusal>> {
    if (kind === 'snapshot') return keep.destroy(name);
    const kept = await store.find(name);
    if (kept?.story.kind !== 'evidence') return ok(undefined);
    const refused = await room.destroy(kept.zfsName);
    return refused === undefined ? ok(undefined) : err(refused);
  }

  /** What ZFS itself says that they free, dataset by dataset, since it knows what they share. */
  async function reclaimable(
    stored: readonly Pick<Stored, 'kind' | 'name' | 'dataset'>[],
  ): Promise<number | undefined> {
    const kept = new Map((await store.list()).map((one) => [storedOf(one).name, one]));
    const usedBy = (names: readonly string[]): number =>
      names.reduce((all, name) => all + (kept.get(name)?.used ?? 0), 0);
    let sum = usedBy(stored.filter(({ kind }) => kind === 'evidence').map(({ name }) => name));
    const snapshots = stored.filter(({ kind }) => kind === 'snapshot');
    for (const dataset of new Set(snapshots.map((one) => one.dataset))) {
      const names = snapshots.filter((one) => one.dataset === dataset).map(({ name }) => name);
      const labels = names.map((name) => name.slice(name.indexOf('@') + 1));
      const ran = await commands.zfs(['destroy', '-nvp', `${dataset}@${labels.join(',')}`]);
      const bytes = /^reclaim\t(\d+)$/m.exec(ran.stdout.toString())?.[1];
      sum += bytes === undefined ? usedBy(names) : Number(bytes);
    }
    return sum;
  }

  async function scratch(): Promise<Scratch | undefined> {
    // Only root can mount what it makes.
    if (process.geteuid?.() !== 0 || !existsSync(DEVICE)) return undefined;
    const pool = (await pools(commands)).pools.find(({ health }) => health === 'ONLINE' || health === 'DEGRADED')?.name;
    if (pool === undefined || (await room.prepare(pool)) !== undefined) return undefined;
    const name = scratchDataset(pool, randomUUID());
    const path = join(home, 'scratch', name.slice(name.lastIndexOf('/') + 1));
    const made = await commands.zfs(['create', '-o', `mountpoint=${path}`, '-o', 'canmount=on', name]);
    if (made.code !== 0) return undefined;
    const remove = async (): Promise<void> => {
      for (const one of (await store.list()).map(storedOf)) {
        if (one.kind === 'evidence' && one.dataset === name) await destroy(one);
      }
      // Made by this very call, and so is all that is in it.
      await commands.zfs(['destroy', '-r', name]);
      try {
        rmdirSync(path);
      } catch {
        // Gone with the dataset.
      }
    };
    return { dataset: { name, driver: 'zfs', at: path }, path, remove };
  }

  async function inspect(): Promise<Inspection> {
    const unavailable = (what: string, fix: string): Inspection => {
      return { driver: 'zfs', available: false, can: [], limits: [{ what, fix }] };
    };
    if (!existsSync(DEVICE))
      return unavailable(
        'ZFS is not on this host',
        'Install zfsutils-linux and its kernel module, then "modprobe zfs".',
      );
    const { pools: found, why } = await pools(commands);
    if (why !== undefined) return unavailable(why, 'Install zfsutils-linux; "zpool list" must work for this user.');
    if (found.length === 0)
      return unavailable('no pool is imported', '"zpool import" shows those that could be; "zpool create" makes one.');
    const root = process.geteuid?.() === 0;
    const names = found.map(({ name }) => name).join(', ');
    const sick = found.filter(({ health }) => health !== 'ONLINE');
    const grouped = root && (await programsWork(programs, found[0]?.name ?? ''));
    return {
      driver: 'zfs',
      available: true,
      can: [
        `guards file systems and volumes of ${names}: atomic snapshots, rollback in place with evidence, diff`,
        ...(grouped ? ['takes all that wait at a moment in one channel program, in one transaction group'] : []),
        'seals: read-only for everybody until a mutation is cleared',
        'holds the snapshots of open mutations, so that nobody destroys them meanwhile',
      ],
      limits: [
        ...sick.map(({ name, health }) => ({
          what: `pool ${name} is ${health}`,
          fix: `"zpool status ${name}" says why.`,
        })),
        ...(grouped
          ? []
          : [
              {
                what: 'no channel programs: each request takes a command of its own, "zfs snapshot -o"',
                fix: root ? 'Use OpenZFS 2.1 or newer.' : 'Run the controller as root: ZFS lets nobody else run them.',
              },
            ]),
        ...(root ? [] : await lacking(commands)),
        {
          what: 'a dataset inside a guarded one is not part of it',
          fix: 'Guard it as well: name both, or use --recursive.',
        },
      ],
    };
  }

  return {
    driver: 'zfs',
    locate: async (target) => (existsSync(DEVICE) ? locate(target) : undefined),
    snapshot: (request) => clearing.snapshot(request),
    discard,
    plan: (of) => undo.plan(of),
    rollback: (request) => {
      keep.failedStateOf(request.snapshot.dataset + request.evidenceName.slice(request.evidenceName.indexOf('@')));
      return undo.rollback(request);
    },
    diff,
    list: async () => {
      if (!existsSync(DEVICE)) return [];
      return (await store.list()).filter(({ story }) => story.kind !== 'failed').map(storedOf);
    },
    destroy,
    reclaimable,
    tend: async (open, ended) => {
      if (existsSync(DEVICE)) await keep.tend(open, ended);
    },
    seal: (dataset, sealed) => seal(dataset, sealed, commands),
    scratch,
    inspect,
  };
}
