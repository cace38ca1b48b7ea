import type { Bug } from './bugs.ts';
import type { Violation } from './invariants.ts';
import { Trace } from './trace.ts';
import { World } from './world.ts';

export interface RunOptions {
  readonly bug?: Bug | undefined;
  /** No faults. Undefined: the seed decides. */
  readonly fair?: boolean;
  /** Told of every line of the trace. */
  readonly print?: (line: string) => void;
}

export interface Report {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Two runs with the same one did exactly the same. */
  readonly hash: string;
  readonly steps: number;
  /** How much virtual time went by, ms. */
  readonly virtualMs: number;
  /** How many mutations ended how. */
  readonly stages: Readonly<Record<string, number>>;
  /** What became of critical requests: `cleared`, or the code of the refusal. */
  readonly barriers: Readonly<Record<string, number>>;
  /** The last lines of the trace. */
  readonly last: readonly string[];
}

const STEPS_MAX = 60_000;
const LINES_KEPT = 20;
/** The longest lease, its grace, the longest wait, and the longest hang of the storage, with room to spare. */
const SETTLE_MS = 400_000;

/** One life of the fake world, from its first request to the last thing settled; it follows from the seed alone. */
export async function run(seed: number, options: RunOptions = {}): Promise<Report> {
  const trace = new Trace(LINES_KEPT, options.print);
  const world = new World(seed, trace, options);
  const { timeline, invariants } = world;

  const until = async (ms: number): Promise<void> => {
    while (invariants.violation === undefined && (await timeline.step(ms))) {
      if (timeline.steps > STEPS_MAX)
        invariants.violated(0, `After ${STEPS_MAX} steps the world does not come to rest.`);
    }
  };
  world.begin();
  await until(world.random.int(5_000, 45_000));
  world.calm();
  await until(timeline.now + SETTLE_MS);
  world.everybodyLeaves();
  await until(timeline.now + SETTLE_MS);
  if (invariants.violation === undefined) await invariants.end();

  const stages: Record<string, number> = {};
  for (const { stage } of invariants.mutations()) stages[stage] = (stages[stage] ?? 0) + 1;
  const barriers: Record<string, number> = {};
  for (const { mode, clearedAt, reason } of invariants.mutations()) {
    if (mode !== 'critical') continue;
    const end = clearedAt === undefined ? (reason?.code ?? 'open') : 'cleared';
    barriers[end] = (barriers[end] ?? 0) + 1;
  }
  const { steps, now } = timeline;
  return {
    seed,
    violation: invariants.violation,
    hash: trace.hash,
    steps,
    virtualMs: now,
    stages,
    barriers,
    last: trace.last,
  };
}
