import type { CommandAsk, Ran } from '../../ports/mcp.ts';
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
