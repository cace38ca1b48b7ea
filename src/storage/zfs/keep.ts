import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { isFinal, type Mutation } from '../../core/mutation/mutation.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { gather } from '../gather.ts';
import type { Access, Obstacle } from './access.ts';
import type { Commands } from './command.ts';
import { poolOf } from './names.ts';
import { PROPERTY } from './properties.ts';
import type { Store } from './store.ts';

/** What `zfs holds` shows on the snapshots of open mutations. */
const TAG = 'hauki';

/** Names in one command: far from what fits into an argument vector. */
const NAMES_MAX = 200;

/** Snapshots destroyed by one channel program. */
const DESTROY_MAX = 100;

/** Stages in which a mutation may have been told to be over, and is not: somebody undoes it. */
const REOPENED: ReadonlySet<string> = new Set(['rolling_back', 'quarantined', 'committing']);
const OPEN = 'open';

export interface KeepParts {
  readonly commands: Commands;
  readonly store: Store;
  readonly accessOf: (pool: string) => Promise<Access>;
}

/** Keeps what has to stay, and lets go of the rest. */
export class Keep {
  readonly #parts: KeepParts;
  readonly #destroyers = new Map<string, (name: string) => Promise<Obstacle | undefined>>();
  /** What carries our hold, as far as it is known; undefined until the pools were asked. */
  #held: Set<string> | undefined;
  /** Of those, what the pool says to be over. */
  readonly #stale = new Set<string>();
  /** Failed states that may have been left by a rollback that was broken off. */
  readonly #failed = new Set<string>();
  /** Of those, what was frozen since the present call of `tend` was told what is open: it cannot know whether they are needed. */
  readonly #fresh = new Set<string>();

  /** What is on its way back and was told so, since otherwise every turn would tell it again. */
  readonly #told = new Map<string, string>();

  constructor(parts: KeepParts) {
    this.#parts = parts;
  }

