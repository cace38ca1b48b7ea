import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { join } from 'node:path';

import type { Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import type { Changes } from '../../ports/storage.ts';
import { changesFrom, untold } from '../../wire/zfs/changes.ts';
import { type DiffEntry, diffReader } from '../../wire/zfs/diff.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { streamReader } from '../../wire/zfs/stream.ts';
import { byPath } from '../tree/access.ts';
import { changesOf } from '../tree/compare.ts';
import { mounts } from '../tree/mounts.ts';
import { compareLive, refusing, type Restoration } from '../tree/restore.ts';
import { scan } from '../tree/scan.ts';
import { type Syscalls, syscalls } from '../tree/syscalls.ts';
import { readXattrs } from '../tree/xattr.ts';
import { commandRefusal } from './by-command.ts';
import type { Commands } from './command.ts';
import { mountPointOf, mountsOnNothing, openSnapshot } from './mounted.ts';
import { datasetOf } from './names.ts';

const EMPTY: Changes = { added: [], modified: [], removed: [] };

/** ZFS knows the moment of a snapshot only to a second. */
const RACY_MS = 1_000;

/** The door to the snapshots, where it can be seen. */
const HIDDEN = ['.zfs'];

/** What a volume as a whole is called, whose blocks have no names. */
const WHOLE = '.';

/** Tells two states of a dataset apart, in a time that depends on how much changed and not on how much there is. */
export class Difference {
  readonly #commands: Commands;
  readonly #home: string;

  /** @param home HAUKI_HOME */
  constructor(commands: Commands, home: string) {
    this.#commands = commands;
    this.#home = home;
  }

  /**
   * @param from a snapshot
   * @param to a later snapshot of it, a dataset that is a clone of it, or what is live
   * @param mountpoint of what is live, where the caller knows it
   */
  async changes(
    dataset: DatasetName,
    type: 'filesystem' | 'volume',
    from: string,
    to: string,
    mountpoint?: string,
  ): Promise<Result<Changes, Refusal>> {
    // Paths begin where the later of the two is mounted, which for evidence is a place of its own.
    const later = to === 'live' ? dataset : (to.split('@', 1)[0] ?? to);
    const root = type === 'volume' ? undefined : (mountpoint ?? (await mountPointOf(later)));
    if (root === undefined) return this.#written(dataset, from, to);
    const entries: DiffEntry[] = [];
    const reader = diffReader((entry) => void entries.push(entry));
    const ran = await this.#commands.zfs(['diff', '-FH', from, ...(to === 'live' ? [] : [to])], {
      onStdout: (chunk) => reader.push(chunk),
    });
    if (ran.code !== 0) {
      const failure = readFailure(ran.stderr.toString());
      return { ok: false, error: commandRefusal('rollback_failed', `zfs diff ${from}`, dataset, failure) };
    }
    reader.end();
    const bytes = Buffer.from(root).toString('latin1');
    const { moved, linked, directories } = untold(entries, bytes);
    // Which names a file lost or got, and what lies in a directory that moved, is found by comparing the trees.
    if (moved.length + linked.length > 0) return refusing(dataset, () => this.#compared(from, to, root));
    return ok(changesFrom(entries, bytes, await this.#ownChanges(directories, from, await this.#rootOf(to, root))));
  }

  /** Whether a later snapshot is just what an earlier one is, also of what is not mounted. */
  async isSame(from: string, to: string): Promise<Result<boolean, Refusal>> {
    const reader = streamReader();
    const ran = await this.#commands.zfs(['send', '-i', from, to], { onStdout: (chunk) => reader.push(chunk) });
    if (ran.code === 0) return ok(reader.end().sendsNothing);
    const failure = readFailure(ran.stderr.toString());
    return err(commandRefusal('rollback_failed', `zfs send -i ${from}`, to.slice(0, to.indexOf('@')), failure));
  }

  /** The slow way, by looking at everything in both. */
  async #compared(from: string, to: string, root: string): Promise<Result<Changes, Refusal>> {
    const restoration = await this.frozen(from, await this.#rootOf(to, root));
    const differences = await compareLive(restoration, (compared) => Promise.resolve(compared.differences));
    return ok(changesOf(differences));
  }

  async #rootOf(to: string, root: string): Promise<string> {
    return to.includes('@') ? openSnapshot(to) : root;
  }

  /** A snapshot's files, to be compared with a directory or put back into it. */
  async frozen(snapshot: string, live: string, createdAt = Date.now()): Promise<Restoration> {
    const root = await openSnapshot(snapshot);
    const covered = await mountsOnNothing(live, await mounts(), root);
    const { entries } = await scan(root, { exclude: HIDDEN, covered });
    return {
      dataset: live,
      frozen: { root, entries: byPath(entries) },
      racySinceMs: createdAt - RACY_MS,
      journal: journalOf(this.#home, snapshot, live),
      exclude: HIDDEN,
      sys: await syscalls(),
    };
  }

  /** Of a directory in which something came or went, `zfs diff` does not say whether its mode, owner or attributes changed as well. */
  async #ownChanges(directories: readonly string[], from: string, later: string): Promise<Set<string>> {
    const changed = new Set<string>();
    if (directories.length === 0) return changed;
    const [before, sys] = await Promise.all([openSnapshot(from), syscalls()]);
    for (const path of directories) {
      if (metadataOf(before, path, sys) !== metadataOf(later, path, sys)) changed.add(path);
    }
    return changed;
  }

  /** Where there are no files to name: whether anything was written since at all. */
  async #written(dataset: DatasetName, from: string, to: string): Promise<Result<Changes, Refusal>> {
    const subject = to === 'live' ? dataset : to;
    const property =
      subject.includes('@') || subject !== dataset ? 'written' : `written${from.slice(from.indexOf('@'))}`;
    const ran = await this.#commands.zfs(['get', '-Hp', '-o', 'value', property, subject]);
    if (ran.code !== 0) {
      const failure = readFailure(ran.stderr.toString());
      return { ok: false, error: commandRefusal('rollback_failed', `zfs get ${property}`, dataset, failure) };
    }
    return ok(ran.stdout.toString().trim() === '0' ? EMPTY : { ...EMPTY, modified: [WHOLE] });
  }
}

/** For one tree alone (see access.ts): after a crash its lines must not be read as another dataset's. */
export function journalOf(home: string, snapshot: string, live: string): string {
  const digest = createHash('sha256')
    .update(`${datasetOf(snapshot)}\0${live}`)
    .digest('hex');
  return join(home, 'store', 'zfs', 'opened', digest.slice(0, 32));
}

/** Mode, owner and extended attributes as one text. @param path bytes in a latin1 string */
function metadataOf(root: string, path: string, sys: Syscalls): string {
  const bytes = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
  const stat = lstatSync(bytes, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.mode} ${stat.uid} ${stat.gid} ${readXattrs(bytes, sys)}`;
}
