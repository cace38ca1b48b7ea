import type { Mutation } from '../src/core/mutation/mutation.ts';
import type { CommandBody } from '../src/core/command.ts';
import type { Refusal } from '../src/base/refusal.ts';
import type { Result } from '../src/base/result.ts';
import { Controller as Uses } from '../src/engine/controller.ts';
import { Engine } from '../src/engine/engine.ts';
import { Mesh } from '../src/engine/mesh/mesh.ts';
import { renewByHeartbeat } from '../src/engine/mesh/renewing.ts';
import { fakeProcesses } from './processes.ts';
import { fakeStorage } from './storage.ts';
import { type Being, processClock } from './timeline.ts';
import type { World } from './world.ts';

export const EFFECT_MS_MAX = 30_000;
/** Longer than any jump of the wall clock. */
const YEARS_MS = 10 * 365 * 86_400_000;

/** One run of the controller's process, from its start to its end. */
export interface Incarnation extends Being {
  readonly number: number;
  /** Set once it takes commands. */
  engine: Engine | undefined;
  failuresAtStart: number;
}

/** The controller: production core and engine over the fake ports, killed and started again at any moment. */
export class Controller {
  readonly #world: World;
  #count = 0;
  #current: Incarnation | undefined;
  #mesh: Mesh | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** The incarnation that takes commands now. */
  get serving(): (Incarnation & { readonly engine: Engine }) | undefined {
    const current = this.#current;
    return current?.engine === undefined ? undefined : (current as Incarnation & { readonly engine: Engine });
  }

  /** Where heartbeats arrive, while a controller lives. */
  get mesh(): Mesh | undefined {
    return this.#mesh;
  }

  boot(): void {
    if (this.#current !== undefined) return;
    const world = this.#world;
    this.#count += 1;
    const number = this.#count;
    const life: Incarnation = {
      number,
      alive: true,
      stalledUntil: 0,
      engine: undefined,
      failuresAtStart: world.disk.failures,
    };
    this.#current = life;
    world.say(`controller ${number}: starts`);
    world.invariants.controllerBegins();
    const clock = processClock(
      world.timeline,
      life,
      world.timeline.now - world.random.int(0, 100_000),
      () => world.wallOffset,
    );
    const { bug } = world;
    const ledger = world.disk.open(life);
    const storage = fakeStorage(world, life);
    const processes = fakeProcesses(world, life);
    const mesh = new Mesh({ clock, haltMs: world.weather.haltMs });
    for (const carrier of world.network.carriers(life)) mesh.addCarrier(carrier);
    this.#mesh = mesh;
    const options = {
      barrier: bug?.barrier?.(mesh) ?? mesh,
      ledger: bug?.ledger?.(ledger, world, life) ?? ledger,
      storage: bug?.storage?.(storage) ?? storage,
      processes: bug?.processes?.(processes) ?? processes,
      clock,
      ids: { mutation: () => world.serial('m') },
      log: world.log,
      policy: world.policy,
      version: 'sim',
      node: 'host',
      effectMsMax: EFFECT_MS_MAX,
      ...(bug?.decide === undefined ? {} : { decide: bug.decide }),
    };
    Engine.start(options).then(
      (engine) => {
        if (!life.alive) return;
        life.engine = engine;
        renewByHeartbeat(mesh, new Uses(engine, options, mesh), clock);
        world.say(`controller ${number}: serves`);
        world.invariants.controllerServes(engine);
        this.#enrol(engine);
      },
      (error: unknown) => {
        world.say(`controller ${number}: did not start: ${String(error)}`);
        if (life.alive) this.crash('its start failed');
      },
    );
  }

  /** Nodes join whatever mesh there is. */
  #enrol(engine: Engine): void {
    for (const { name: node } of this.#world.nodes) {
      if (engine.state.nodes.has(node)) continue;
      const expiresAt = this.#world.wallNow() + YEARS_MS;
      void engine.submit({ type: 'invite', node, digest: node, expiresAt, policy: {} });
      void engine.submit({ type: 'join', node, digest: node, fingerprint: node, publicKey: node, expiresAt });
    }
  }

  /** kill -9: nothing it had planned happens any more, and nobody is told. */
  crash(why: string): void {
    const life = this.#current;
    if (life === undefined) return;
    life.alive = false;
    this.#current = undefined;
    this.#mesh = undefined;
    const world = this.#world;
    world.say(`controller ${life.number}: dies, ${why}`);
    world.invariants.controllerEnds();
    world.door.controllerGone();
    const downMs = world.random.latency(1, world.weather.downMsMax);
    world.timeline.plan(downMs, world.nature, () => this.boot());
  }

  /** SIGTERM: what was accepted is answered, then the process ends. */
  async stop(): Promise<void> {
    const life = this.serving;
    if (life === undefined) return;
    this.#world.say(`controller ${life.number}: is asked to stop`);
    await life.engine.stop();
    if (life.alive) this.crash('having stopped');
  }

  submit(body: CommandBody, until?: (mutation: Mutation) => boolean): Promise<Result<Mutation | undefined, Refusal>> {
    const life = this.serving;
    if (life === undefined) throw new Error('nobody serves');
    return life.engine.submit(body, until);
  }
}
