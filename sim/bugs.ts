import { haltingStep } from '../src/core/barrier/halting.ts';
import type { Command } from '../src/core/command.ts';
import { type Decision, decide } from '../src/core/decide.ts';
import { anyOverlapping } from '../src/core/dataset.ts';
import type { Event } from '../src/core/event.ts';
import { evolve } from '../src/core/evolve.ts';
import { holdsLocks, type Mutation } from '../src/core/mutation/mutation.ts';
import type { Policy } from '../src/core/policy/policy.ts';
import { snapshotName } from '../src/core/snapshot/name.ts';
import type { State } from '../src/core/state.ts';
import { GENESIS, link } from '../src/ledger/chain.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import type { Barrier, LeaseWord } from '../src/ports/mesh.ts';
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
  /** Only a mesh can have it. */
  readonly mesh?: true;
  /** A seed that showed it: the test looks there first. When code or worlds change it may show nothing, and the others are gone through. */
  readonly seed?: number;
  readonly barrier?: (barrier: Barrier) => Barrier;
  /** A node's side of barriers. */
  readonly halting?: typeof haltingStep;
  /** What a node makes of the controller's word on a lease. */
  readonly hears?: (word: LeaseWord) => LeaseWord;
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
    seed: 116,
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
  'trusting-controller': {
    mesh: true,
    seed: 101,
    what: 'takes a snapshot for verified without asking the nodes whether they held',
    barrier: (barrier) => ({
      halt: (round) => barrier.halt(round),
      keep: (barriers) => barrier.keep(barriers),
      whenBroken: (listener) => barrier.whenBroken(listener),
      verify: async () => ok(undefined),
    }),
  },
  'hasty-controller': {
    mesh: true,
    what: 'takes the snapshot when all nodes but one have flushed',
    barrier: (barrier) => ({
      halt: async (round) => {
        const [left, ...others] = round.nodes;
        if (left === undefined || others.length === 0) return barrier.halt(round);
        const halted = await barrier.halt({ ...round, nodes: others });
        return halted.ok ? ok([...halted.value, { node: left, tookMs: 0 }]) : halted;
      },
      keep: (barriers) => barrier.keep(barriers),
      whenBroken: (listener) => barrier.whenBroken(listener),
      verify: (epoch, hold) => barrier.verify(epoch, hold),
    }),
  },
  'unwatched-hold': {
    mesh: true,
    seed: 64,
    what: 'a node that runs while it is held stays unnoticed',
    barrier: (barrier) => ({
      halt: (round) => barrier.halt(round),
      keep: (barriers) => barrier.keep(barriers),
      whenBroken: () => undefined,
      verify: (epoch, hold) => barrier.verify(epoch, hold),
    }),
  },
  'endless-halt': {
    mesh: true,
    what: 'a node waits for RESUME for as long as it takes',
    halting: (halting, input, mono) =>
      input.type === 'tick' && halting.state === 'halted'
        ? { next: { ...halting, untilMono: mono + 100_000 }, deeds: [] }
        : haltingStep(halting, input, mono),
  },
  'boastful-node': {
    mesh: true,
    seed: 248,
    what: 'a node that thawed itself says that it held',
    halting: (halting, input, mono) => {
      const step = haltingStep(halting, input, mono);
      const boast = step.next.state === 'running' && step.next.held === false;
      return boast ? { ...step, next: { ...step.next, held: true } } : step;
    },
  },
  'unflushed-node': {
    mesh: true,
    what: 'a node says that it has flushed when it has begun to',
    halting: (halting, input, mono) => {
      const { next, deeds } = haltingStep(halting, input, mono);
      return next.state === 'flushing' ? { next: { ...next, state: 'halted' }, deeds } : { next, deeds };
    },
  },
  'narrow-barrier': {
    mesh: true,
    what: 'locks only its datasets for a barrier, so that others work while everything is frozen',
    decide: narrowBarrier,
  },
  'endless-lease': {
    mesh: true,
    seed: 401,
    what: 'a node takes a lease that a heartbeat renewed for one that lasts an hour',
    hears: (word) => (word.type === 'renewed' ? { ...word, lastsMs: 3_600_000 } : word),
  },
  'unconfirmed-start': {
    seed: 1414,
    what: 'callers begin without asking whether the clearance still stands',
    confirms: false,
  },
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
  return beginning(blind, decision, command);
}

/** A mutation begins that should not. */
function beginning(mutation: Mutation, decision: Decision, command: Command): Decision {
  const { fence, namedAt } = decision.state.counters;
  const at = Math.max(command.at, namedAt + 1);
  const snapshots = mutation.datasets.flatMap(({ name: dataset, driver }) => {
    const name = snapshotName({ dataset, node: mutation.node, intent: mutation.intent, at });
    return name.ok ? [{ dataset, driver, name: name.value, guid: '' }] : [];
  });
  const stamp = { at: command.at, mono: command.mono };
  const event: Event = {
    ...stamp,
    type: 'snapshot_started',
    mutation: mutation.id,
    snapshots,
    namedAt: at,
    fence: fence + 1,
  };
  const next = evolve(decision.state, [event]);
  return { ...decision, events: [...decision.events, event], state: next };
}

/** Decides as if critical mutations were standard ones, as far as locks go: whoever waits behind one that it does not overlap begins. */
function narrowBarrier(state: State, command: Command, policy: Policy): Decision {
  const decision = decide(state, command, policy);
  const holders = [...decision.state.mutations.values()].filter(holdsLocks);
  if (!holders.some(({ mode }) => mode === 'critical')) return decision;
  const held = holders.map(({ datasets }) => datasets);
  const free = [...decision.state.mutations.values()].find(
    ({ stage, mode, datasets }) =>
      stage === 'queued' && mode === 'standard' && !held.some((others) => anyOverlapping(others, datasets)),
  );
  return free === undefined ? decision : beginning(free, decision, command);
}

function namesOf(mutation: Mutation): string[] {
  return mutation.datasets.map(({ name }) => name);
}
