import type { Epoch, Pulse } from './message.ts';

/**
 * What the controller waits for: that every node has flushed; then, the snapshot being there, that every node still is halted
 * (`proving`, for a mesh that stays so), or was until it read RESUME (`resuming`).
 */
export type RoundPhase = 'flushing' | 'proving' | 'resuming';

export interface Part {
  readonly stage: 'awaited' | 'answered' | 'broken';
  /** The run of the node's process that flushed. */
  readonly boot?: string;
  /** When it had flushed, ms after the round was opened. */
  readonly flushedMs?: number;
  readonly why?: string;
}

/** A node that a round failed on. */
export interface Broken {
  readonly node: string;
  readonly why: string;
}

/**
 * The controller's side of one barrier: what it knows of each participant, by what they said.
 *
 * What proves that a node was halted when the snapshot was taken is the order of things, not their times: it said that it had flushed
 * before the snapshot, and afterwards, asked by an order that was given after the snapshot, that it never ran in between.
 *
 * Changed in place, unlike the rest of core: with thousands of nodes a copy for each thing one of them says would be most of the work.
 */
export class Round {
  readonly epoch: Epoch;
  readonly openedMono: number;
  readonly parts: ReadonlyMap<string, Part>;
  readonly #parts: Map<string, Part>;
  #phase: RoundPhase = 'flushing';
  #untilMono: number;
  /** The order whose receipt counts as an answer in this phase. */
  #order = 0;
  #awaited: number;
  #broken: Broken[] = [];

  /** @param limitMs how long the nodes have for their flush */
  constructor(epoch: Epoch, nodes: readonly string[], mono: number, limitMs: number) {
    this.epoch = epoch;
    this.openedMono = mono;
    this.#untilMono = mono + limitMs;
    this.#parts = new Map(nodes.map((node): [string, Part] => [node, { stage: 'awaited' }]));
    this.parts = this.#parts;
    this.#awaited = this.#parts.size;
  }

  get phase(): RoundPhase {
    return this.#phase;
  }

  /** Monotonic ms: then whoever has not answered counts as broken. */
  get untilMono(): number {
    return this.#untilMono;
  }

  /** The snapshot is there: now every node is asked, by this order or a later one, whether it held. */
  ask(phase: 'proving' | 'resuming', order: number, mono: number, limitMs: number): void {
    this.#phase = phase;
    this.#order = order;
    this.#untilMono = mono + limitMs;
    this.#awaited = 0;
    for (const [node, part] of this.#parts) {
      if (part.stage === 'broken') continue;
      this.#parts.set(node, { ...part, stage: 'awaited' });
      this.#awaited += 1;
    }
  }

  /** What a node said. Pulses come in the order they were sent; who only repeats itself changes nothing. */
  heard(node: string, pulse: Pulse, mono: number): void {
    const part = this.#parts.get(node);
    if (part === undefined || part.stage === 'broken') return;
    const next = this.#judge(part, pulse, mono);
    if (next === part) return;
    this.#parts.set(node, next);
    if (part.stage === 'awaited') this.#awaited -= 1;
    if (next.stage === 'broken') this.#broken.push({ node, why: next.why ?? 'it did not hold' });
  }

  /** `met`, `open`, or the nodes it broke on: at once when one is known not to have held, otherwise when the time is up. */
  outcome(mono: number): 'open' | 'met' | readonly Broken[] {
    if (this.#broken.length > 0) return this.#broken;
    if (this.#awaited === 0) return 'met';
    if (mono < this.#untilMono) return 'open';
    const why = this.#phase === 'flushing' ? 'it has not flushed in time' : 'it did not say in time whether it held';
    return this.waitingFor().map((node) => ({ node, why }));
  }

  /** Nodes that have not answered in this phase. */
  waitingFor(): string[] {
    return [...this.#parts].filter(([, { stage }]) => stage === 'awaited').map(([node]) => node);
  }

  #judge(part: Part, pulse: Pulse, mono: number): Part {
    const { boot, epoch, state } = pulse;
    const broken = (why: string): Part => ({ ...part, stage: 'broken', why });
    if (part.boot !== undefined && part.boot !== boot) return broken('it was restarted');
    if (epoch > this.epoch) return broken(`it is in barrier ${epoch} already`);
    // It has not read the HALT yet; or it has forgotten it, having flushed before.
    const flushes = part.boot === undefined && this.#phase === 'flushing';
    if (epoch < this.epoch) return flushes ? part : broken('it forgot that it was halted');
    switch (state) {
      case 'flushing':
        return flushes ? part : broken('it flushes once more');
      case 'halted':
        if (part.stage === 'answered') return part;
        if (this.#phase === 'flushing')
          return { stage: 'answered', boot, flushedMs: Math.round(mono - this.openedMono) };
        return this.#phase === 'proving' && pulse.ack >= this.#order ? { ...part, stage: 'answered', boot } : part;
      case 'running': {
        const held = pulse.held === true && this.#phase === 'resuming' && part.boot !== undefined;
        if (!held) return broken(pulse.why ?? 'it went on before it was told to');
        return part.stage === 'answered' ? part : { ...part, stage: 'answered' };
      }
    }
  }
}
