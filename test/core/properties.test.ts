import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { CommandBody, Facts } from '../../src/core/command.ts';
import { type Dataset, overlap } from '../../src/core/dataset.ts';
import type { Event, Target } from '../../src/core/event.ts';
import { archive, evolve } from '../../src/core/evolve.ts';
import { datasetNames, holdsLocks, isFinal, type Mutation } from '../../src/core/mutation/mutation.ts';
import { pending } from '../../src/core/pending.ts';
import { EMPTY } from '../../src/core/state.ts';
import { canonicalJson } from '../../src/base/canonical.ts';
import { asking, SLOW, Story, TROUBLE } from './story.ts';

/*
 * Whatever is said to the core, in whatever order, with right and wrong tokens and answers to questions nobody asked: these
 * things hold after every single command.
 */
const ID = fc.constantFrom('m0', 'm1', 'm2', 'm3');
/** The last one is of a pool, and mounted in the place of another. */
const DATASET = fc.constantFrom('/a', '/a/b', '/a/b/c', '/a/d', '/ab', 'tank/d');
const placed = (name: string): Dataset =>
  name === 'tank/d' ? { name, driver: 'zfs', at: '/a/d' } : { name, driver: 'memory' };
const FENCE = fc.oneof(fc.constant('right' as const), fc.integer({ min: 0, max: 5 }));
const KIND = fc.constantFrom('done' as const, 'refused' as const, 'unknown' as const);

const STEP = fc.record({
  what: fc.constantFrom(
    ...([
      'request',
      'request',
      'request',
      'answer',
      'answer',
      'answer',
      'answer',
      'answer',
      'renew',
      'attach',
      'gone',
      'commit',
      'commit',
      'rollback',
    ] as const),
    ...(['operator', 'resolve', 'pin', 'seal', 'destroy', 'prune', 'tick', 'start', 'archive', 'late'] as const),
    ...(['invite', 'join', 'join', 'rotate', 'revoke'] as const),
  ),
  id: ID,
  datasets: fc.uniqueArray(DATASET, { minLength: 1, maxLength: 2 }),
  fence: FENCE,
  kind: KIND,
  yes: fc.boolean(),
  passMs: fc.constantFrom(0, 0, 1, 500, 5_000, 100_000),
  wallJumpMs: fc.constantFrom(0, 0, 0, -3_600_000, 3_600_000),
});
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** The mutations a test has seen, also those that were archived: what an engine finds in its ledger. */
class Run {
  readonly story = new Story();
  readonly ever = new Map<string, Mutation>();
  #requests = 0;

  take(step: Step): void {
    const { story } = this;
    story.pass(step.passMs);
    story.at += step.wallJumpMs;
    if (step.what === 'archive') {
      story.archive();
      return;
    }
    for (const [body, facts] of this.#bodies(step)) {
      if ('mutation' in body && body.type !== 'request') this.#atHand(body.mutation);
      if (body.type === 'destroy') this.#atHand(body.target.mutation);
      story.tell(body, facts);
      for (const [id, mutation] of story.state.mutations) this.ever.set(id, mutation);
    }
  }

