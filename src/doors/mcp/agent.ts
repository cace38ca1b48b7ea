import type { Refusal } from '../../base/refusal.ts';
import type {
  Cleared,
  DiffView,
  LockList,
  MutationDetail,
  MutationList,
  MutationView,
  PlanView,
} from '../../wire/http.ts';
import type { NodeList } from '../../wire/mesh.ts';

/** What is about to be changed, and why. */
export interface ChangeAsk {
  readonly intent: string;
  readonly datasets: readonly string[];
  /** Durations as text: `10m`. */
  readonly ttl?: string | undefined;
  readonly wait?: string | undefined;
  readonly recursive?: boolean | undefined;
}

export interface CommandAsk {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly string[];
  /** Absolute. */
  readonly cwd?: string | undefined;
  readonly timeoutMs: number;
}

/** What a stream said: its beginning, and its end where that is another. */
export interface Said {
  readonly text: string;
  /** Bytes left out between beginning and end. */
  readonly leftOut: number;
}

/** How a command under guard ended, and what became of the state. */
export interface Ran {
  readonly stage: 'committed' | 'rolled_back' | 'quarantined' | 'unknown';
  readonly mutation: string;
  readonly snapshot: string;
  /** The command's own; 128+n for signal n. Undefined when it did not begin or was ended before its time. */
  readonly exitCode?: number;
  readonly signal?: string;
  readonly stdout: Said;
  readonly stderr: Said;
  /** Why it did not begin, was ended before its time, or its outcome is not known. */
  readonly reason?: Refusal;
  /** Where the failed state is kept. */
  readonly evidence: readonly string[];
}

/**
 * One agent, as what the tools do for it. Clearances are its own, and end with it. What is refused is thrown as RefusedError.
 */
export interface Agent {
  /** Whether commands are run for it. */
  readonly runs: boolean;
  /** True while it holds something, or something is being done for it. */
  readonly busy: boolean;
  /**
   * Does what it asks for. It is not silent meanwhile: silence is counted from the end of its last call.
   *
   * @param mutation what it is about
   */
  during<T>(work: () => Promise<T>, mutation?: string): Promise<T>;
  /** What happened to its clearances without its doing, each told once. */
  news(): readonly string[];

  clear(ask: ChangeAsk, signal: AbortSignal): Promise<Cleared>;
  commit(mutation: string, fence: number): Promise<MutationView>;
  /** @param fence of its own clearance; without one an operator asks */
  rollback(mutation: string, fence?: number): Promise<MutationView>;
  run(ask: ChangeAsk, command: CommandAsk, signal: AbortSignal): Promise<Ran>;

  plan(mutation: string): Promise<PlanView>;
  show(mutation: string): Promise<MutationDetail>;
  diff(mutation: string): Promise<DiffView>;
  /** @param query as of `GET /v1/mutations` */
  log(query: Readonly<Record<string, string>>): Promise<MutationList>;
  locks(): Promise<LockList>;
  nodes(): Promise<NodeList>;

  /** It is gone: its commands are stopped, and what it has not committed is undone. */
  end(): Promise<void>;
}
