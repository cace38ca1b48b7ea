import type { CommandBody } from '../src/core/command.ts';
import type { Target } from '../src/core/event.ts';
import { isFinal, type Mutation, type MutationId } from '../src/core/mutation/mutation.ts';
import type { Candidate } from '../src/core/retention/retention.ts';
import { DATASETS, NOBODY } from './pool.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

/** A person at the controller, who does anything at any time, and looks at things a while before acting on them. */
export class Operator implements Being {
  alive = true;
  stalledUntil = 0;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    void this.#live();
  }

  async #live(): Promise<void> {
    const { timeline, random, weather } = this.#world;
    while (this.alive) {
      await timeline.pause(random.int(1, 2 * weather.operatorEveryMs), this);
      const body = this.#choose();
      if (body === undefined) continue;
      // Time to think: by then the world may be another.
      await timeline.pause(random.int(0, random.pick([10, 5_000])), this);
      this.#world.say(`operator: ${describe(body)}`);
      void this.#world.door.connect(this).call(body);
    }
  }

  #choose(): CommandBody | undefined {
    const { random } = this.#world;
    const mutations = this.#world.invariants.mutations();
    const some = (wanted: (mutation: Mutation) => boolean): Mutation | undefined => {
      const found = mutations.filter(wanted);
      return found.length === 0 ? undefined : random.pick(found.slice(-8));
    };
    switch (random.int(1, 9)) {
      case 1:
      case 2:
        return withOne(
          some(({ stage }) => stage === 'committed'),
          ({ id }) => ({ type: 'rollback', mutation: id }),
        );
      case 3:
        return withOne(
          some(() => true),
          ({ id }) => ({ type: 'rollback', mutation: id }),
        );
      case 4:
      case 5:
        return withOne(
          some(({ stage }) => stage === 'quarantined'),
          ({ id }) => {
            return { type: 'resolve', mutation: id, choice: random.pick(['commit', 'rollback'] as const) };
          },
        );
      case 6:
        return withOne(
          some((mutation) => isFinal(mutation)),
          ({ id }) => {
            return { type: 'pin', mutation: id, pinned: random.chance(0.7) };
          },
        );
      case 7: {
        const candidates = this.#candidates(mutations);
        // Somebody sees what is about to go, and wants to keep it.
        if (candidates.length > 0 && random.chance(0.5)) this.#pinSoon(random.pick(candidates).target.mutation);
        return { type: 'prune', candidates, insist: random.chance(0.5) };
      }
      case 8:
        return this.#destroy();
      default:
        return { type: 'seal', dataset: { name: random.pick(DATASETS), driver: 'memory' }, sealed: random.chance(0.6) };
    }
  }

  #pinSoon(mutation: MutationId): void {
    this.#world.say(`operator: pin ${mutation} at once`);
    void this.#world.door.connect(this).call({ type: 'pin', mutation, pinned: true });
  }

  #candidates(mutations: readonly Mutation[]): Candidate[] {
    const known = new Map(mutations.map((mutation) => [mutation.id, mutation]));
    return this.#targets().map(({ target, createdAt }) => {
      const mutation = known.get(target.mutation);
      return { target, createdAt, pinned: mutation?.pinned ?? false, stage: mutation?.stage };
    });
  }

  #destroy(): CommandBody | undefined {
    const targets = this.#targets().filter(({ target }) => target.mutation !== NOBODY);
    if (targets.length === 0) return undefined;
    return { type: 'destroy', target: this.#world.random.pick(targets).target, why: 'an operator said so' };
  }

  #targets(): { readonly target: Target; readonly createdAt: number }[] {
    return [...this.#world.pool.frozen.values()].map(({ kind, mutation, dataset, name, restsOn, createdAt }) => {
      const rests = restsOn === undefined ? {} : { restsOn };
      return { target: { kind, mutation, dataset, driver: 'memory', name, ...rests }, createdAt };
    });
  }
}

function withOne(mutation: Mutation | undefined, say: (mutation: Mutation) => CommandBody): CommandBody | undefined {
  return mutation && say(mutation);
}

function describe(body: CommandBody): string {
  switch (body.type) {
    case 'resolve':
      return `resolve ${body.mutation} --${body.choice}`;
    case 'pin':
      return `${body.pinned ? 'pin' : 'unpin'} ${body.mutation}`;
    case 'seal':
      return `${body.sealed ? 'seal' : 'unseal'} ${body.dataset.name}`;
    case 'destroy':
      return `destroy ${body.target.name}`;
    default:
      return 'mutation' in body ? `${body.type} ${body.mutation}` : body.type;
  }
}
