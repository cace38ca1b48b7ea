import type { Clock } from '../src/ports/clock.ts';
import type { Random } from './random.ts';

/** Something that lives in the simulated world: what it planned happens only while it is alive, and not while it is stalled. */
export interface Being {
  alive: boolean;
  stalledUntil: number;
}

interface Plan {
  at: number;
  readonly tie: number;
  readonly being: Being;
  readonly run: () => void;
  cancelled: boolean;
}

/** Virtual time. What is planned for the same millisecond happens in an order the seed chooses. */
export class Timeline {
  now = 0;
  steps = 0;
  readonly #random: Random;
  /** A binary heap, the next plan first. */
  readonly #heap: Plan[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** @returns what cancels it */
  plan(delayMs: number, being: Being, run: () => void): () => void {
    const at = this.now + Math.max(0, Math.ceil(delayMs));
    const plan: Plan = { at, tie: this.#random.fraction(), being, run, cancelled: false };
    this.#push(plan);
    return () => {
      plan.cancelled = true;
    };
  }

  /** Resolves later; never, when the being dies before. */
  pause(delayMs: number, being: Being): Promise<void> {
    return new Promise((resolve) => this.plan(delayMs, being, resolve));
  }

  /** @returns false when nothing is planned any more before the limit */
  async step(untilMs: number): Promise<boolean> {
    for (;;) {
      const plan = this.#heap[0];
      if (plan === undefined || plan.at > untilMs) return false;
      this.#pop();
      if (plan.cancelled || !plan.being.alive) continue;
      this.now = plan.at;
      if (plan.being.stalledUntil > this.now) {
        plan.at = plan.being.stalledUntil;
        this.#push(plan);
        continue;
      }
      this.steps += 1;
      plan.run();
      // All promises that follow from it run to their end before time goes on.
      await new Promise((resolve) => setImmediate(resolve));
      return true;
    }
  }

  #push(plan: Plan): void {
    const heap = this.#heap;
    let child = heap.push(plan) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(plan, above)) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = plan;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      let below = heap[child];
      if (below === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, below)) {
        child += 1;
        below = right;
      }
      if (!before(below, last)) break;
      heap[parent] = below;
      parent = child;
    }
    heap[parent] = last;
  }
}

function before(a: Plan, b: Plan): boolean {
  return a.at === b.at ? a.tie < b.tie : a.at < b.at;
}

/**
 * One process's clock. Its monotonic time begins anywhere; its wall clock may be set by anybody at any time.
 *
 * @param wallOffset ms between virtual time and the wall clock, now
 */
export function processClock(timeline: Timeline, being: Being, bootedAt: number, wallOffset: () => number): Clock {
  return {
    now: () => timeline.now + wallOffset(),
    mono: () => timeline.now - bootedAt,
    after: (ms, run) => timeline.plan(ms, being, run),
    soon: (run) => void timeline.plan(0, being, run),
  };
}