  #atHand(id: string): void {
    const { story } = this;
    const ended = this.ever.get(id);
    if (ended === undefined || story.state.mutations.has(id)) return;
    story.state = { ...story.state, mutations: new Map([...story.state.mutations, [id, ended]]) };
  }

  #bodies({ what, id: wanted, datasets, fence, kind, yes }: Step): [CommandBody, Facts?][] {
    const { state } = this.story;
    const ids = [...this.ever.keys()];
    const id = ids[ids.length - 1 - Number(wanted.slice(1))] ?? wanted;
    const token = fence === 'right' ? (this.ever.get(id)?.fence ?? 0) : fence;
    const target: Target = {
      kind: 'snapshot',
      mutation: id,
      dataset: '/a',
      driver: 'memory',
      name: this.ever.get(id)?.snapshots[0]?.name ?? '/a@x',
    };
    const reason = kind === 'refused' ? TROUBLE : SLOW;
    const nothing = kind === 'done' ? ({ kind, value: undefined } as const) : ({ kind, reason } as const);
    switch (what) {
      case 'request': {
        this.#requests += 1;
        const onExpiry = yes ? 'rollback' : 'quarantine';
        const request = asking([], {
          datasets: datasets.map(placed),
          onExpiry,
          attached: !yes,
          ttlMs: 10_000,
          waitMs: yes ? 20_000 : 0,
        });
        return [[{ type: 'request', mutation: `r${this.#requests}`, request }]];
      }
      case 'answer':
        return pending(state)
          .slice(0, 1)
          .map((effect): [CommandBody] => {
            switch (effect.kind) {
              case 'snapshot': {
                const value = this.story.frozen(effect.mutation.id);
                return [
                  {
                    type: 'snapshot_answered',
                    mutation: effect.mutation.id,
                    answer: kind === 'done' ? { kind, value } : { kind, reason },
                  },
                ];
              }
              case 'halt': {
                const value = (effect.mutation.participants ?? []).map((node) => ({ node, tookMs: 1 }));
                return [
                  {
                    type: 'halt_answered',
                    mutation: effect.mutation.id,
                    answer: kind === 'done' ? { kind, value } : { kind, reason },
                  },
                ];
              }
              case 'verify':
                return [{ type: 'verify_answered', mutation: effect.mutation.id, answer: nothing }];
              case 'withdraw':
                return [{ type: 'withdraw_answered', mutation: effect.mutation.id, answer: nothing }];
              case 'stop':
                return [{ type: 'stop_answered', mutation: effect.mutation.id, answer: nothing }];
              case 'commit':
                return [{ type: 'commit_answered', mutation: effect.mutation.id, answer: nothing }];
              case 'rollback':
                return [
                  {
                    type: 'rollback_answered',
                    mutation: effect.mutation.id,
                    attempt: effect.mutation.attempt,
                    answer: kind === 'done' ? { kind, value: [] } : { kind, reason },
                  },
                ];
              case 'seal':
                return [{ type: 'seal_answered', dataset: effect.dataset, sealed: effect.sealed, answer: nothing }];
              case 'destroy':
                return [{ type: 'destroy_answered', target: effect.target, answer: nothing }];
            }
          });
      case 'late':
        return [
          [{ type: 'snapshot_answered', mutation: id, answer: { kind: 'done', value: [] } }],
          [{ type: 'halt_answered', mutation: id, answer: { kind: 'done', value: [] } }],
          [{ type: 'verify_answered', mutation: id, answer: nothing }],
          [{ type: 'withdraw_answered', mutation: id, answer: nothing }],
          [{ type: 'commit_answered', mutation: id, answer: nothing }],
          [{ type: 'rollback_answered', mutation: id, attempt: token, answer: { kind: 'done', value: [] } }],
          [{ type: 'seal_answered', dataset: { name: '/a', driver: 'memory' }, sealed: yes, answer: nothing }],
          [{ type: 'destroy_answered', target, answer: nothing }],
        ];
      case 'renew':
      case 'attach':
      case 'commit':
      case 'rollback':
        return [[{ type: what, mutation: id, fence: token }]];
      case 'gone':
        return [[{ type: 'holder_gone', mutation: id }]];
      case 'operator':
        return [[{ type: 'rollback', mutation: id }]];
      case 'resolve':
        return [[{ type: 'resolve', mutation: id, choice: yes ? 'commit' : 'rollback' }]];
      case 'pin':
        return [[{ type: 'pin', mutation: id, pinned: yes }]];
      case 'seal':
        return [[{ type: 'seal', dataset: placed(datasets[0] ?? '/a'), sealed: yes }]];
      case 'destroy':
        return [[{ type: 'destroy', target, why: 'asked for' }]];
      case 'prune':
        return [
          [
            { type: 'prune', candidates: [{ target, createdAt: 0, pinned: false, stage: this.ever.get(id)?.stage }] },
            { owners: this.ever },
          ],
        ];
      case 'tick':
        return [[{ type: 'tick' }]];
      case 'start':
        this.story.mono = yes ? 0 : 1_000_000;
        return [[{ type: 'start', version: '1', node: 'host' }]];
      case 'archive':
        return [];
      case 'invite':
        return [
          [{ type: 'invite', node: NODE, digest: wanted, expiresAt: this.story.at + 60_000, policy: { rate: 5 } }],
        ];
      case 'join':
        return [[{ type: 'join', node: NODE, digest: wanted, ...keyOf(fence), expiresAt: this.story.at + 300_000 }]];
      case 'rotate': {
        const from = state.nodes.get(NODE)?.[yes ? 'fingerprint' : 'invitation'] ?? '';
        return [[{ type: 'rotate', node: NODE, from, ...keyOf(fence), expiresAt: this.story.at + 300_000 }]];
      }
      case 'revoke':
        return [[{ type: 'revoke', node: NODE }]];
    }
  }
}

/** Whoever asks in these runs. */
const { node: NODE } = asking([]);

function keyOf(fence: Step['fence']): { readonly fingerprint: string; readonly publicKey: string } {
  return { fingerprint: `k${fence}`, publicKey: `spki of k${fence}` };
}

/** @param check looks at the run after each step, with the events it brought */
function always(check: (run: Run, events: readonly Event[], before: ReadonlyMap<string, Mutation>) => void): void {
  fc.assert(
    fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
      const run = new Run();
      for (const step of steps) {
        const seen = run.story.events.length;
        const before = new Map(run.ever);
        run.take(step);
        check(run, run.story.events.slice(seen), before);
      }
    }),
    { numRuns: 150 },
  );
}

