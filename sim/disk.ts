import { anyOverlapping } from '../src/core/dataset.ts';
import { isFinal, type Mutation } from '../src/core/mutation/mutation.ts';
import { recordOf } from '../src/ledger/chain.ts';
import { readStanding } from '../src/ledger/standing.ts';
import { subjectOf } from '../src/ledger/subject.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import { emptyDisk, memoryLedger } from '../src/ledger/memory/ledger.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

/** The ledger's disk: survives the controller, is full now and then, and the controller may die on either side of a write. */
export class Disk {
  readonly data = emptyDisk();
  readonly #world: World;
  readonly #parsed = new Map<string, Mutation>();
  full = false;
  /** How many appends failed so far. */
  failures = 0;

  constructor(world: World) {
    this.#world = world;
  }

  #parse(doc: string): Mutation {
    let mutation = this.#parsed.get(doc);
    if (mutation === undefined) {
      mutation = JSON.parse(doc) as Mutation;
      this.#parsed.set(doc, mutation);
    }
    return mutation;
  }

  /** The ledger as one controller sees it. */
  open(controller: Being): Ledger {
    const { timeline, random, weather, invariants } = this.#world;
    const inner = memoryLedger(this.data);
    // A disk in trouble fails reads as well, now and then.
    const read = <T>(answer: () => T): Promise<T> =>
      this.full && random.chance(0.1)
        ? Promise.reject(new Error('EIO: input/output error'))
        : Promise.resolve(answer());
    const all = (): Mutation[] => [...this.data.mutations.values()].map((doc) => this.#parse(doc));
    const die = async (when: string): Promise<never> => {
      this.#world.controller.crash(`${when} an append was durable`);
      return new Promise(() => undefined);
    };
    return {
      ...inner,
      // The same answers as the memory ledger's own, which parses everything for each question.
      load: async () => {
        const open = all().filter((mutation) => !isFinal(mutation));
        const standing = readStanding((part) => this.data.standing.get(part));
        return { mutations: new Map(open.map((mutation) => [mutation.id, mutation])), ...standing };
      },
      find: (id) =>
        read(() => {
          const doc = this.data.mutations.get(id);
          return doc === undefined ? undefined : this.#parse(doc);
        }),
      findByKey: (key) => read(() => all().findLast((mutation) => mutation.key === key)),
      newerOverlapping: (id, datasets) =>
        read(() => {
          const mutations = all();
          const place = mutations.findIndex((mutation) => mutation.id === id);
          if (place < 0) return [];
          return mutations.slice(place + 1).filter((mutation) => anyOverlapping(mutation.datasets, datasets));
        }),
      recordsOf: (id) =>
        read(() => {
          const about = this.data.records.filter(({ body }) => body.includes(`"${id}"`)).map(recordOf);
          return about.filter(({ event }) => subjectOf(event) === id);
        }),
      append: async (events, touched, state) => {
        await timeline.pause(random.latency(0, weather.appendMsMax), controller);
        if (this.full) {
          this.failures += 1;
          this.#world.say(`disk: full, ${events.length} event(s) not written`);
          throw new Error('ENOSPC: no space left on device');
        }
        if (random.chance(weather.crashInAppend)) return die('before');
        const records = await inner.append(events, touched, state);
        invariants.recorded(events, touched, state);
        if (random.chance(weather.crashInAppend)) return die('after');
        if (random.chance(0.3)) await timeline.pause(random.latency(0, weather.appendMsMax), controller);
        return records;
      },
    };
  }
}
