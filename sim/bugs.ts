import type { Command } from '../src/core/command.ts';
import { type Decision, decide } from '../src/core/decide.ts';
import type { Event } from '../src/core/event.ts';
import { evolve } from '../src/core/evolve.ts';
import { holdsLocks, type Mutation } from '../src/core/mutation/mutation.ts';
import type { Policy } from '../src/core/policy/policy.ts';
import { snapshotName } from '../src/core/snapshot/name.ts';
import type { State } from '../src/core/state.ts';
import { GENESIS, link } from '../src/ledger/chain.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import type { Processes } from '../src/ports/processes.ts';
import type { Storage } from '../src/ports/storage.ts';
import { ok } from '../src/base/result.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

type Decide = typeof decide;

/** A mistake planted on purpose, to see that the simulator finds it. */
export interface Bug {
  /** What is done wrong, in words. */
  readonly what: string;
  readonly decide?: Decide;
  readonly ledger?: (ledger: Ledger, world: World, controller: Being) => Ledger;
  readonly storage?: (storage: Storage) => Storage;
  readonly processes?: (processes: Processes) => Processes;
  /** Whether callers ask once more before their command begins. */
  readonly confirms?: boolean;
}

export const BUGS: Readonly<Record<string, Bug>> = {
  'unread-snapshot': {
    what: 'clears whatever the storage answered to the snapshot, without looking for it',
    decide: rewriting((command, state) => {
      if (command.type !== 'snapshot_answered') return command;
      const snapshots = state.mutations.get(command.mutation)?.snapshots ?? [];
      return { ...command, answer: { kind: 'done', value: snapshots.map((one) => ({ ...one, guid: 'assumed' })) } };
    }),
  },
  'blind-to-ancestors': { what: 'grants a dataset while its ancestor or descendant is held', decide: blindToAncestors },
  'unfenced-commit': {
    what: 'honours a commit whatever its fencing token',
    decide: rewriting((command, state) =>
      command.type === 'commit' ? { ...command, fence: state.mutations.get(command.mutation)?.fence ?? 0 } : command,
    ),
  },
  'lost-holder-gone': {
    what: 'forgets that a caller went away',
    decide: rewriting((command) => (command.type === 'holder_gone' ? quiet(command) : command)),
  },
  'acknowledged-early': {
    what: 'goes on before the ledger is durable',
    ledger: (ledger, world, controller) => {
      // One after the other, as they came; a crash loses those that still wait.
      let tail: Promise<unknown> = Promise.resolve();
      return {
        ...ledger,
        append: async (events, touched, state) => {
          tail = tail
            .then(() => world.timeline.pause(30, controller))
            .then(() => ledger.append(events, touched, state));
          tail.catch(() => undefined);
          let seq = world.disk.data.records.length;
          return events.map((event) => link(GENESIS, (seq += 1), event).record);
        },
      };
    },
  },
  'running-holder': {
    what: 'rolls back without stopping the command first',
    processes: () => ({ stop: () => Promise.resolve(ok({ stopped: 0 })) }),
  },
  'unstopped-resolve': {
    what: 'commits a quarantined mutation while its command, or the storage, may still be at work',
    decide: (state, command, policy) => {
      const decision = decide(state, command, policy);
      if (command.type !== 'resolve' || command.choice !== 'commit') return decision;
      const events = decision.events.map((event): Event =>
        event.type === 'commit_started' ? { ...event, type: 'committed' } : event,
      );
      return { ...decision, events, state: evolve(state, events) };
    },
  },
  'stale-prune': {
    what: 'believes what the candidates for pruning looked like when they were gathered',
    decide: rewriting((command) => {
      if (command.type !== 'prune') return command;
      const { owners: _, ...stale } = command;
      return stale;
    }),
  },
  'undo-without-snapshot': {
    what: 'begins to undo what was pruned',
    decide: rewriting((command) => (command.type === 'rollback' ? { ...command, destroyed: [] } : command)),
  },
  'undo-over-newer': {
    what: 'undoes a mutation with everything newer on it',
    decide: rewriting((command) => (command.type === 'rollback' ? { ...command, newer: [] } : command)),
  },
  'forgetful-start': {
    what: 'recovers nothing at its start, so a snapshot nobody waits for any more is cleared, and a dead holder stays',
    decide: (state, command, policy) => {
      const decision = decide(state, command, policy);
      if (command.type !== 'start') return decision;
      const events = decision.events.filter((event) => event.type === 'controller_started');
      return { ...decision, events, state: evolve(state, events) };
    },
  },
  'impatient-lease': {
    what: 'ends a lease without the grace',
    decide: (state, command, policy) => decide(state, command, { ...policy, graceMs: 0 }),
  },
  'forgetful-tending': {
    what: 'tells the storage of all open mutations but one',
    storage: (storage) => ({ ...storage, tend: (open, ended) => storage.tend(open.slice(1), ended) }),
  },
  'blind-start': {
    what: 'gives its first token without a look at what the storage remembers',
    storage: (storage) => ({ ...storage, list: async () => [] }),
  },
  'unconfirmed-start': { what: 'callers begin without asking whether the clearance still stands', confirms: false },
};

function rewriting(rewrite: (command: Command, state: State) => Command): Decide {
  return (state, command, policy) => decide(state, rewrite(command, state), policy);
}

/** A command that says nothing. */
function quiet({ at, mono }: Command): Command {
  return { at, mono, type: 'tick' };
}

function blindToAncestors(state: State, command: Command, policy: Policy): Decision {
  const decision = decide(state, command, policy);
  const held = new Set([...decision.state.mutations.values()].filter(holdsLocks).flatMap(namesOf));
  const blind = [...decision.state.mutations.values()].find(
    (mutation) => mutation.stage === 'queued' && !namesOf(mutation).some((name) => held.has(name)),
  );
  if (blind === undefined) return decision;
  const { fence, namedAt } = decision.state.counters;
  const at = Math.max(command.at, namedAt + 1);
  const snapshots = blind.datasets.flatMap(({ name: dataset, driver }) => {
    const name = snapshotName({ dataset, node: blind.node, intent: blind.intent, at });
    return name.ok ? [{ dataset, driver, name: name.value, guid: '' }] : [];
  });
  const stamp = { at: command.at, mono: command.mono };
  const event: Event = {
    ...stamp,
    type: 'snapshot_started',
    mutation: blind.id,
    snapshots,
    namedAt: at,
    fence: fence + 1,
  };
  const next = evolve(decision.state, [event]);
  return { ...decision, events: [...decision.events, event], state: next };
}

function namesOf(mutation: Mutation): string[] {
  return mutation.datasets.map(({ name }) => name);
}
