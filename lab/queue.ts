import { createHash } from 'node:crypto';

import type { Scenario } from './scenario.ts';

/** So many scenarios may be run again, each on a new machine, when they failed: the host may have stalled. They are named. */
const AGAIN_MAX = 1;

/** A scenario that is to be run, and why it failed before. */
export interface Due {
  readonly name: string;
  readonly scenario: Scenario;
  readonly atFirst?: readonly string[];
}

/** Where there is only so much time, a scenario is begun if so much of its longest is left: what they take on a quiet machine. */
const SHARE_EXPECTED = 1 / 3;
/** One that failed is run again for so much longer: left as it is, it fails the whole run. */
const AGAIN_MINUTES = 8;

export interface QueueOptions {
  /** Minutes that are left for all of it, asked before each; Infinity: as long as it takes. */
  readonly minutesLeft: () => number;
  /** Changes the order when time is short: with another word others come first, so that over some runs all have their turn. */
  readonly turn: string;
}

/**
 * What is still to be run, for all machines together: whatever may take longest comes first, so that none is left with it at the end.
 * Where time is short, in an order by turns, and what does not fit into what is left of it stays.
 */
export class Queue {
  readonly #due: Due[];
  readonly #minutesLeft: () => number;
  #againLeft: number;

  constructor(scenarios: ReadonlyMap<string, Scenario>, { minutesLeft, turn }: QueueOptions) {
    this.#minutesLeft = minutesLeft;
    const place = (name: string): string => createHash('sha256').update(`${turn} ${name}`).digest('hex');
    const byTurn = minutesLeft() < Infinity;
    this.#due = [...scenarios]
      .map(([name, scenario]) => ({ name, scenario }))
      .toSorted((a, b) =>
        byTurn ? (place(a.name) < place(b.name) ? -1 : 1) : b.scenario.minutesMax - a.scenario.minutesMax,
      );
    // Whoever asks for a single one wants to know what becomes of it.
    this.#againLeft = scenarios.size > 1 ? AGAIN_MAX : 0;
  }

  /** @returns undefined when nothing is due, or nothing that fits */
  take(): Due | undefined {
    const left = this.#minutesLeft();
    const index = this.#due.findIndex(({ scenario, atFirst }) => {
      const more = atFirst === undefined ? 0 : AGAIN_MINUTES;
      return scenario.minutesMax * SHARE_EXPECTED <= left + more;
    });
    return index === -1 ? undefined : this.#due.splice(index, 1)[0];
  }

  /** What nobody has taken, and nobody will. */
  rest(): readonly Due[] {
    return this.#due.splice(0);
  }

  /** It failed. @returns whether it is run again, after all others */
  again({ name, scenario, atFirst }: Due, failure: readonly string[]): boolean {
    if (atFirst !== undefined || this.#againLeft === 0) return false;
    this.#againLeft -= 1;
    this.#due.push({ name, scenario, atFirst: failure });
    return true;
  }
}
