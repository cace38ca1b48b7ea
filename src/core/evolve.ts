import type { Refusal } from '../base/refusal.ts';
import type { DatasetName } from './dataset.ts';
import type { Event } from './event.ts';
import { isFinal, type Mutation, type MutationId, type MutationRequest } from './mutation/mutation.ts';
import { count } from './node/pace.ts';
import { register } from './node/register.ts';
import { STUCK_MS } from './retention/retention.ts';
import type { Seal, State } from './state.ts';
import type { ApiToken } from './token/token.ts';

/**
 * Folds events into the state. Total and order-preserving: what the ledger holds is what happened, so nothing is refused here.
 * Final mutations stay in the result; `archive` takes them out once the ledger has them.
 */
export function evolve(state: State, events: readonly Event[]): State {
  if (events.length === 0) return state;
  // One copy for the batch, not one an event: replaying a long ledger would be quadratic otherwise.
  const mutations = new Map(state.mutations);
  // These change rarely, and stay the same object when they do not: the ledger writes only what changed.
  let { seals, condemned, stuck, findings, nodes, invitations, tokens, pace } = state;
  let { fence, at, namedAt } = state.counters;

  for (const event of events) {
    at = Math.max(at, event.at);
    switch (event.type) {
      case 'controller_started':
        fence = Math.max(fence, event.fenceFloor ?? 0);
        namedAt = Math.max(namedAt, event.namedFloor ?? 0);
        for (const mutation of mutations.values()) {
          // What has ended has no deadlines: it stays as the ledger keeps it.
          if (!isFinal(mutation)) mutations.set(mutation.id, rebased(mutation, event));
        }
        break;
      case 'reconciled':
        fence = Math.max(fence, event.fenceFloor ?? 0);
        findings = { unknown: event.unknown, missing: event.missing };
        break;
      case 'rebuilt':
        fence = Math.max(fence, event.fence);
        namedAt = Math.max(namedAt, event.clearedAt);
        mutations.set(event.mutation, restored(event));
        break;
      case 'halt_started':
        fence = Math.max(fence, event.fence);
        change(mutations, event.mutation, event);
        break;
      case 'snapshot_started':
        fence = Math.max(fence, event.fence);
        namedAt = Math.max(namedAt, event.namedAt);
        change(mutations, event.mutation, event);
        break;
      case 'seal_started':
        seals = withSeal(seals, event.dataset, {
          driver: event.driver,
          ...placeOf(event),
          wanted: event.sealed,
          settled: false,
          mayHold: mayHold(seals.get(event.dataset)),
        });
        break;
      case 'sealed':
        seals = withSeal(seals, event.dataset, {
          driver: event.driver,
          ...placeOf(seals.get(event.dataset)),
          wanted: true,
          settled: true,
          mayHold: true,
        });
        break;
      case 'unsealed':
        seals = withSeal(seals, event.dataset, undefined);
        break;
      case 'seal_refused':
        seals = withSeal(seals, event.dataset, refusedSeal(seals.get(event.dataset), event.reason));
        break;
      case 'destroy_started':
        condemned = own(condemned, state.condemned).set(event.target.name, event.target);
        break;
      case 'destroyed':
      case 'destroy_refused':
        condemned = withoutKey(own(condemned, state.condemned), event.target.name);
        stuck = stuckAfter(own(stuck, state.stuck), event);
        break;
      case 'node_invited':
      case 'node_uninvited':
      case 'node_joined':
      case 'node_rotated':
      case 'node_revoked': {
        const changedNodes = own(nodes, state.nodes);
        const changedInvitations = own(invitations, state.invitations);
        register(changedNodes, changedInvitations, event);
        [nodes, invitations] = [changedNodes, changedInvitations];
        break;
      }
      case 'token_issued':
        tokens = own(tokens, state.tokens).set(event.digest, tokenOf(event));
        break;
      case 'token_revoked':
        tokens = withoutKey(own(tokens, state.tokens), event.digest);
        break;
      case 'access_denied':
        break;
      case 'requested':
        pace = count(own(pace, state.pace), event.request.node, event.at, 1);
        change(mutations, event.mutation, event);
        break;
      case 'denied': {
        const node = mutations.get(event.mutation)?.node;
        if (event.reason.code === 'rate_limited' && node !== undefined) {
          pace = count(own(pace, state.pace), node, event.at, -1);
        }
        change(mutations, event.mutation, event);
        break;
      }
      default:
        change(mutations, event.mutation, event);
    }
  }
  const counters = { fence, at, namedAt };
  return { mutations, counters, seals, condemned, stuck, findings, nodes, invitations, tokens, pace };
}

/** A copy to be changed, made once for the batch: thousands of things go at a time. */
function own<K, V>(now: ReadonlyMap<K, V>, before: ReadonlyMap<K, V>): Map<K, V> {
  return now === before ? new Map(before) : (now as Map<K, V>);
}

function withoutKey<K, V>(map: Map<K, V>, key: K): Map<K, V> {
  map.delete(key);
  return map;
}

/** The state without its final mutations: what the engine keeps in memory. */
export function archive(state: State): State {
  if (![...state.mutations.values()].some(isFinal)) return state;
  return { ...state, mutations: new Map([...state.mutations].filter(([, mutation]) => !isFinal(mutation))) };
}

type MutationEvent = Exclude<Extract<Event, { mutation: MutationId }>, { type: 'rebuilt' }>;

function change(mutations: Map<MutationId, Mutation>, id: MutationId, event: MutationEvent): void {
  if (event.type === 'requested') {
    mutations.set(id, begun(id, event.request, event.at, event.mono));
    return;
  }
  const mutation = mutations.get(id);
  // A pin on a mutation archived long ago: whoever replays without the ledger's history has nothing to change.
  if (mutation !== undefined) mutations.set(id, changed(mutation, event));
}

