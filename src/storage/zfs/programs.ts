import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Socket } from 'node:net';

import type { Ran } from '../run.ts';
import type { Commands } from './command.ts';
import { luaLiteral, type LuaValue } from './lua.ts';

/** Lua instructions one program may take; the kernel's own limit for it. */
const INSTRUCTIONS_MAX = 100_000_000;
/** Bytes one program may use; the kernel's own limit for it. */
const MEMORY_BYTES_MAX = 100 * 1024 * 1024;
/** How long a program that was started ahead waits for work. */
const IDLE_MS = 60_000;

interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ran>;
  hasEnded: boolean;
  idle?: NodeJS.Timeout;
}

/**
 * Runs channel programs: Lua that the kernel executes inside one transaction group of a pool, all of it or none. Root only.
 *
 * Most of what a `zfs` command takes is its own start, so one is kept started ahead of need: `zfs program POOL -` opens the pool and
 * then waits for its program on stdin. The next request finds it there, and waits for the transaction alone. One that is never
 * needed reads the end of its input, which is a program that does nothing.
 */
export class Programs {
  readonly #commands: Commands;
  readonly #ahead = new Map<string, Started>();

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  /**
   * @param script Lua; `given` is what it finds in its variable of that name
   * @returns how `zfs program` ended: what the script returned stands on stdout as JSON
   */
  async run(pool: string, script: string, given: LuaValue): Promise<Ran> {
    const started = this.#take(pool) ?? this.#start(pool);
    started.child.stdin.end(`local given = ${luaLiteral(given)}\n${script}`);
    this.#prepare(pool);
    return started.ended;
  }

  /** Starts one for the next request. It must not keep a process alive that has nothing else to do. */
  #prepare(pool: string): void {
    const started = this.#start(pool);
    for (const part of partsOf(started)) part.unref();
    started.idle = setTimeout(() => started.child.kill(), IDLE_MS).unref();
    this.#ahead.set(pool, started);
  }

  #take(pool: string): Started | undefined {
    const started = this.#ahead.get(pool);
    this.#ahead.delete(pool);
    clearTimeout(started?.idle);
    // It may have ended long ago, because there was no such pool then.
    if (started === undefined || started.hasEnded || started.child.killed) return undefined;
    for (const part of partsOf(started)) part.ref();
    return started;
  }

  #start(pool: string): Started {
    const limits = ['-t', String(INSTRUCTIONS_MAX), '-m', String(MEMORY_BYTES_MAX)];
    const child = spawn('zfs', ['program', '-j', ...limits, pool, '-'], {
      // Its JSON ends at the first byte that the locale has no character for, and tags of holds are free text.
      env: { ...process.env, ...this.#commands.environment, LC_ALL: 'C.UTF-8' },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => void stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => void stderr.push(chunk));
    // One that ended without reading says so by its exit code.
    child.stdin.on('error', () => undefined);
    const ended = new Promise<Ran>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve({ code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) }),
      );
    });
    const started: Started = { child, ended, hasEnded: false };
    const over = (): void => void (started.hasEnded = true);
    void ended.then(over, over);
    return started;
  }
}

/** All that counts as a reason to stay for Node's event loop. The streams are sockets, though their types do not say so. */
function partsOf({ child }: Started): { ref(): void; unref(): void }[] {
  return [child, child.stdin, child.stdout, child.stderr] as unknown as Socket[];
}
