import {
  atBoot,
  deadlineOf,
  type Halting,
  type HaltingInput,
  haltingStep,
  pulseOf,
} from '../../../src/core/barrier/halting.ts';
import type { Order } from '../../../src/core/barrier/message.ts';
import type { Mesh } from '../../../src/engine/mesh/mesh.ts';
import type { Carrier } from '../../../src/ports/mesh.ts';
import type { VirtualClock } from '../place.ts';

const BEAT_MS = 2_000;

/** A node as far as barriers go, over a network of one hop: the real state machine, and a flush that takes as long as a test says. */
export class FakeNode {
  readonly name: string;
  flushMs = 20;
  flushFails: string | undefined;
  /** What it is sent, and what it says, is lost while it is true. */
  deaf = false;
  mute = false;
  dead = false;
  readonly orders: Order[] = [];
  #halting: Halting;
  #seq = 0;
  #boots = 1;
  readonly #clock: VirtualClock;
  readonly #mesh: () => Mesh;

  constructor(name: string, clock: VirtualClock, mesh: () => Mesh) {
    this.name = name;
    this.#clock = clock;
    this.#mesh = mesh;
    this.#halting = atBoot(`${name}-1`);
    this.#beat();
  }

  get state(): Halting['state'] {
    return this.#halting.state;
  }

  restart(): void {
    this.#boots += 1;
    this.#halting = atBoot(`${this.name}-${this.#boots}`);
    this.speak();
  }

  take(input: HaltingInput): void {
    if (this.dead) return;
    const { next, deeds } = haltingStep(this.#halting, input, this.#clock.mono());
    this.#halting = next;
    for (const deed of deeds) {
      if (deed.type !== 'flush') continue;
      const { epoch } = deed;
      const why = this.flushFails;
      this.#clock.after(this.flushMs, () =>
        this.take({ type: 'flushed', epoch, ...(why === undefined ? {} : { why }) }),
      );
    }
    const due = deadlineOf(next);
    if (due !== undefined) this.#clock.after(due - this.#clock.mono(), () => this.take({ type: 'tick' }));
    this.speak();
  }

  speak(): void {
    this.#seq += 1;
    const heartbeat = {
      seq: this.#seq,
      pulse: pulseOf(this.#halting),
      version: 'test',
      at: 0,
      uptimeMs: 0,
      load: 0,
      memoryBytes: 0,
      leases: [],
    };
    if (!this.mute && !this.dead) this.#clock.after(1, () => this.#mesh().heard(this.name, heartbeat, 'fake'));
  }

  #beat(): void {
    this.speak();
    this.#clock.after(BEAT_MS, () => this.#beat());
  }
}

export function carrierTo(nodes: ReadonlyMap<string, FakeNode>, clock: VirtualClock): Carrier {
  return {
    name: 'fake',
    reaches: (name) => nodes.has(name),
    send: (names, order) => {
      for (const name of names) {
        const node = nodes.get(name);
        if (node === undefined || node.deaf) continue;
        node.orders.push(order);
        clock.after(1, () => node.take({ type: 'order', order }));
      }
    },
  };
}
