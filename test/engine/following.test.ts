import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { Feed } from '../../src/engine/feed.ts';
import { type Follow, following, type Heard } from '../../src/engine/following.ts';
import { emptyDisk, memoryLedger } from '../../src/ledger/memory/ledger.ts';
import { sampleMutation, Scribe } from '../ledger/sample.ts';
import { VirtualClock } from './place.ts';

/** A ledger that grows as a test says, and those who follow it. */
class World {
  readonly clock = new VirtualClock();
  readonly ledger = memoryLedger(emptyDisk());
  readonly feed = new Feed();
  readonly #scribe = new Scribe(this.ledger);
  reads = 0;
  #count = 0;

  /** Records of mutations that nodes `even` and `odd` ask for in turn. */
  async happen(count: number): Promise<void> {
    const mutations = Array.from({ length: count }, () => {
      this.#count += 1;
      return sampleMutation(this.#count, { node: this.#count % 2 === 0 ? 'even' : 'odd' });
    });
    if (count > 0) this.feed.publish(await this.#scribe.request(...mutations), rethrow);
  }

  follow(more: Partial<Follow> = {}): { heard: AsyncGenerator<Heard, void, undefined>; stop: AbortController } {
    const stop = new AbortController();
    const records = (after: number, limit: number) => {
      this.reads += 1;
      return this.ledger.records(after, limit);
    };
    const source = {
      feed: this.feed,
      clock: this.clock,
      ledger: { records, head: () => this.ledger.head() },
      find: (id: string) => this.ledger.find(id),
    };
    const defaults = { after: 0, selection: {}, live: true, behindMax: 1_000_000, signal: stop.signal };
    return { heard: following(source, { ...defaults, ...more }), stop };
  }
}

function rethrow(error: unknown): never {
  throw error;
}

const seqOf = (heard: Heard | undefined): number | undefined =>
  heard?.kind === 'record' ? heard.record.seq : undefined;

/** Time goes by until something is heard. */
async function next(world: World, heard: AsyncGenerator<Heard, void, undefined>): Promise<Heard | undefined> {
  let done = false;
  const coming = heard.next().then((result) => {
    done = true;
    return result.value ?? undefined;
  });
  // What is there already needs no time.
  for (let turn = 0; !done && turn < 10; turn += 1) await world.clock.pass(0);
  while (!done) await world.clock.pass(1_000);
  return coming;
}

describe('following', () => {
  test('tells every record once and in order, however the ledger grows and whoever dawdles', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(80), { maxLength: 12 }), fc.nat(100), async (steps, before) => {
        const world = new World();
        await world.happen(before);
        const { heard, stop } = world.follow();
        expect(await next(world, heard)).toEqual({ kind: 'position', seq: 0 });
        let last = 0;
        let total = before;
        for (const step of steps) {
          // More happens while it is busy with one than it keeps at hand.
          await world.happen(step);
          total += step;
          for (let turn = 0; turn < 7 && last < total; turn += 1) {
            expect(seqOf(await next(world, heard))).toBe(last + 1);
            last += 1;
          }
        }
        while (last < total) {
          expect(seqOf(await next(world, heard))).toBe(last + 1);
          last += 1;
        }
        expect(world.clock.mono()).toBe(0);
        stop.abort();
        expect((await heard.next()).done).toBe(true);
      }),
      { numRuns: 40 },
    );
  }, 30_000);

  test('who is up to date does not read the ledger for every event', async () => {
    const world = new World();
    const { heard, stop } = world.follow();
    await next(world, heard);
    const first = heard.next();
    await world.clock.pass(0);
    await world.happen(1);
    await first;
    const reads = world.reads;
    for (let count = 0; count < 20; count += 1) {
      const coming = heard.next();
      await world.clock.pass(0);
      await world.happen(1);
      expect(seqOf((await coming).value ?? undefined)).toBe(count + 2);
    }
    expect(world.reads).toBe(reads);
    stop.abort();
  });

  test('says its position after a page of nothing, after a while of nothing, and at the end', async () => {
    const world = new World();
    await world.happen(1_201);
    const selection = { node: 'nobody' };
    const { heard, stop } = world.follow({ selection });
    for (const seq of [0, 500, 1_000, 1_201]) expect(await next(world, heard)).toEqual({ kind: 'position', seq });
    expect(world.clock.mono()).toBeGreaterThanOrEqual(15_000);
    stop.abort();
    const once = world.follow({ selection, live: false, after: 1_100 });
    expect(await next(world, once.heard)).toEqual({ kind: 'position', seq: 1_100 });
    expect(await next(world, once.heard)).toEqual({ kind: 'position', seq: 1_201 });
    expect(await next(world, once.heard)).toBeUndefined();
  });

  test('knows of later events whose they are', async () => {
    const world = new World();
    await world.happen(10);
    const { heard, stop } = world.follow({ selection: { node: 'even' } });
    const seqs: (number | undefined)[] = [];
    for (let count = 0; count < 6; count += 1) seqs.push(seqOf(await next(world, heard)));
    expect(seqs).toEqual([undefined, 2, 4, 6, 8, 10]);
    stop.abort();
  });

  test('who had caught up and falls behind is told what it missed; who has not caught up yet is not', async () => {
    const world = new World();
    await world.happen(300);
    const { heard } = world.follow({ behindMax: 100 });
    for (let seq = 0; seq < 300; seq += 1) await next(world, heard);
    await world.happen(1);
    for (const seq of [300, 301]) expect(seqOf(await next(world, heard))).toBe(seq);
    const coming = heard.next();
    await world.clock.pass(0);
    await world.happen(1);
    expect(seqOf((await coming).value ?? undefined)).toBe(302);
    await world.happen(101);
    expect(await next(world, heard)).toEqual({ kind: 'missed', from: 303, to: 403 });
    expect(await next(world, heard)).toBeUndefined();
  });

  test('ends at once when its signal aborts, also while it waits', async () => {
    const world = new World();
    const { heard, stop } = world.follow();
    await next(world, heard);
    const waiting = heard.next();
    await world.clock.pass(10);
    stop.abort();
    expect((await waiting).done).toBe(true);
  });
});
