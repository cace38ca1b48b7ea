import type { MutationId } from '../src/core/mutation/mutation.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

export type Ending = 'succeeded' | 'failed' | 'killed';

/**
 * What a caller runs under a clearance: a process of its own that writes in small steps. It knows nothing of leases, so it goes on
 * until it is through or somebody kills it; killing works on a stalled process too, as SIGKILL does.
 *
 * It exists before it begins: a process that carries the mutation's name and waits at a gate. Only then does its caller ask once
 * more whether the clearance stands, and opens the gate. So a controller that takes the clearance back either does it before that
 * question, and the answer is no; or after, and then there is a process for it to stop.
 */
export class GuardedCommand implements Being {
  alive = true;
  stalledUntil = 0;
  readonly mutation: MutationId;
  ending: Ending | undefined;
  begun = false;
  readonly #world: World;
  readonly #paths: readonly string[];

  /** @param paths where it may write */
  constructor(world: World, mutation: MutationId, paths: readonly string[]) {
    this.#world = world;
    this.mutation = mutation;
    this.#paths = paths;
    world.commands.add(this);
  }

  /** Opens the gate. */
  begin(): void {
    if (!this.alive) return;
    this.begun = true;
    void this.#run(this.#world.random.int(0, 12));
  }

  kill(): void {
    if (!this.alive) return;
    this.#end('killed');
  }

  async #run(steps: number): Promise<void> {
    const { timeline, random, pool, invariants } = this.#world;
    for (let step = 1; step <= steps; step += 1) {
      await timeline.pause(random.latency(1, 3_000), this);
      const path = random.pick(this.#paths);
      if (pool.isReadOnly(path)) {
        this.#world.say(`command of ${this.mutation}: ${path} is read-only`);
        this.#end('failed');
        return;
      }
      invariants.writes(this.mutation, path, 'command');
      if (random.chance(0.15)) pool.files.delete(path);
      else pool.files.set(path, `${this.mutation} step ${step}`);
    }
    this.#end(random.chance(0.75) ? 'succeeded' : 'failed');
  }

  #end(ending: Ending): void {
    this.alive = false;
    this.ending = ending;
    this.#world.commands.delete(this);
    this.#world.say(`command of ${this.mutation}: ${ending}`);
  }
}
