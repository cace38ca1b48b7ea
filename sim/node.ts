import {
  atBoot,
  deadlineOf,
  type Halting,
  type HaltingInput,
  haltingStep,
  pulseOf,
} from '../src/core/barrier/halting.ts';
import type { Order } from '../src/core/barrier/message.ts';
import { HeldLeases } from '../src/node/held-leases.ts';
import type { Heartbeat, LeaseWord } from '../src/ports/mesh.ts';
import type { Caller } from './caller.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

const BEAT_MS = 2_000;

/**
 * A node of the mesh: its side of barriers is the production state machine, its clock runs a little fast or slow, it dies, is
 * restarted, stalls. While it runs it has something in memory that is not on the storage; a flush writes that down.
 */
export class Node {
  readonly name: string;
  /** True from when it begins to run until it has flushed. */
  dirty = true;
  readonly #world: World;
  readonly #rate: number;
  #life: Being = { alive: false, stalledUntil: 0 };
  #boots = 0;
  #bootedAt = 0;
  #seq = 0;
  #halting: Halting = atBoot('never');
  #leases: HeldLeases;
  #cancelTick = (): void => {};
  /** Those who work in this node's process: they die and stall with it. */
  readonly guests = new Set<Caller>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.#rate = 1 + (world.random.fraction() - 0.5) / 50;
    this.#leases = this.#noLeases();
    this.#boot();
  }

  /** What its heartbeats keep, of this run of its process. */
  get leases(): HeldLeases {
    return this.#leases;
  }

  /** Its monotonic clock, ms. */
  get mono(): number {
    return (this.#world.timeline.now - this.#bootedAt) * this.#rate;
  }

  get life(): Being {
    return this.#life;
  }

  get state(): Halting['state'] {
    return this.#halting.state;
  }

  /** The same object for as long as nothing happens to it. */
  get halting(): Halting {
    return this.#halting;
  }

  thawedByWatchdog(): void {
    this.#run();
  }

  receive(order: Order): void {
    if (order.type === 'halt') this.#world.barriers.mayHalt(this, order.forMs / this.#rate);
    this.#world.say(`${this.name}: reads ${order.type} ${order.epoch}`);
    this.#take({ type: 'order', order });
  }

  /** What the controller says of a clearance that a heartbeat named. */
  hear(word: LeaseWord): void {
    this.#world.say(`${this.name}: hears ${word.type} ${word.mutation}`);
    const { bug } = this.#world;
    this.#leases.hear(bug?.hears === undefined ? word : bug.hears(word));
  }

  /** kill -9 of the node's process: whatever it kept from running goes on. */
  die(): void {
    if (!this.#life.alive) return;
    const { random, timeline, nature, weather } = this.#world;
    this.#world.say(`${this.name}: dies`);
    this.#life.alive = false;
    for (const guest of [...this.guests]) guest.die();
    this.#run();
    timeline.plan(random.latency(1, weather.nodeDownMsMax), nature, () => this.#boot());
  }

  stall(ms = this.#world.random.int(500, 20_000)): void {
    // What is already put off cannot be brought forward.
    this.#life.stalledUntil = Math.max(this.#life.stalledUntil, this.#world.timeline.now + ms);
    for (const guest of this.guests) guest.stalledUntil = this.#life.stalledUntil;
    this.#world.say(`${this.name}: stalls until ${this.#life.stalledUntil}`);
  }

  #boot(): void {
    this.#boots += 1;
    this.#life = { alive: true, stalledUntil: 0 };
    this.#leases = this.#noLeases();
    this.#bootedAt = this.#world.timeline.now - this.#world.random.int(0, 100_000);
    // Sometimes the file that says what it was in is gone too.
    const known = this.#world.random.chance(0.5) ? this.#halting.epoch : 0;
    this.#halting = atBoot(`${this.name}.${this.#boots}`, known);
    this.#world.say(`${this.name}: starts`);
    this.#run();
    this.#beat();
  }

  #take(input: HaltingInput): void {
    const { bug, timeline, random, weather } = this.#world;
    const before = this.#halting;
    const { next, deeds } = (bug?.halting ?? haltingStep)(before, input, this.mono);
    this.#halting = next;
    if (next.state !== before.state) this.#world.say(`${this.name}: ${next.state} ${next.epoch}`);
    for (const deed of deeds) {
      if (deed.type === 'thaw') continue;
      const { epoch } = deed;
      const why = random.chance(weather.flushFails) ? 'the hook ended with 1' : undefined;
      const hangs = random.chance(weather.flushHangs);
      timeline.plan(hangs ? 120_000 : random.latency(1, weather.flushMsMax), this.#life, () => {
        if (why === undefined && this.#halting.state === 'flushing' && this.#halting.epoch === epoch)
          this.dirty = false;
        this.#take({ type: 'flushed', epoch, ...(why === undefined ? {} : { why }) });
      });
    }
    if (next.state === 'running') this.#run();
    if (next.state === 'halted' && before.state === 'flushing' && random.chance(weather.haltTroubles))
      this.#planTrouble();
    this.#cancelTick();
    const due = deadlineOf(next);
    if (due !== undefined) {
      const ms = (due - this.mono) / this.#rate;
      this.#cancelTick = timeline.plan(ms, this.#life, () => this.#take({ type: 'tick' }));
      this.#world.barriers.watchdog(this, ms);
    }
    this.#speak();
  }

  #planTrouble(): void {
    const { random, timeline, nature, network } = this.#world;
    const trouble = random.pick([
      () => this.die(),
      () => this.stall(),
      () => network.cut(this.name),
      () => timeline.plan(0, this.#life, () => this.#take({ type: 'thaw', why: 'a person said so' })),
    ]);
    timeline.plan(random.latency(0, 8_000), nature, trouble);
  }

  /** It goes about its business, and that is in memory first. */
  #run(): void {
    this.dirty = true;
    this.#world.barriers.runs(this);
  }

  #beat(): void {
    this.#speak();
    this.#world.timeline.plan(BEAT_MS / this.#rate, this.#life, () => this.#beat());
  }

  #speak(): void {
    this.#seq += 1;
    this.#leases.sends(this.#seq);
    const heartbeat: Heartbeat = {
      seq: this.#seq,
      pulse: pulseOf(this.#halting),
      version: 'sim',
      at: 0,
      uptimeMs: 0,
      load: 0,
      memoryBytes: 0,
      leases: this.#leases.named,
    };
    this.#world.network.toController(this.name, heartbeat);
  }

  #noLeases(): HeldLeases {
    return new HeldLeases(this.name, { mono: () => this.mono });
  }
}
