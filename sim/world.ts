import { DEFAULT_POLICY, type Policy } from '../src/core/policy/policy.ts';
import type { Log } from '../src/ports/log.ts';
import { BarrierInvariants } from './barriers.ts';
import type { Bug } from './bugs.ts';
import { Caller } from './caller.ts';
import type { GuardedCommand } from './command.ts';
import { Controller } from './controller.ts';
import { Disk } from './disk.ts';
import { Door } from './door.ts';
import { Invariants } from './invariants.ts';
import { Network } from './network.ts';
import { Node } from './node.ts';
import { Operator } from './operator.ts';
import { Pool } from './pool.ts';
import { Random } from './random.ts';
import { type Being, Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';
import { calmDown, forecast, type Weather } from './weather.ts';

const WALL_AT_START = Date.UTC(2026, 5, 16, 16, 24, 56);

/** Everything there is: one host with its disk and storage, a controller on it, callers, an operator, and bad weather. */
export class World {
  readonly random: Random;
  readonly timeline: Timeline;
  readonly weather: Weather;
  readonly pool = new Pool();
  readonly disk: Disk;
  readonly door: Door;
  readonly controller: Controller;
  readonly invariants: Invariants;
  readonly network: Network;
  readonly barriers: BarrierInvariants;
  readonly nodes: readonly Node[];
  readonly callers = new Set<Caller>();
  readonly commands = new Set<GuardedCommand>();
  /** What never dies and never stalls. */
  readonly nature: Being = { alive: true, stalledUntil: 0 };
  readonly bug: Bug | undefined;
  readonly log: Log;
  readonly policy: Policy;
  wallOffset = WALL_AT_START;
  readonly #trace: Trace;
  readonly #serials = new Map<string, number>();
  #operators: readonly Operator[] = [];
  #stormy = true;

  constructor(
    seed: number,
    trace: Trace,
    options: { readonly bug?: Bug | undefined; readonly fair?: boolean | undefined } = {},
  ) {
    this.random = new Random(seed);
    this.timeline = new Timeline(this.random);
    this.weather = forecast(this.random, options.fair ?? this.random.chance(0.1), options.bug?.mesh === true);
    this.bug = options.bug;
    this.#trace = trace;
    this.policy = {
      ...DEFAULT_POLICY,
      graceMs: 2_000,
      reattachMs: this.random.pick([5_000, 10_000]),
      openMax: this.random.pick([5, 64, 64, 64, 64]),
      retention: {
        committed: { countMax: this.random.int(0, 2), ageMsMax: 60_000 },
        failed: { countMax: this.random.int(0, 2), ageMsMax: 120_000 },
      },
    };
    const quiet = (): void => undefined;
    this.log = {
      info: quiet,
      warn: quiet,
      error: (fields, message) => this.say(`log: ${message} ${JSON.stringify(fields)}`),
    };
    this.invariants = new Invariants(this);
    this.network = new Network(this);
    this.barriers = new BarrierInvariants(this);
    this.disk = new Disk(this);
    this.door = new Door(this);
    this.controller = new Controller(this);
    this.nodes = Array.from({ length: this.weather.nodes }, (_, index) => new Node(this, `node${index + 1}`));
  }

  say(text: string): void {
    this.#trace.say(this.timeline.now, text);
  }

  /** `m0001`, `m0002`, …: in order, as UUIDv7s are. */
  serial(of: string): string {
    const number = (this.#serials.get(of) ?? 0) + 1;
    this.#serials.set(of, number);
    return `${of}${String(number).padStart(4, '0')}`;
  }

  wallNow(): number {
    return this.timeline.now + this.wallOffset;
  }

  begin(): void {
    const { weather, random } = this;
    this.controller.boot();
    this.#nowAndThen(weather.callerEveryMs, () => void new Caller(this));
    if (weather.operatorEveryMs > 0) this.#operators = [new Operator(this), new Operator(this)];
    this.#nowAndThen(weather.crashEveryMs, () => this.controller.crash('out of nowhere'));
    this.#nowAndThen(weather.stopEveryMs, () => void this.controller.stop());
    this.#nowAndThen(weather.powerCutEveryMs, () => this.#cutPower());
    this.#toANode(weather.nodeDiesEveryMs, (node) => node.die());
    this.#toANode(weather.nodeStallsEveryMs, (node) => node.stall());
    this.#toANode(weather.nodeCutEveryMs, (node) => this.network.cut(node.name));
    this.#nowAndThen(weather.wallJumpEveryMs, () => {
      this.wallOffset += random.pick([-1, 1]) * random.pick([50, 3_000, 60_000, 86_400_000]);
      this.say(`wall clock: set to ${new Date(this.wallNow()).toISOString()}`);
    });
    this.#nowAndThen(weather.fullEveryMs, () => {
      this.disk.full = true;
      this.timeline.plan(random.int(1, weather.fullMsMax), this.nature, () => (this.disk.full = false));
    });
  }

  /** No more faults, no new callers, no more operator; those who are there go on. */
  calm(): void {
    this.say('the storm is over');
    this.#stormy = false;
    calmDown(this.weather);
    this.network.mend();
    for (const operator of this.#operators) operator.alive = false;
    this.controller.boot();
  }

  everybodyLeaves(): void {
    this.say('everybody leaves');
    for (const caller of [...this.callers]) caller.die();
  }

  #cutPower(): void {
    this.say('the power fails');
    for (const caller of [...this.callers]) caller.die();
    for (const command of [...this.commands]) command.kill();
    this.controller.crash('the power failed');
  }

  #toANode(everyMs: number, happens: (node: Node) => void): void {
    if (this.nodes.length > 0) this.#nowAndThen(everyMs, () => happens(this.random.pick(this.nodes)));
  }

  #nowAndThen(everyMs: number, run: () => void): void {
    if (everyMs === 0) return;
    this.timeline.plan(this.random.int(1, 2 * everyMs), this.nature, () => {
      if (!this.#stormy) return;
      run();
      this.#nowAndThen(everyMs, run);
    });
  }
}
