import { readdir, readFile } from 'node:fs/promises';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { MUTATION_VARIABLE, type Processes } from '../../ports/processes.ts';
import { CARRIER_VARIABLE } from '../command.ts';
import { lastPid } from './born.ts';

export interface LocalProcessesOptions {
  /** How long a process may take to end after SIGTERM before it is killed, ms. */
  readonly patienceMs?: number;
  /** How long a killed process may take to disappear, ms. */
  readonly killMs?: number;
}

const POLL_MS = 20;
/** Looks without a find before we believe it: a process between fork and exec does not carry its mark yet. */
const EMPTY_LOOKS = 2;
/** How often we go after processes that were born while we looked. */
const CHASES_MAX = 100;

interface Process {
  readonly pid: number;
  /** With the moment of its start: a later process of the same number is another one. */
  readonly identity: string;
  readonly parent: number;
  readonly command: string;
  readonly marked: boolean;
  /** The process that will end this one in its own time: see CARRIER_VARIABLE. */
  readonly carrierOf: number | undefined;
}

/**
 * The processes of this host that work under a mutation, told by their environment in /proc, with all their descendants (which
 * may have cleaned theirs). Who was once seen to belong to it does so until it ends, also when its parents end before.
 *
 * Sees and ends only what the controller's user may: its own, or everybody's as root.
 */
export function localProcesses(options: LocalProcessesOptions = {}): Processes {
  return {
    stop: (mutation) => endMarked(`${MUTATION_VARIABLE}=${mutation}`, options),
  };
}

/** Ends every process with this in its environment (`NAME=value`), and their descendants. */
export async function endMarked(
  mark: string,
  { patienceMs = 3_000, killMs = 5_000 }: LocalProcessesOptions = {},
): Promise<Result<{ stopped: number }, Refusal>> {
  const stopped = new Set<string>();
  const started = performance.now();
  let emptyLooks = 0;
  for (;;) {
    const family = await familyOf(mark, stopped);
    if (family.length === 0) {
      emptyLooks += 1;
      if (emptyLooks >= EMPTY_LOOKS) return ok({ stopped: stopped.size });
      await new Promise((resolve) => setTimeout(resolve, stopped.size === 0 ? 1 : POLL_MS));
      continue;
    }
    emptyLooks = 0;
    const elapsed = performance.now() - started;
    if (elapsed > patienceMs + killMs) return err(unstoppable(family));
    for (const { pid, identity } of family) {
      const first = !stopped.has(identity);
      stopped.add(identity);
      if (first && elapsed < patienceMs) signal(pid, 'SIGTERM');
      else if (elapsed >= patienceMs) signal(pid, 'SIGKILL');
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function unstoppable(family: readonly Process[]): Refusal {
  const names = family.map(({ pid, command }) => `${pid} (${command})`).join(', ');
  return refusal('holder_unstoppable', `Processes of the mutation do not end: ${names}.`, undefined, {
    pids: family.map(({ pid }) => pid),
  });
}

function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
    // A stopped process takes no SIGTERM until it goes on.
    process.kill(pid, 'SIGCONT');
  } catch {
    // It ended by itself, or is not ours to end: the next look tells which.
  }
}

async function familyOf(mark: string, known: ReadonlySet<string>): Promise<Process[]> {
  const everybody = await processes(mark);
  const there = new Set(everybody.map(({ pid }) => pid));
  const all = everybody.filter(({ carrierOf }) => carrierOf === undefined || !there.has(carrierOf));
  const family = new Set(all.filter((one) => one.marked || known.has(one.identity)).map((one) => one.pid));
  for (let grown = true; grown;) {
    grown = false;
    for (const { pid, parent } of all) {
      if (family.has(pid) || !family.has(parent)) continue;
      family.add(pid);
      grown = true;
    }
  }
  family.delete(process.pid);
  return all.filter((one) => family.has(one.pid));
}

/**
 * All processes. A list of /proc takes a while, and who forks and ends meanwhile is in no place of it: so the ids given away since
 * are looked at one by one, until none was given away during the look.
 */
async function processes(mark: string): Promise<Process[]> {
  let seen = await lastPid();
  const known = new Set(await listed());
  const found = await Promise.all([...known].map((pid) => describe(pid, mark)));
  for (let chases = 0; chases < CHASES_MAX; chases += 1) {
    const last = await lastPid();
    if (seen === undefined || last === undefined) {
      // Nobody says which were given away: one list after the other, until there is none in it that was not in those before.
      const born = (await listed()).filter((pid) => !known.has(pid));
      if (born.length === 0) break;
      for (const pid of born) known.add(pid);
      found.push(...(await Promise.all(born.map((pid) => describe(pid, mark)))));
      continue;
    }
    if (last === seen) break;
    // After the highest id they begin anew; the few before the turn are in the next list.
    for (let pid = last > seen ? seen + 1 : 1; pid <= last; pid += 1) found.push(await describe(pid, mark));
    seen = last;
  }
  return found.filter((one) => one !== undefined);
}

async function listed(): Promise<number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Where the start time stands in /proc/<pid>/stat, counted from the state. */
const START_TIME = 19;

/** @returns undefined for a process that is gone, is only waiting to be reaped, or is none of our business */
export async function describe(pid: number, mark: string): Promise<Process | undefined> {
  try {
    // "pid (command) state ppid …"; the command may contain anything, parentheses too.
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const nameEnd = stat.lastIndexOf(')');
    const fields = stat.slice(nameEnd + 2).split(' ');
    const [state, parent] = fields;
    if (state === 'Z' || state === 'X') return undefined;
    const environ = (await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')).split('\0');
    const carrierOf = environ.find((entry) => entry.startsWith(`${CARRIER_VARIABLE}=`))?.split('=')[1];
    return {
      pid,
      identity: `${pid} ${fields[START_TIME]}`,
      parent: Number(parent),
      command: stat.slice(stat.indexOf('(') + 1, nameEnd),
      marked: environ.includes(mark),
      carrierOf: carrierOf === undefined ? undefined : Number(carrierOf),
    };
  } catch {
    return undefined;
  }
}
