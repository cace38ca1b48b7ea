import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Evidence, Snapshot } from '../../core/snapshot/snapshot.ts';
import type { Changes, RollbackPlan, RollbackRequest, SnapshotProperties } from '../../ports/storage.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { holdersOf } from '../tree/holders.ts';
import { type Mount, mounts } from '../tree/mounts.ts';
import { refusing, restore } from '../tree/restore.ts';
import type { Syscalls } from '../tree/syscalls.ts';
import type { Access, Newer, Survey } from './access.ts';
import { commandRefusal, options } from './by-command.ts';
import type { Commands } from './command.ts';
import type { Difference } from './difference.ts';
import type { EvidenceRoom, Keeping, Receiving } from './evidence.ts';
import { mountPointIn, mountsWithoutPlace, openSnapshot } from './mounted.ts';
import { evidenceDataset, labelOf, poolOf } from './names.ts';
import { told } from './properties.ts';
import { cannotFail } from './refusals.ts';
import { pathOf } from './store.ts';
import { isClaimed, settle } from './volume.ts';

export interface UndoParts {
  readonly home: string;
  readonly commands: Commands;
  readonly room: EvidenceRoom;
  readonly difference: Difference;
  readonly accessOf: (pool: string) => Promise<Access>;
  readonly sys: () => Promise<Syscalls>;
  /** Told of every step that was done: where the fault matrix kills. */
  readonly reached: (step: Step, of: SnapshotProperties) => void;
}

/** A snapshot to be taken, with what it is to say of itself. */
interface Frozen {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** What was looked up, and started, before the first step. */
interface Around {
  readonly early: Receiving | undefined;
  /** Where the dataset is mounted. */
  readonly root: string | undefined;
  readonly table: readonly Mount[];
}

export type Step = 'failed-state-frozen' | 'failed-state-kept' | 'failed-state-released' | 'rolled-back';

/**
 * Going back, in steps each of which can be found out afterwards, so that a call that was broken off is simply made again:
 *
 *   FAIL taken → its increment received as evidence → FAIL destroyed → `zfs rollback` → compared
 *
 * Once there is evidence, what is live may be half put back, and nothing is kept of it a second time. `zfs rollback` destroys whatever
 * is newer than its snapshot. What is not hauki's forbids it, by name; newer snapshots of hauki's own stay as well, and then the files
 * are put back one by one, as on btrfs (see docs/adr/0004-zfs-rollback.md).
 */
export class Undo {
  readonly #parts: UndoParts;

  constructor(parts: UndoParts) {
    this.#parts = parts;
  }

