import type { Mutation, MutationId } from '../src/core/mutation/mutation.ts';
import type { Node } from './node.ts';
import type { World } from './world.ts';

/** How long after a deadline it may take until a broken hold is on record, ms: messages, and slow appends. */
const NOTICED_MS_MAX = 12_000;
/** A tick that falls due in the same millisecond may still be on its way. */
const SLACK_MS = 2;

/** Watches barriers: invariants 4 and 5. It sees into every node, and never asks the controller. */
export class BarrierInvariants {
  readonly #world: World;
  /** Nodes that were at work, or had not flushed, when a master snapshot was taken. */
  readonly #atWork = new Map<MutationId, ReadonlySet<string>>();

  /** Holds in which a node ran, and since when the controller could know. */
  readonly #ran = new Map<MutationId, { at: number; readonly failures: number }>();

  /** By the orders a node has read, in virtual time. */
  readonly #mayHaltUntil = new Map<Node, number>();

  constructor(world: World) {
    this.#world = world;
  }

  masterTaken(mutation: MutationId): void {
    if (this.#atWork.has(mutation)) return;
    const names = this.#world.nodes.filter(({ dirty }) => dirty).map(({ name }) => name);
    this.#atWork.set(mutation, new Set(names));
  }

  cleared({ id, participants }: Mutation): void {
    const { invariants } = this.#world;
    if (participants === undefined) {
      invariants.violated(4, `${id} was cleared as critical, and no node was halted for it.`);
      return;
    }
    const atWork = this.#atWork.get(id);
    const guilty = participants.filter((name) => atWork?.has(name) ?? true);
    if (guilty.length > 0)
      invariants.violated(4, `${id} was cleared, but ${guilty.join(', ')} had not flushed, or ran, at its snapshot.`);
  }

  /** A node runs, or its process does not live any more: whoever counts on its being halted has to learn of it. */
  runs({ name }: Node): void {
    const { invariants, timeline, disk } = this.#world;
    for (const { id, stage, hold, participants = [] } of invariants.mutations()) {
      if (stage !== 'cleared' || hold !== true || !participants.includes(name) || this.#ran.has(id)) continue;
      this.#ran.set(id, { at: timeline.now, failures: disk.failures });
    }
  }

  /** Another controller knows nothing of what its predecessor heard. */
  controllerServes(): void {
    for (const ran of this.#ran.values()) ran.at = this.#world.timeline.now;
  }

  committed(id: MutationId): void {
    const { invariants, timeline, disk, weather } = this.#world;
    const ran = this.#ran.get(id);
    if (ran === undefined || ran.failures !== disk.failures) return;
    const agoMs = timeline.now - ran.at;
    if (agoMs > weather.haltMs * 2 + NOTICED_MS_MAX)
      invariants.violated(4, `${id} was committed, though a node ran in its hold ${agoMs} ms before.`);
  }

  /** A node reads that it may stay halted. @param ms for how long, in virtual time */
  mayHalt(node: Node, ms: number): void {
    const { timeline, nature } = this.#world;
    this.#mayHaltUntil.set(node, Math.max(this.#mayHaltUntil.get(node) ?? 0, timeline.now + ms));
    timeline.plan(ms + SLACK_MS, nature, () => this.#mustRun(node));
  }

  /** What keeps units frozen has a clock of its own, so a node that sleeps does not keep them. */
  watchdog(node: Node, ms: number): void {
    const { timeline, nature } = this.#world;
    const since = node.halting;
    timeline.plan(ms, nature, () => {
      if (node.halting === since) node.thawedByWatchdog();
    });
  }

  #mustRun(node: Node): void {
    const { timeline, nature, invariants } = this.#world;
    const { state, life } = node;
    if (state === 'running' || !life.alive || timeline.now < (this.#mayHaltUntil.get(node) ?? 0)) return;
    const asleepMs = life.stalledUntil - timeline.now;
    if (asleepMs > -SLACK_MS) timeline.plan(asleepMs + 2 * SLACK_MS, nature, () => this.#mustRun(node));
    else invariants.violated(5, `${node.name} is still ${state} after its deadline.`);
  }

  end(): void {
    for (const { name, state, life } of this.#world.nodes) {
      if (life.alive && state !== 'running')
        this.#world.invariants.violated(5, `${name} is still ${state} long after everybody is gone.`);
    }
  }
}
