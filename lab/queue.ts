import type { Scenario } from './scenario.ts';

/** So many scenarios may be run again, each on a new machine, when they failed: the host may have stalled. They are named. */
const AGAIN_MAX = 1;

/** A scenario that is to be run, and why it failed before. */
export interface Due {
  readonly name: string;
  readonly scenario: Scenario;
  readonly atFirst?: readonly string[];
}

/** What is still to be run, for all machines together: whatever may take longest comes first, so that none is left with it at the end. */
export class Queue {
  readonly #due: Due[];
  #againLeft: number;

  constructor(scenarios: ReadonlyMap<string, Scenario>) {
    this.#due = [...scenarios]
      .map(([name, scenario]) => ({ name, scenario }))
      .toSorted((a, b) => b.scenario.minutesMax - a.scenario.minutesMax);
    // Whoever asks for a single one wants to know what becomes of it.
    this.#againLeft = scenarios.size > 1 ? AGAIN_MAX : 0;
  }

  take(): Due | undefined {
    return this.#due.shift();
  }

  /** It failed. @returns whether it is run again, after all others */
  again({ name, scenario, atFirst }: Due, failure: readonly string[]): boolean {
    if (atFirst !== undefined || this.#againLeft === 0) return false;
    this.#againLeft -= 1;
    this.#due.push({ name, scenario, atFirst: failure });
    return true;
  }
}