  async rollback(request: RollbackRequest): Promise<Result<Evidence, Refusal>> {
    const { accessOf, home } = this.#parts;
    const { snapshot, properties, evidenceName, attempt } = request;
    const { dataset, name: pre } = snapshot;
    const keeping: Keeping = {
      pre,
      fail: `${dataset}${labelOf(evidenceName)}`,
      into: evidenceDataset(dataset, properties.mutation, attempt),
      properties: told({ home, datasets: [dataset], properties, name: evidenceName, kind: 'evidence' }),
    };
    const access = await accessOf(poolOf(dataset));

    const unsettled = await settle(dataset, this.#parts.sys);
    if (unsettled !== undefined) return err(cannotFail(dataset, unsettled));
    const table = await mounts();
    const root = mountPointIn(dataset, table);
    const early = root === undefined ? undefined : await this.#receiveEarly(keeping);
    try {
      return await this.#goBack(request, keeping, access, { early, root, table });
    } finally {
      early?.cancel();
    }
  }

  async #goBack(
    { snapshot, properties, evidenceName }: RollbackRequest,
    keeping: Keeping,
    access: Access,
    { early, root, table }: Around,
  ): Promise<Result<Evidence, Refusal>> {
    const { dataset, name: pre } = snapshot;
    const { fail, into } = keeping;
    const { room, home } = this.#parts;
    const failed = told({ home, datasets: [dataset], properties, name: evidenceName, kind: 'failed' });
    const reached = (step: Step): void => this.#parts.reached(step, properties);
    const release = async (): Promise<void> => void (await access.destroy([fail]));
    const surveyed = await access.survey({
      dataset,
      pre,
      evidence: into,
      fail: { name: fail, properties: failed },
    });
    if (!surveyed.ok) return surveyed.error.code === 'dataset_missing' ? err(await this.#missing(snapshot)) : surveyed;
    const survey = surveyed.value;
    reached('failed-state-frozen');
    const blocked =
      wrongSnapshot(snapshot, survey) ??
      blockedBy(snapshot, survey) ??
      (await this.#hindered(snapshot, survey, root, table));
    const refused = blocked ?? (survey.kept ? undefined : await this.#keep(keeping, survey, early));
    if (refused !== undefined) {
      await release();
      return err(refused);
    }
    reached('failed-state-kept');
    await release();
    reached('failed-state-released');

    const back = survey.newer.length === 0 ? await this.#rollBack(snapshot) : await this.#putBack(snapshot, root);
    if (!back.ok) return back;
    reached('rolled-back');
    const again = { name: fail, properties: failed };
    const wrong = await this.#verify(snapshot, survey, access, { root, again });
    if (wrong !== undefined) return err(wrong);
    // Root's receive mounts what it has received; unless it was ended in between, with the controller that had begun it.
    const mayLackMount = survey.kept || process.geteuid?.() !== 0;
    if (mayLackMount && survey.type === 'filesystem') await room.mount(into);
    return ok({ dataset, driver: 'zfs', name: evidenceName, path: pathOf(into, survey.type, room.mountpointOf(into)) });
  }

  /** Starting the receiver takes longer than freezing the failed state: where it will surely be needed, it is started first. */
  async #receiveEarly(keeping: Keeping): Promise<Receiving | undefined> {
    const { room, sys } = this.#parts;
    if (!room.isPrepared(poolOf(keeping.into))) return undefined;
    return room.receive(keeping, 'filesystem', await sys());
  }

  async #keep(keeping: Keeping, survey: Survey, early: Receiving | undefined): Promise<Refusal | undefined> {
    const { room, sys } = this.#parts;
    const usable = survey.container && survey.type === 'filesystem';
    if (usable && early !== undefined) return early.send();
    const missing = survey.container ? undefined : await room.prepare(poolOf(keeping.into));
    return missing ?? (await room.receive(keeping, survey.type, await sys()).send());
  }

  /** In place, by the pool: what has the dataset open, mounted or as its working directory goes on with the state as it was. */
  async #rollBack({ dataset, name }: Snapshot): Promise<Result<void, Refusal>> {
    const ran = await this.#parts.commands.zfs(['rollback', name]);
    if (ran.code === 0) return ok(undefined);
    const failure = readFailure(ran.stderr.toString());
    if (failure.kind === 'newer') {
      const others = failure.names.map((other) => ({ name: other, own: false, holds: [], clones: [] }));
      return err(inTheWay(name, others));
    }
    return err(commandRefusal('rollback_failed', `zfs rollback ${name}`, dataset, failure));
  }

  /** In place, file by file, so that newer snapshots of hauki's own stay. */
  async #putBack(snapshot: Snapshot, root: string | undefined): Promise<Result<void, Refusal>> {
    if (root === undefined) return err(inTheWay(snapshot.name, []));
    return refusing(snapshot.dataset, async () =>
      restore(await this.#parts.difference.frozen(snapshot.name, root, snapshot.createdAt)),
    );
  }

  /** Only then is it said to be back. What was put back file by file was compared with the snapshot already, file by file. */
  async #verify(
    snapshot: Snapshot,
    survey: Survey,
    access: Access,
    { root, again }: { readonly root: string | undefined; readonly again: Frozen },
  ): Promise<Refusal | undefined> {
    if (survey.newer.length > 0) return undefined;
    const { dataset, name: pre } = snapshot;
    const unmounted = root === undefined ? await this.#differsUnmounted(snapshot, access, again) : undefined;
    if (unmounted !== undefined) return unmounted;
    const now = await access.survey({ dataset, pre, evidence: dataset });
    if (!now.ok) return now.error;
    if (now.value.pre?.guid !== survey.pre?.guid)
      return refusal('rollback_unverified', `${pre} has become another snapshot while it was rolled back to.`);
    return root === undefined || now.value.unchanged ? undefined : this.#differs(snapshot, survey, root);
  }

