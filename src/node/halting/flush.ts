import type { Argv, Run } from './process.ts';

/** A program that brings what is in memory to the disk. */
export interface FlushHook {
  readonly run: Argv;
  readonly withinMs: number;
}

export interface FlushPlan {
  /** In this order, each when the one before has succeeded. */
  readonly hooks: readonly FlushHook[];
  /** A path on each file system whose dirty pages have to be on the disk. */
  readonly sync: readonly string[];
  readonly syncWithinMs: number;
}

/** What stops while the mesh is halted; nothing, for a node that freezes nothing. */
export interface Freezing {
  /** @returns why it could not be done; then nothing is left frozen */
  freeze(signal: AbortSignal): Promise<string | undefined>;
}

export interface FlushRequest {
  readonly signal: AbortSignal;
  /** What a hook sees in its environment, beside the node's own. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Flushes: hooks, then the file systems, then the freeze, then the file systems again. While things still run the first sync brings the
 * most of it to the disk, so that the second, which makes it true of what is frozen, takes no time.
 *
 * @returns why it did not succeed, in words for people; undefined when all is on the disk
 */
export async function flush(
  plan: FlushPlan,
  freezing: Freezing | undefined,
  run: Run,
  request: FlushRequest,
): Promise<string | undefined> {
  for (const { run: argv, withinMs } of plan.hooks) {
    const { why } = await run(argv, { withinMs, leashed: true, ...request });
    if (why !== undefined) return `flush hook ${why}`;
  }
  const early = await sync(plan, run, request);
  if (early !== undefined || freezing === undefined) return early;
  const unfrozen = await freezing.freeze(request.signal);
  return unfrozen ?? (await sync(plan, run, request));
}

async function sync(plan: FlushPlan, run: Run, { signal }: FlushRequest): Promise<string | undefined> {
  for (const path of plan.sync) {
    // Of coreutils: syncfs(2) on the file system that the path is on.
    const { why } = await run(['sync', '-f', '--', path], { withinMs: plan.syncWithinMs, signal });
    if (why !== undefined) return `the file system of ${path} could not be flushed: ${why}`;
  }
  return undefined;
}