function begun(id: MutationId, request: MutationRequest, at: number, mono: number): Mutation {
  return {
    ...request,
    id,
    stage: 'queued',
    requestedAt: at,
    waitUntilMono: mono + request.waitMs,
    snapshots: [],
    attempt: 0,
    evidence: [],
    pinned: false,
  };
}

function restored({ mutation: id, request, ...event }: Extract<Event, { type: 'rebuilt' }>): Mutation {
  const { stage, snapshots, fence, clearedAt, evidence, attempt, reason } = event;
  const about = {
    id,
    stage,
    snapshots,
    fence,
    clearedAt,
    evidence,
    attempt,
    ...(reason === undefined ? {} : { reason }),
  };
  return { ...request, ...about, requestedAt: clearedAt, waitUntilMono: event.mono, pinned: false, rebuilt: true };
}

function changed(mutation: Mutation, event: MutationEvent): Mutation {
  switch (event.type) {
    case 'requested':
      return mutation;
    case 'halt_started':
      return { ...mutation, stage: 'halting', fence: event.fence, participants: event.nodes };
    case 'flushed':
      return mutation;
    case 'master_taken':
      return { ...mutation, stage: 'verifying', snapshots: event.snapshots };
    case 'snapshot_started':
      return { ...mutation, stage: 'snapshotting', snapshots: event.snapshots, fence: event.fence };
    case 'withdraw_started':
      return { ...mutation, stage: 'withdrawing', reason: event.reason };
    case 'denied':
    case 'cancelled':
      return { ...mutation, stage: event.type, reason: event.reason, endedAt: event.at };
    case 'cleared':
      return {
        ...mutation,
        stage: 'cleared',
        snapshots: event.snapshots,
        clearedAt: event.at,
        expiresAt: event.expiresAt,
        expiresMono: event.mono + (event.expiresAt - event.at),
      };
    case 'renewed':
      return { ...mutation, expiresAt: event.expiresAt, expiresMono: event.mono + (event.expiresAt - event.at) };
    case 'holder_lost':
      return { ...mutation, holderLostUntilMono: event.mono + event.untilMs };
    case 'holder_back':
      return without(mutation, 'holderLostUntilMono');
    case 'commit_started':
      return { ...mutation, stage: 'committing' };
    case 'committed':
      return { ...mutation, stage: 'committed', reason: undefined, endedAt: event.at };
    case 'rollback_started':
      return { ...without(mutation, 'endedAt'), stage: 'rolling_back', attempt: event.attempt, reason: event.reason };
    case 'rolled_back':
      return {
        ...mutation,
        stage: 'rolled_back',
        evidence: [...mutation.evidence, ...event.evidence],
        endedAt: event.at,
      };
    case 'quarantined':
      return { ...mutation, stage: 'quarantined', reason: event.reason };
    case 'holder_stopped':
      return { ...mutation, holderStopped: true };
    case 'pinned':
      return { ...mutation, pinned: event.pinned };
  }
}

/**
 * Deadlines in terms of the new controller's monotonic clock. Only the wall clock could tell what is left of a lease, and it may have
 * been set while nobody looked: its holder, who counts by a clock of its own, would work on after the end. So it begins anew.
 */
function rebased(mutation: Mutation, { at, mono, leases }: Extract<Event, { type: 'controller_started' }>): Mutation {
  const told = Math.min(Math.max((mutation.expiresAt ?? at) - at, 0), mutation.ttlMs);
  const leftMs = leases === 'whole' ? mutation.ttlMs : told;
  return {
    ...without(mutation, 'holderLostUntilMono'),
    waitUntilMono: mono,
    ...(mutation.expiresAt === undefined ? {} : { expiresAt: at + leftMs, expiresMono: mono + leftMs }),
  };
}

function tokenOf(event: Extract<Event, { type: 'token_issued' }>): ApiToken {
  const { name, digest, scopes, at, expiresAt } = event;
  return { name, digest, scopes, issuedAt: at, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** A try that is followed by another never had a final answer. */
function mayHold(seal: Seal | undefined): boolean {
  return seal !== undefined && (seal.mayHold || !seal.settled);
}

/** What could not be sealed is not sealed. What could not be opened is to be sealed again: an earlier try may have opened it. */
function refusedSeal(seal: Seal | undefined, reason: Refusal): Seal | undefined {
  return seal === undefined || seal.wanted ? undefined : { ...seal, wanted: true, settled: false, reason };
}

function placeOf(of: { readonly place?: string } | undefined): { readonly place?: string } {
  return of?.place === undefined ? {} : { place: of.place };
}

function withSeal(seals: State['seals'], dataset: DatasetName, seal: Seal | undefined): State['seals'] {
  const others = [...seals].filter(([name]) => name !== dataset);
  return new Map(seal === undefined ? others : [...others, [dataset, seal]]);
}

function stuckAfter(
  stuck: Map<string, number>,
  { type, target, at }: Extract<Event, { type: 'destroyed' | 'destroy_refused' }>,
): Map<string, number> {
  stuck.delete(target.name);
  if (type === 'destroyed') return stuck;
  // The oldest come first, so this looks at none that stays.
  for (const [name, since] of stuck) {
    if (at - since < STUCK_MS) break;
    stuck.delete(name);
  }
  return stuck.set(target.name, at);
}

function without<K extends keyof Mutation>(mutation: Mutation, member: K): Omit<Mutation, K> {
  const { [member]: _, ...rest } = mutation;
  return rest;
}