  async #differs(snapshot: Snapshot, { type }: Survey, root: string): Promise<Refusal | undefined> {
    const { dataset, name } = snapshot;
    const changes = await this.#parts.difference.changes(dataset, type, name, 'live', root);
    if (!changes.ok) return changes.error;
    return isEmpty(changes.value) ? undefined : unverified(snapshot, changes.value);
  }

  /** Of a volume, or what is not mounted: it is frozen once more, under the name of the failed state, which is swept up whatever happens. */
  async #differsUnmounted({ dataset, name }: Snapshot, access: Access, again: Frozen): Promise<Refusal | undefined> {
    const { commands, difference, sys } = this.#parts;
    const unsettled = await settle(dataset, sys);
    if (unsettled !== undefined) return { ...unsettled, code: 'rollback_unverified' };
    const frozen = await commands.zfs(['snapshot', ...options(again.properties), again.name]);
    if (frozen.code !== 0) {
      const failure = readFailure(frozen.stderr.toString());
      return commandRefusal('rollback_failed', `zfs snapshot ${again.name}`, dataset, failure);
    }
    const same = await difference.isSame(name, again.name);
    await access.destroy([again.name]);
    if (!same.ok) return same.error;
    return same.value
      ? undefined
      : refusal('rollback_unverified', `After the rollback ${dataset} differs from ${name}.`);
  }

  async plan(snapshot: Snapshot): Promise<Result<RollbackPlan, Refusal>> {
    const { dataset, name: pre } = snapshot;
    const access = await this.#parts.accessOf(poolOf(dataset));
    const surveyed = await access.survey({ dataset, pre, evidence: evidenceDataset(dataset, 'plan', 0) });
    if (!surveyed.ok) return surveyed.error.code === 'dataset_missing' ? err(await this.#missing(snapshot)) : surveyed;
    const survey = surveyed.value;
    const wrong = wrongSnapshot(snapshot, survey);
    if (wrong !== undefined) return err(wrong);
    const table = await mounts();
    const root = mountPointIn(dataset, table);
    const changes = await this.#parts.difference.changes(dataset, survey.type, pre, 'live', root);
    if (!changes.ok) return changes;
    const { holders, hidden } = root === undefined ? { holders: [], hidden: 0 } : await holdersOf(root);
    const processes = new Set(holders.map(({ pid }) => pid)).size;
    const unseen = hidden === 0 ? '' : `; ${hidden} processes belong to others and could not be looked into`;
    const own = survey.newer.filter((one) => one.own).length;
    return ok({
      dataset,
      snapshot: pre,
      changes: changes.value,
      openFiles: holders.map(({ pid, command, path }) => ({ pid, command, path })),
      blockers: [
        ...foreignIn(survey).map((one) => ({ kind: kindOf(one), name: one.name, why: whyNot(one) })),
        ...(await lostMounts(snapshot, root, table)).map((name) => ({ kind: 'mount', name, why: NO_PLACE })),
        ...((await isClaimed(dataset)) ? [{ kind: 'volume in use', name: dataset, why: CLAIMED }] : []),
      ],
      steps: [
        `${processes === 0 ? 'no process has' : `${processes} processes have`} files open in ${dataset}${unseen}`,
        `keep the failed state as a dataset of its own that rests on ${pre}`,
        own === 0
          ? `zfs rollback ${pre}, with the dataset mounted throughout`
          : `put back what changed file by file, because ${own} newer snapshots of hauki's own stay`,
        'compare everything with the snapshot',
      ],
    });
  }

  /** A dataset that is not there under its name: perhaps it has another by now. */
  async #missing({ dataset, name, guid }: Snapshot): Promise<Refusal> {
    const pool = poolOf(dataset);
    const listed = await this.#parts.commands.zfs(['list', '-Hp', '-r', '-t', 'snapshot', '-o', 'guid,name', pool]);
    if (listed.code !== 0) {
      return refusal(
        'rollback_failed',
        `The pool ${pool} is not there, so ${dataset} cannot be put back.`,
        `Import it ("zpool import ${pool}"), then "hauki resolve M --rollback".`,
      );
    }
    const rows = listed.stdout.toString().split('\n');
    const now = rows.find((row) => row.startsWith(`${guid}\t`) && row.endsWith(labelOf(name)))?.split('\t')[1];
    if (now === undefined) return refusal('snapshot_gone', `${dataset} is gone, and its snapshot ${name} with it.`);
    const renamed = now.slice(0, now.indexOf('@'));
    return refusal(
      'rollback_failed',
      `${dataset} was renamed to ${renamed}: it is not put back under a name that nobody was cleared for.`,
      `"zfs rename ${renamed} ${dataset}", then "hauki resolve M --rollback".`,
      { renamedTo: renamed },
    );
  }

  async #hindered(
    snapshot: Snapshot,
    survey: Survey,
    root: string | undefined,
    table: readonly Mount[],
  ): Promise<Refusal | undefined> {
    const lost = await lostMounts(snapshot, root, table);
    if (lost.length > 0) {
      const message = `A rollback to ${snapshot.name} would take away the directories under ${lost.join(', ')}. ${NO_PLACE}.`;
      return refusal('rollback_blocked', message, 'Unmount them, then "hauki resolve M --rollback".', { mounts: lost });
    }
    if (await isClaimed(snapshot.dataset)) {
      const message = `${snapshot.dataset} cannot go back to ${snapshot.name}: ${CLAIMED}.`;
      return refusal('rollback_blocked', message, 'Unmount it, then "hauki resolve M --rollback".');
    }
    // Newer snapshots of hauki's own leave only the way over the files, which have to be somewhere.
    if (survey.newer.length === 0) return undefined;
    return root === undefined ? inTheWay(snapshot.name, survey.newer) : undefined;
  }
}

