import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';

import { anyOverlapping, type DatasetName } from '../../src/core/dataset.ts';
import type { Event, Target } from '../../src/core/event.ts';
import type { Mutation, Stage } from '../../src/core/mutation/mutation.ts';
import { EMPTY } from '../../src/core/state.ts';
import { GENESIS, link } from '../../src/ledger/chain.ts';
import type { Ledger, MutationQuery } from '../../src/ports/ledger.ts';
import { committedEvent, onDatasets, requestedEvent, sampleId, sampleMutation, Scribe } from '../ledger/sample.ts';

/** Something that can be switched off and on: each `open` after a `close` sees what was appended before. */
export interface Device {
  open(): Ledger;
  /** Takes everything away. */
  destroy(): void;
}

/** What every Ledger promises (src/ports/ledger.ts). */
export function ledgerConformance(name: string, device: () => Device): void {
  const devices: Device[] = [];
  const fresh = (): Device => {
    const made = device();
    devices.push(made);
    return made;
  };

  describe(`the ${name} ledger`, () => {
    afterEach(() => {
      for (const made of devices.splice(0)) made.destroy();
    });

    describe('append', () => {
      test('links the records in order, from the genesis on', async () => {
        const scribe = new Scribe(fresh().open());
        const [a, b, c] = [sampleMutation(1), sampleMutation(2), sampleMutation(3)];
        const returned = [...(await scribe.request(a, b)), ...(await scribe.request(c))];
        expect(returned.map(({ seq }) => seq)).toEqual([1, 2, 3]);
        let prev = GENESIS;
        for (const record of returned) {
          expect(record).toEqual(link(prev, record.seq, record.event).record);
          prev = record.hash;
        }
        expect(await scribe.ledger.records(0, 10)).toEqual(returned);
        expect(await scribe.ledger.head()).toMatchObject({ seq: 3, hash: prev });
      });

      test('takes a mutation in that was rebuilt, as it takes one that was asked for', async () => {
        const scribe = new Scribe(fresh().open());
        const rebuilt = sampleMutation(1, { stage: 'committed', fence: 4, clearedAt: 7, rebuilt: true });
        const { id, requestedAt: at, snapshots, evidence, attempt } = rebuilt;
        const { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached } = rebuilt;
        const request = { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached };
        const facts = { snapshots, evidence, attempt, fence: 4, clearedAt: 7, stage: 'committed' } as const;
        await scribe.append([{ type: 'rebuilt', at, mono: 0, mutation: id, request, ...facts }], [rebuilt]);
        await scribe.request(sampleMutation(2));
        expect(await scribe.ledger.find(id)).toEqual(rebuilt);
        expect((await scribe.ledger.query({ limit: 5 })).map((one) => one.id)).toEqual([sampleId(2), id]);
      });

      test('an empty ledger has no head, no records and the empty state', async () => {
        const ledger = fresh().open();
        expect(await ledger.head()).toBeUndefined();
        expect(await ledger.records(0, 10)).toEqual([]);
        expect(await ledger.load()).toEqual(EMPTY);
        expect(await ledger.countByStage()).toEqual({});
      });

      test('a batch that cannot be written leaves nothing behind, and the next one goes on from before', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.request(sampleMutation(1));
        const broken = { type: 'pinned', at: Number.NaN, mono: 0, mutation: sampleId(1), pinned: true } as const;
        await expect(scribe.append([requestedEvent(sampleMutation(2)), broken], [sampleMutation(2)])).rejects.toThrow(
          'canonical JSON',
        );
        const stranger = [requestedEvent(sampleMutation(2))];
        await expect(scribe.append(stranger, [sampleMutation(2), sampleMutation(3)])).rejects.toThrow(
          'never requested',
        );
        expect(await scribe.ledger.find(sampleId(2))).toBeUndefined();
        expect(await scribe.ledger.records(1, 10)).toEqual([]);
        await scribe.request(sampleMutation(2));
        expect((await scribe.ledger.head())?.seq).toBe(2);
      });

      test('a batch without events still stores what it touched', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.request(sampleMutation(1));
        await scribe.append([], [sampleMutation(1, { pinned: true })]);
        expect(await scribe.ledger.find(sampleId(1))).toMatchObject({ pinned: true });
        expect((await scribe.ledger.head())?.seq).toBe(1);
      });

      test('names that are not well-formed Unicode, and so one and the same on the disk, hinder nobody', async () => {
        const scribe = new Scribe(fresh().open());
        const odd = sampleMutation(1, onDatasets('/\uD800', '/\uD801'));
        await scribe.request(odd, sampleMutation(2));
        expect(await scribe.ledger.find(sampleId(2))).toEqual(sampleMutation(2));
      });

      test('text comes back as it was: newlines, quotes, emoji, NUL, half a surrogate pair escaped by JSON', async () => {
        const device = fresh();
        const scribe = new Scribe(device.open());
        const intent = 'line\nquote"\'`$(rm -rf /) 🐟 ünïcode \u0000 @/\\ \ud83d';
        await scribe.request(sampleMutation(1, { intent }));
        await scribe.ledger.close();
        const again = device.open();
        expect((await again.find(sampleId(1)))?.intent).toBe(intent);
        expect((await again.records(0, 1))[0]?.event).toMatchObject({ request: { intent } });
      });
    });

    describe('after reopening', () => {
      test('the state is the one given, the head the same, and the chain goes on', async () => {
        const device = fresh();
        const scribe = new Scribe(device.open());
        const open = sampleMutation(2, { stage: 'cleared', fence: 7, expiresAt: 99, snapshots: [snapshotOf(2)] });
        await scribe.end(sampleMutation(1));
        await scribe.request(open);
        const target: Target = {
          kind: 'snapshot',
          mutation: sampleId(1),
          dataset: 'tank/a',
          driver: 'memory',
          name: 'tank/a@PRE_x',
        };
        const destroying: Event = { type: 'destroy_started', at: 5, mono: 5, target, why: 'retention' };
        await scribe.append([destroying], [], {
          counters: { fence: 7, at: 5, namedAt: 6 },
          seals: new Map([['tank/a', { driver: 'memory', wanted: true, settled: false, mayHold: false }]]),
          condemned: new Map([[target.name, target]]),
          nodes: new Map([
            [
              'crm',
              {
                name: 'crm',
                fingerprint: 'f',
                publicKey: 'p',
                previous: { fingerprint: 'e', publicKey: 'o', until: 9 },
                invitation: 'd',
                joinedAt: 1,
                expiresAt: 9,
                policy: { datasets: ['tank/a'], modes: ['standard'], rate: 3 },
              },
            ],
          ]),
          invitations: new Map([['shop', { node: 'shop', digest: 'd2', expiresAt: 9, policy: {} }]]),
          tokens: new Map([['d3', { name: 'ci', digest: 'd3', scopes: ['read'], issuedAt: 1 }]]),
          pace: new Map([['crm', { minute: 1, asked: 2, before: 3 }]]),
        });
        const head = await scribe.ledger.head();
        await scribe.ledger.close();

        const again = new Scribe(device.open());
        expect(await again.ledger.load()).toEqual(scribe.state);
        expect(await again.ledger.head()).toEqual(head);
        const [next] = await again.request(sampleMutation(3));
        expect(next).toMatchObject({ seq: (head?.seq ?? 0) + 1, prev: head?.hash });
      });

      test('a closed ledger refuses to be used, and closing twice is fine', async () => {
        const ledger = fresh().open();
        await ledger.close();
        await ledger.close();
        await expect(ledger.load()).rejects.toThrow('closed');
        await expect(ledger.append([], [], EMPTY)).rejects.toThrow('closed');
      });

      test('load gives the open mutations in the order they were asked for', async () => {
        const device = fresh();
        const scribe = new Scribe(device.open());
        // Ids do not sort like the requests, and the batch lists them the other way round.
        const [late, early] = [sampleMutation(1), sampleMutation(9, { requestedAt: 1 })];
        await scribe.append([requestedEvent(early), requestedEvent(late)], [late, early]);
        await scribe.append([], [{ ...early, stage: 'cleared' }]);
        await scribe.ledger.close();
        expect([...(await device.open().load()).mutations.keys()]).toEqual([early.id, late.id]);
      });

      test('any sequence of batches loads back as the state that was given', async () => {
        const stages: Stage[] = [
          'queued',
          'snapshotting',
          'cleared',
          'rolling_back',
          'quarantined',
          'committed',
          'denied',
        ];
        const step = fc.record({ which: fc.integer({ min: 1, max: 8 }), stage: fc.constantFrom(...stages) });
        await fc.assert(
          fc.asyncProperty(
            fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 8 }),
            async (batches) => {
              const device = fresh();
              const scribe = new Scribe(device.open());
              const known = new Map<string, Mutation>();
              for (const batch of batches) {
                const touched = new Map(batch.map(({ which, stage }) => [which, sampleMutation(which, { stage })]));
                const events = [...touched.values()].map((each) =>
                  known.has(each.id) ? committedEvent(each) : requestedEvent(each),
                );
                await scribe.append(events, [...touched.values()]);
                for (const each of touched.values()) known.set(each.id, each);
              }
              await scribe.ledger.close();
              const again = device.open();
              expect(await again.load()).toEqual(scribe.state);
              for (const each of known.values()) expect(await again.find(each.id)).toEqual(each);
              expect(sum(await again.countByStage())).toBe(known.size);
              await again.close();
              device.destroy();
            },
          ),
          { numRuns: 25 },
        );
      });
    });

    describe('finding', () => {
      test('by id and by key, also when final; the newest when a key was used twice', async () => {
        const scribe = new Scribe(fresh().open());
        const ended = await scribe.end(sampleMutation(1, { key: "k'1" }));
        await scribe.end(sampleMutation(2, { key: 'twice' }));
        const newest = await scribe.end(sampleMutation(3, { key: 'twice' }));
        expect(await scribe.ledger.find(ended.id)).toEqual(ended);
        expect(await scribe.ledger.findByKey("k'1")).toEqual(ended);
        expect(await scribe.ledger.findByKey('twice')).toEqual(newest);
        expect(await scribe.ledger.find('nobody')).toBeUndefined();
        expect(await scribe.ledger.findByKey('%')).toBeUndefined();
      });

      test('counts by stage', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.end(sampleMutation(1));
        await scribe.end(sampleMutation(2), 'denied');
        await scribe.end(sampleMutation(3));
        await scribe.request(sampleMutation(4));
        expect(await scribe.ledger.countByStage()).toEqual({ committed: 2, denied: 1, queued: 1 });
      });
    });

    describe('query', () => {
      const NODES = ['crm', 'web', '%'];
      const STAGES: Stage[] = ['committed', 'denied', 'queued'];
      const mutations = Array.from({ length: 30 }, (_, n) =>
        sampleMutation(n, { node: NODES[n % 3] ?? '', stage: STAGES[n % 2 === 0 ? 0 : n % 3] ?? 'queued' }),
      );
      const written = async (): Promise<Ledger> => {
        const scribe = new Scribe(fresh().open());
        await scribe.request(...mutations);
        return scribe.ledger;
      };

      test('answers every combination of filters like a plain search, newest first', async () => {
        const ledger = await written();
        const queries = fc.record({
          node: optional([...NODES, 'nobody']),
          outcome: optional<Stage>([...STAGES, 'rolled_back']),
          since: optional([0, 7, 12, 29, 99].map((n) => sampleMutation(n).requestedAt)),
          before: optional([0, 1, 15, 29].map(sampleId)),
          limit: fc.integer({ min: 1, max: 40 }),
        });
        await fc.assert(
          fc.asyncProperty(queries, async (drawn) => {
            const query = Object.fromEntries(
              Object.entries(drawn).filter(([, value]) => value !== undefined),
            ) as unknown as MutationQuery;
            const expected = mutations
              .filter(({ id }) => query.before === undefined || id < query.before)
              .filter(({ node }) => query.node === undefined || node === query.node)
              .filter(({ stage }) => query.outcome === undefined || stage === query.outcome)
              .filter(({ requestedAt }) => query.since === undefined || requestedAt >= query.since)
              .toReversed()
              .slice(0, query.limit);
            expect(await ledger.query(query)).toEqual(expected);
          }),
          { numRuns: 150 },
        );
      });

      test('pages through everything once by `before`', async () => {
        const ledger = await written();
        const seen: string[] = [];
        for (let page = await ledger.query({ limit: 7 }); page.length > 0;) {
          seen.push(...page.map(({ id }) => id));
          page = await ledger.query({ limit: 7, before: page.at(-1)?.id ?? '' });
        }
        expect(seen).toEqual(mutations.map(({ id }) => id).toReversed());
      });

      test('a page before a mutation nobody knows is empty', async () => {
        expect(await (await written()).query({ limit: 5, before: 'nobody' })).toEqual([]);
      });
    });

    describe('newerOverlapping', () => {
      test('finds the same, ancestors and descendants, oldest first; not siblings with the same beginning', async () => {
        const others = [
          'tank/a/b/c',
          'tank/ab',
          'tank/a',
          'tank',
          'tank/a0',
          'tank/a/b',
          'tank/a.b',
          'other',
          'tank/a/bb',
        ];
        expect(await newerThan(fresh().open(), 'tank/a/b', ...others)).toEqual([
          'tank/a/b/c',
          'tank/a',
          'tank',
          'tank/a/b',
        ]);
      });

      test('"/" contains every path and nothing else', async () => {
        expect(await newerThan(fresh().open(), '/', '/srv', 'tank', '/', '/srv/x')).toEqual(['/srv', '/', '/srv/x']);
        expect(await newerThan(fresh().open(), '/srv', '/', '/srvx', '/srv/y')).toEqual(['/', '/srv/y']);
      });

      test.each(['/s/100%', '/s/a_b', "/s/it's", '/s/"q"', '/s/two\nlines', '/s/🐟', '/s/a\\b', '/s/ '])(
        'takes %j literally',
        async (name) => {
          const similar = ['/s/100x', '/s/axb', '/s/a', '/t'];
          expect(await newerThan(fresh().open(), name, `${name}/in`, ...similar, name, '/s')).toEqual([
            `${name}/in`,
            name,
            '/s',
          ]);
        },
      );

      test('each once, however many datasets overlap; itself, older and unknown ones never', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.request(sampleMutation(1, onDatasets('a', 'b')), sampleMutation(2, onDatasets('a', 'b')));
        await scribe.request(sampleMutation(3, onDatasets('a/x', 'b/y', 'c')));
        const ids = async (n: number) =>
          (await scribe.ledger.newerOverlapping(sampleId(n), [{ name: 'a' }, { name: 'b' }])).map(({ id }) => id);
        expect(await ids(1)).toEqual([sampleId(2), sampleId(3)]);
        expect(await ids(3)).toEqual([]);
        expect(await ids(99)).toEqual([]);
      });

      test('agrees with `overlapping` on any names and places', async () => {
        const segment = fc.constantFrom('a', 'b', 'a0', 'a.', '%', '_', "'", 'ä', '🐟', '\n', '~');
        const dataset = fc
          .tuple(fc.boolean(), fc.array(segment, { minLength: 1, maxLength: 3 }))
          .map(([rooted, parts]) => (rooted ? '/' : '') + parts.join('/'));
        const names = fc.oneof({ weight: 9, arbitrary: dataset }, { weight: 1, arbitrary: fc.constant('/') });
        const at = fc.option(
          dataset.map((name) => `/${name.replace(/^\//, '')}`),
          { nil: undefined },
        );
        const placed = fc.tuple(names, at).map(([name, place]) => {
          return { name, driver: 'memory' as const, ...(place === undefined ? {} : { at: place }) };
        });
        const sets = fc.uniqueArray(placed, { minLength: 1, maxLength: 2, selector: ({ name }) => name });
        await fc.assert(
          fc.asyncProperty(fc.array(sets, { minLength: 2, maxLength: 12 }), async (drawn) => {
            const device = fresh();
            const scribe = new Scribe(device.open());
            const mutations = drawn.map((set, n) => sampleMutation(n, { datasets: set }));
            await scribe.request(...mutations);
            const asked = drawn[0] ?? [];
            const expected = mutations.filter((_, n) => n > 0 && anyOverlapping(drawn[n] ?? [], asked));
            expect(await scribe.ledger.newerOverlapping(sampleId(0), asked)).toEqual(expected);
            await scribe.ledger.close();
            device.destroy();
          }),
          { numRuns: 60 },
        );
      });
    });

    describe('records', () => {
      test('come in pages, each once', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.request(...Array.from({ length: 25 }, (_, n) => sampleMutation(n)));
        const seen: number[] = [];
        for (let page = await scribe.ledger.records(0, 10); page.length > 0;) {
          seen.push(...page.map(({ seq }) => seq));
          page = await scribe.ledger.records(page.at(-1)?.seq ?? 0, 10);
        }
        expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => n + 1));
      });

      test('of one mutation: its own events, and what becomes of its snapshots', async () => {
        const scribe = new Scribe(fresh().open());
        await scribe.append([{ type: 'controller_started', at: 1, mono: 1, version: '0', node: 'n' }], []);
        await scribe.end(sampleMutation(1));
        await scribe.end(sampleMutation(2));
        const target: Target = {
          kind: 'snapshot',
          mutation: sampleId(1),
          dataset: 'a',
          driver: 'memory',
          name: 'a@PRE',
        };
        await scribe.append([{ type: 'destroyed', at: 9, mono: 9, target }], []);
        const records = await scribe.ledger.recordsOf(sampleId(1));
        expect(records.map(({ seq, event }) => [seq, event.type])).toEqual([
          [2, 'requested'],
          [3, 'committed'],
          [6, 'destroyed'],
        ]);
        expect(await scribe.ledger.recordsOf('nobody')).toEqual([]);
      });
    });
  });
}

function snapshotOf(n: number): Mutation['snapshots'][number] {
  return { dataset: `tank/state/${n}`, driver: 'memory', name: `tank/state/${n}@PRE_x`, guid: 'g', createdAt: 5 };
}

function optional<T>(values: readonly T[]): fc.Arbitrary<T | undefined> {
  return fc.constantFrom(undefined, ...values);
}

function sum(counts: Readonly<Partial<Record<Stage, number>>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

/** Datasets of the mutations found newer than one on `first`, after one mutation on each of `others`; an older one is on all of them. */
async function newerThan(
  ledger: Ledger,
  first: DatasetName,
  ...others: readonly DatasetName[]
): Promise<DatasetName[]> {
  const scribe = new Scribe(ledger);
  await scribe.request(sampleMutation(0, onDatasets(...others)));
  await scribe.request(sampleMutation(1, onDatasets(first)));
  let n = 2;
  for (const other of others) await scribe.end(sampleMutation(n++, onDatasets(other)));
  const newer = await scribe.ledger.newerOverlapping(sampleId(1), [{ name: first }]);
  return newer.map(({ datasets }) => datasets[0]?.name ?? '');
}
