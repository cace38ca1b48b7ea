import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import { ledgerHome } from '../ledger/home.ts';
import type { Audit, Audited } from '../ports/audit.ts';

/** Of what a verification says, characters: its verdict is a few hundred. */
const SAID_MAX = 1024 * 1024;
/** One that takes longer hangs. */
const VERIFY_MS_MAX = 15 * 60_000;

/**
 * Verifies the ledger of a home by `hauki audit verify`, in a process of its own: comparing a hundred thousand records keeps a processor busy for
 * seconds, in which no lease could be renewed here.
 *
 * @param signal ends a verification that is under way: the controller stops
 */
export function ledgerAudit(home: string, signal: AbortSignal): Audit {
  const { folder } = ledgerHome(home);
  return {
    async bytes() {
      const names = await readdir(folder);
      // A file that SQLite removes meanwhile takes nothing any more.
      const sizes = names.map((name) =>
        stat(join(folder, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      );
      return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    },
    verify: () => verdictOf(home, signal),
  };
}

function verdictOf(home: string, signal: AbortSignal): Promise<Audited> {
  return new Promise((resolve, reject) => {
    const unverified = (why: string): void =>
      reject(
        new RefusedError(
          refusal(
            'ledger_unavailable',
            `The ledger could not be verified: ${why}.`,
            'Run "hauki audit verify" on the controller\'s host.',
          ),
        ),
      );
    const child = spawn(process.execPath, [process.argv[1] ?? '', 'audit', 'verify', '--json'], {
      // What was meant for this process alone stays here: the ways to whoever started or watches it.
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LANG: process.env['LANG'], HAUKI_HOME: home },
      stdio: ['ignore', 'pipe', 'pipe'],
      signal,
      timeout: VERIFY_MS_MAX,
      killSignal: 'SIGKILL',
    });
    // First: without descriptors there are no pipes either, and an error that nobody hears ends the controller.
    child.once('error', (error) => unverified(error.message));
    if (child.pid !== undefined) giveWay(child.pid);
    let [said, complaint] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(0, SAID_MAX)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-2_000)));
    child.once('close', (code, killed) => {
      const verdict = readVerdict(said);
      if (verdict !== undefined) return resolve(verdict);
      unverified(complaint.trim().split('\n').at(-1) || `it ended with ${killed ?? code}`);
    });
  });
}

/** Whoever asks for clearance goes first; and when memory runs out, this goes first. */
function giveWay(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
    writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
  } catch {
    // It has ended already, or may not be told: then it runs like any other.
  }
}

/** @returns undefined for what is none: a refusal, or nothing at all */
function readVerdict(text: string): Audited | undefined {
  try {
    const { ok, records, firstBroken, notes } = JSON.parse(text) as Partial<Audited>;
    if (typeof ok !== 'boolean' || typeof records !== 'number' || !Array.isArray(notes)) return undefined;
    return { ok, records, notes, ...(firstBroken === undefined ? {} : { firstBroken }) };
  } catch {
    return undefined;
  }
}