async function lostMounts({ name }: Snapshot, root: string | undefined, table: readonly Mount[]): Promise<string[]> {
  return root === undefined ? [] : mountsWithoutPlace(root, table, () => openSnapshot(name));
}

const NO_PLACE =
  'What is mounted there was not there when the snapshot was taken, and nobody could reach it afterwards';

const CLAIMED =
  'a file system in it is mounted, or it is swap, and the kernel would write what it remembers of the failed state over it';

function wrongSnapshot({ name, guid }: Snapshot, { pre }: Survey): Refusal | undefined {
  if (pre === undefined) return refusal('snapshot_gone', `There is no ${name} in the pool.`);
  if (guid === '' || pre.guid === guid) return undefined;
  return refusal(
    'snapshot_gone',
    `${name} is another snapshot than the one that was taken: its guid is ${pre.guid}, not ${guid}.`,
  );
}

function blockedBy(snapshot: Snapshot, survey: Survey): Refusal | undefined {
  const foreign = foreignIn(survey);
  return foreign.length === 0 ? undefined : inTheWay(snapshot.name, foreign);
}

/** A volume has no files to put back one by one, so for it even hauki's own are in the way. */
function foreignIn({ newer, type }: Survey): readonly Newer[] {
  return type === 'volume' ? newer : newer.filter((one) => !one.own);
}

function inTheWay(snapshot: string, newer: readonly Newer[]): Refusal {
  const names = newer.map(({ name }) => name);
  const described = newer.map((one) => `${one.name} (${whyNot(one)})`).join('; ');
  return refusal(
    'rollback_blocked',
    `A rollback to ${snapshot} would destroy what is newer: ${described || 'snapshots of a dataset that is not mounted'}.`,
    'Destroy what you can do without ("zfs destroy NAME"), then "hauki resolve M --rollback".',
    { newer: names },
  );
}

function kindOf({ name }: Newer): string {
  return name.includes('#') ? 'newer bookmark' : 'newer snapshot';
}

function whyNot({ own, holds, clones }: Newer): string {
  const whose = own ? "hauki's own, of a later mutation" : "not hauki's";
  const held = holds.length === 0 ? '' : `, held by ${holds.join(', ')}`;
  return `${whose}${held}${clones.length === 0 ? '' : `, with the clones ${clones.join(', ')}`}`;
}

function isEmpty({ added, modified, removed }: Changes): boolean {
  return added.length + modified.length + removed.length === 0;
}

const PATHS_SHOWN_MAX = 20;

function unverified({ dataset, name }: Snapshot, { added, modified, removed }: Changes): Refusal {
  const paths = [...added, ...modified, ...removed].toSorted();
  const message = `After the rollback ${dataset} differs from ${name} in ${paths.length} paths (${paths.slice(0, 3).join(', ')}).`;
  return refusal('rollback_unverified', message, undefined, { paths: paths.slice(0, PATHS_SHOWN_MAX) });
}