test('at most one holder of anything', () => {
  always(({ story }) => {
    const holders = [...story.state.mutations.values()]
      .filter(holdsLocks)
      .map(({ datasets }) => datasets.map(({ name, at }) => at ?? name));
    for (const [index, one] of holders.entries()) {
      for (const other of holders.slice(index + 1))
        expect(one.some((a) => other.some((b) => overlap(a, b)))).toBe(false);
    }
  });
});

test('tokens only grow, names are never given twice, time never goes back', () => {
  always(({ story }) => {
    const started = story.events.flatMap((event) => (event.type === 'snapshot_started' ? [event] : []));
    const fences = started.map(({ fence }) => fence);
    expect(fences).toEqual([...new Set(fences)].toSorted((a, b) => a - b));
    const names = started.flatMap(({ snapshots }) => snapshots.map(({ name }) => name));
    expect(new Set(names).size).toBe(names.length);
    const times = story.events.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
});

test('what has ended stays as it ended, but for the undo of a commit', () => {
  always((_, events, before) => {
    for (const event of events) {
      if (!('mutation' in event) || event.type === 'pinned') continue;
      const was = before.get(event.mutation);
      const leaves = was !== undefined && isFinal(was) && events.indexOf(event) === 0;
      expect(leaves && `${was.stage} → ${event.type}`).toBeOneOf([false, 'committed → rollback_started']);
    }
  });
});

test('replaying the events gives the live state', () => {
  always(({ story, ever }) => {
    const replayed = evolve(EMPTY, story.events);
    const inOrder = (mutations: Iterable<Mutation>): Record<string, Mutation> =>
      Object.fromEntries([...mutations].map((one) => [one.id, one]));
    const live = archive(story.state);
    expect(canonicalJson(inOrder(live.mutations.values()))).toBe(
      canonicalJson(inOrder(archive(replayed).mutations.values())),
    );
    expect(canonicalJson(inOrder(ever.values()))).toBe(canonicalJson(inOrder(replayed.mutations.values())));
    expect(live.counters).toEqual(replayed.counters);
    expect(Object.fromEntries(live.seals)).toEqual(Object.fromEntries(replayed.seals));
    expect([...live.condemned.keys()]).toEqual([...replayed.condemned.keys()]);
    for (const part of ['nodes', 'invitations', 'pace'] as const) expect([...live[part]]).toEqual([...replayed[part]]);
  });
});

test('a node that is revoked has nothing that could begin or go on', () => {
  always(({ story }) => {
    if (story.state.nodes.get(NODE)?.revokedAt === undefined) return;
    const alive = [...story.state.mutations.values()].filter(({ stage }) =>
      ['queued', 'snapshotting', 'cleared'].includes(stage),
    );
    expect(alive).toEqual([]);
  });
});

test('a token lets in one key, ever', () => {
  always(({ story }) => {
    const joined = story.events.flatMap((event) => (event.type === 'node_joined' ? [event] : []));
    const since = story.events.flatMap((event) => (event.type === 'node_invited' ? [event] : []));
    expect(joined.length).toBeLessThanOrEqual(since.length);
  });
});

test('a mutation is cleared only with every snapshot read back, and lasts no longer than it asked for', () => {
  always(({ story }) => {
    for (const mutation of story.state.mutations.values()) {
      if (mutation.stage !== 'cleared') continue;
      expect(mutation.snapshots.map(({ dataset }) => dataset)).toEqual(datasetNames(mutation));
      expect(mutation.snapshots.every(({ guid }) => guid !== '')).toBe(true);
      expect((mutation.expiresMono ?? Infinity) - story.mono).toBeLessThanOrEqual(mutation.ttlMs);
    }
  });
});

test('whoever was denied or cancelled has a reason, and so has whoever is quarantined', () => {
  always(({ ever }) => {
    const explained = [...ever.values()].filter(
      ({ stage }) => stage === 'denied' || stage === 'cancelled' || stage === 'quarantined',
    );
    expect(explained.filter(({ reason }) => reason === undefined || reason.hint === '')).toEqual([]);
  });
});

test('nothing is destroyed that is pinned, open, or being undone', () => {
  always(({ story, ever }) => {
    for (const { mutation, name } of story.state.condemned.values()) {
      const owner = ever.get(mutation);
      if (owner?.snapshots.some((snapshot) => snapshot.name === name) !== true) continue;
      expect(owner.pinned).toBe(false);
      expect(isFinal(owner)).toBe(true);
    }
  });
});

test('two effects that are pending claim the same only when one waits for the other', () => {
  always(({ story }) => {
    const subjects = pending(story.state).map(({ subject }) => subject);
    expect(new Set(subjects).size).toBe(subjects.length);
    for (const effect of pending(story.state)) expect(effect.claims).toContain(effect.subject);
  });
});
