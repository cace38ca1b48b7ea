import type { Readable, Writable } from 'node:stream';

import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { MutationId } from '../core/mutation/mutation.ts';
import type { Processes } from './processes.ts';

/** What is to be run in a context. The argument vector arrives as it is: no shell reads it on the way. */
export interface Command {
  /** The program, by name or path, and its arguments. */
  readonly argv: readonly string[];
  /** On top of what a login in that context would have. Nothing of the caller's own environment goes along. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; else where a login would start (locally: where this process is). */
  readonly cwd?: string;
  /** What it reads; else nothing. */
  readonly stdin?: Readable | Uint8Array;
  /** Where its output goes, with backpressure; neither is ended. Without one, that output is dropped. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Ends the command with all its processes, and returns when they are gone. */
  readonly signal?: AbortSignal;
  /** The same after so long. */
  readonly timeoutMs?: number;
  /** Under which it works: `stop` of that mutation ends it too. */
  readonly mutation?: MutationId;
}

/** How a command ended. */
export interface Ended {
  /** Its own exit code; 128+n when signal n ended it. */
  readonly code: number;
  readonly signal?: NodeJS.Signals;
}

/**
 * A place where commands are run: this host, a container, another host. Adapters are in src/reach/, all passing one
 * conformance suite.
 */
export interface Reach extends Processes {
  /** For people: `local`, `lxd:crm`, `ssh:root@db1`. */
  readonly name: string;

  /** Whether commands can be run there. Refuses with `context_missing`, `context_unreachable` or `context_denied`. */
  check(): Promise<Result<void, Refusal>>;

  /**
   * Runs a command to its end. What it leaves behind in the background is not waited for.
   *
   * - refused as `check` does, `command_invalid`, or `command_unstartable` (no such program, folder …): it never began
   * - `command_stopped`: it was ended by `signal` or `timeoutMs`; `holder_unstoppable`: it was to be, and may still run
   * - `command_lost`: the connection broke, and nobody knows how it ended or whether it still runs
   */
  run(command: Command): Promise<Result<Ended, Refusal>>;

  /**
   * Writes a file: afterwards it is there whole, or as it was before. A symbolic link is replaced, not followed.
   *
   * @param path absolute
   * @param mode permission bits: 0o644
   */
  put(path: string, bytes: Uint8Array, mode: number): Promise<Result<void, Refusal>>;

  /** Reads a file. */
  get(path: string): Promise<Result<Buffer, Refusal>>;
}