  /** See the port. */
  async tend(open: readonly Mutation[], ended: readonly Mutation[]): Promise<void> {
    this.#fresh.clear();
    const wanted = new Set(open.flatMap((mutation) => (mutation.clearedAt === undefined ? [] : namesOf(mutation))));
    const failures: string[] = [];
    const attempt = async (work: () => Promise<void>): Promise<void> => {
      await work().catch(
        (error: unknown) => void failures.push(error instanceof Error ? error.message : String(error)),
      );
    };
    if (this.#held === undefined) await attempt(() => this.#lookAround());
    // Where the look failed, the next call looks again; holding what is held already does no harm.
    const held = this.#held ?? new Set<string>();
    await attempt(() => this.#hold([...wanted].filter((name) => !held.has(name))));
    // Whose ledger was lost is neither open nor known to have ended: until it is, nobody may destroy what it rests on.
    const over = new Set([...ended.flatMap(namesOf), ...this.#stale]);
    await attempt(() => this.#release([...held].filter((name) => over.has(name) && !wanted.has(name))));
    await attempt(() => this.#mark(open, ended));
    await attempt(() => this.#sweep(open));
    if (failures.length > 0) throw new Error(failures.join('; '));
  }

  /** A failed state was frozen: it is swept up when nobody works on it any more. */
  failedStateOf(name: string): void {
    this.#failed.add(name);
    this.#fresh.add(name);
  }

  /** Destroys one PRE snapshot of hauki's own, together with others asked for at the same time. */
  async destroy(name: string): Promise<Result<void, Refusal>> {
    const obstacle = await this.#destroyer(poolOf(name))(name);
    if (obstacle?.code === 'held' && obstacle.names.every((tag) => tag === TAG)) {
      await this.#release([name]);
      const again = await this.#destroyer(poolOf(name))(name);
      return again === undefined ? ok(undefined) : err(stays(name, again));
    }
    return obstacle === undefined ? ok(undefined) : err(stays(name, obstacle));
  }

  #destroyer(pool: string): (name: string) => Promise<Obstacle | undefined> {
    const known = this.#destroyers.get(pool);
    if (known !== undefined) return known;
    const made = gather<string, Obstacle | undefined>(
      async (names) => (await this.#parts.accessOf(pool)).destroy(names),
      DESTROY_MAX,
    );
    this.#destroyers.set(pool, made);
    return made;
  }

  /** After a start: which holds and which failed states an earlier life has left. */
  async #lookAround(): Promise<void> {
    const { commands, store } = this.#parts;
    const kept = await store.list();
    for (const { story, zfsName } of kept) if (story.kind === 'failed') this.#failed.add(zfsName);
    const held = new Set<string>();
    const told = new Set(kept.filter(({ story }) => story.outcome !== undefined).map(({ zfsName }) => zfsName));
    const asked = kept.filter((one) => one.held && one.story.kind === 'snapshot').map(({ zfsName }) => zfsName);
    for (const some of inParts(asked)) {
      const ran = await commands.zfs(['holds', '-H', ...some]);
      for (const line of ran.stdout.toString().split('\n')) {
        const [name, tag] = line.split('\t');
        if (tag !== TAG || name === undefined) continue;
        held.add(name);
        if (told.has(name)) this.#stale.add(name);
      }
    }
    this.#held = held;
  }

  async #hold(names: readonly string[]): Promise<void> {
    for (const some of inParts(names)) await this.#oneByOne('hold', some);
  }

  async #release(names: readonly string[]): Promise<void> {
    for (const some of inParts(names)) await this.#oneByOne('release', some);
  }

  /** All at once; and when one of them is not as expected, each for itself, so that it does not stand in the way of the others. */
  async #oneByOne(verb: 'hold' | 'release', names: readonly string[]): Promise<void> {
    const together = await this.#parts.commands.zfs([verb, TAG, ...names]);
    if (together.code === 0) {
      for (const name of names) this.#note(verb, name);
      return;
    }
    const failures: string[] = [];
    for (const name of names) {
      const ran = await this.#parts.commands.zfs([verb, TAG, name]);
      const failure = readFailure(ran.stderr.toString());
      // What is gone needs neither; but what is in a pool that was exported comes back with it, and with its hold.
      const gone = failure.kind === 'missing' && (await this.#isImported(poolOf(name)));
      const held = verb === 'hold' && failure.kind === 'exists';
      if (ran.code === 0 || gone || held) this.#note(verb, name);
      else failures.push(failure.message);
    }
    if (failures.length > 0) throw new Error(`zfs ${verb}: ${failures.join('; ')}`);
  }

  async #isImported(pool: string): Promise<boolean> {
    return (await this.#parts.commands.zpool(['list', '-H', '-o', 'name', pool])).code === 0;
  }

  #note(verb: 'hold' | 'release', name: string): void {
    if (verb === 'hold') this.#held?.add(name);
    else this.#held?.delete(name);
  }

  /** How each has ended; and of one that is being undone after all, that it has not. */
  async #mark(open: readonly Mutation[], ended: readonly Mutation[]): Promise<void> {
    const reopened = open.filter(({ stage }) => REOPENED.has(stage)).flatMap(namesOf);
    const values = [
      ...reopened.map((name) => ({ name, value: OPEN })),
      ...ended
        .filter(isFinal)
        .flatMap((mutation) => namesOf(mutation).map((name) => ({ name, value: mutation.stage }))),
    ].filter(({ name, value }) => this.#told.get(name) !== value);
    for (const pool of new Set(values.map(({ name }) => poolOf(name)))) {
      const some = values.filter(({ name }) => poolOf(name) === pool);
      await (await this.#parts.accessOf(pool)).mark(PROPERTY.outcome, some);
      for (const { name, value } of some) {
        if (value === OPEN) this.#told.set(name, value);
        else this.#told.delete(name);
      }
    }
  }

  /** What a rollback froze and nobody is working on any more: it was refused, and a person decided to keep the change. */
  async #sweep(open: readonly Mutation[]): Promise<void> {
    const busy = new Set(
      open
        .filter(({ stage }) => stage === 'rolling_back' || stage === 'quarantined')
        .flatMap(({ datasets }) => datasets.map(({ name }) => name)),
    );
    for (const name of this.#failed) {
      if (this.#fresh.has(name)) continue;
      const dataset = name.slice(0, name.indexOf('@'));
      if ([...busy].some((one) => one === dataset || dataset.startsWith(`${one}/`))) continue;
      const obstacle = await this.#destroyer(poolOf(name))(name);
      if (obstacle === undefined) this.#failed.delete(name);
    }
  }
}

function namesOf(mutation: Mutation): string[] {
  return mutation.snapshots.filter(({ driver }) => driver === 'zfs').map(({ name }) => name);
}

function inParts(names: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let at = 0; at < names.length; at += NAMES_MAX) parts.push(names.slice(at, at + NAMES_MAX));
  return parts;
}

function stays(name: string, { code, names }: Obstacle): Refusal {
  const list = names.join(', ');
  switch (code) {
    case 'held':
      return refusal(
        'snapshot_kept',
        `${name} is held by ${list}: somebody wants it to stay.`,
        `Ask them; "zfs release ${names[0] ?? 'TAG'} ${name}" lets it go.`,
        { holds: names },
      );
    case 'clones':
      return refusal(
        'snapshot_kept',
        `${name} has clones that rest on it: ${list}.`,
        'Destroy them first; evidence with "hauki evidence rm M".',
        { clones: names },
      );
    case 'foreign':
      return refusal(
        'snapshot_kept',
        `${name} is not a snapshot of this controller's.`,
        'Leave it to whoever took it.',
      );
    case 'failed':
      return refusal(
        'snapshot_kept',
        `${name} could not be destroyed: ${list}.`,
        "See the controller's log, then try again.",
      );
  }
}
