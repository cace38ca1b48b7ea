import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok } from '../base/result.ts';
import { haltAnswered, holdBroke, verifyAnswered } from './barrier/barrier.ts';
import type { Closing, Command } from './command.ts';
import type { Event, EventBody } from './event.ts';
import { evolve } from './evolve.ts';
import { reconcile } from './findings/reconciling.ts';
import { attach, fallDue, holderGone, holderStopped, renew } from './lease/holder.ts';
import { dueAt } from './lease/lease.ts';
import { admissions, request, snapshotAnswered, withdrawAnswered } from './mutation/admit.ts';
import type { Mutation, MutationId } from './mutation/mutation.ts';
import { commit, commitAnswered, resolve, rollback, rollbackAnswered } from './mutation/outcome.ts';
import { invite, join, revoke, rotate } from './node/enrolling.ts';
import type { Policy } from './policy/policy.ts';
import { recover } from './recovery.ts';
import { destroy, destroyAnswered, pin, prune } from './retention/pruning.ts';
import { closeLeftOpen, seal, sealAnswered } from './seal/sealing.ts';
import type { State } from './state.ts';
import { issueToken, revokeToken } from './token/issuing.ts';
import type { Verdict } from './verdict.ts';

/** What follows from a command: the facts to record, and the state they lead to. A refused command leaves no facts of its own. */
export interface Decision {
  readonly events: readonly Event[];
  readonly state: State;
  readonly refused?: Refusal;
}

/**
 * The one place where hauki decides. Pure: the same state, command and policy give the same answer, in production, in a table
 * of a test and in the simulator.
 *
 * A mutation that the command is about and that is final must be put into `state.mutations` by the caller first.
 */
export function decide(state: State, command: Command, policy: Policy): Decision {
  const verdict = judge(state, command, policy);
  const stamp = (body: EventBody): Event => ({ at: command.at, mono: command.mono, ...body });
  const events = verdict.ok ? verdict.value.map(stamp) : [];
  let next = evolve(state, events);

  // Whatever a command changed may have made room for others, and making room may go on.
  for (;;) {
    const more = admissions(next, command, policy).map(stamp);
    if (more.length === 0) break;
    events.push(...more);
    next = evolve(next, more);
  }
  const told = events.map((event) => traced(event, next));
  return verdict.ok ? { events: told, state: next } : { events: told, state: next, refused: verdict.error };
}

function traced(event: Event, { mutations }: State): Event {
  const traceparent = 'mutation' in event ? mutations.get(event.mutation)?.traceparent : undefined;
  return traceparent === undefined ? event : { ...event, traceparent };
}

/** The monotonic time at which the engine must send a `tick`; undefined: nothing falls due by itself. */
export function nextDue(state: State, policy: Policy): number | undefined {
  let next: number | undefined;
  for (const mutation of state.mutations.values()) {
    const due = dueAt(mutation, policy.graceMs);
    if (due !== undefined && due !== Infinity && (next === undefined || due < next)) next = due;
  }
  return next;
}

function judge(state: State, command: Command, policy: Policy): Verdict {
  switch (command.type) {
    case 'start':
      return ok(recover(state, command, policy));
    case 'reconcile':
      return ok(reconcile(state, command));
    case 'tick':
      return ok([...state.mutations.values()].flatMap((mutation) => fallDue(state, mutation, command, policy)));
    case 'request':
      return request(state, command, policy);
    case 'renew':
      return withMutation(state, command.mutation, (mutation) => renew(mutation, command));
    case 'attach':
      return withMutation(state, command.mutation, (mutation) => attach(mutation, command));
    case 'holder_gone':
      return withMutation(state, command.mutation, (mutation) => ok(holderGone(mutation)));
    case 'commit':
      return withMutation(state, command.mutation, (mutation) => commit(state, mutation, command.fence));
    case 'rollback':
      return withMutation(state, command.mutation, (mutation) => rollback(state, mutation, command));
    case 'resolve':
      return withMutation(state, command.mutation, (mutation) => resolve(mutation, command));
    case 'pin':
      return withMutation(state, command.mutation, (mutation) => pin(state, mutation, command));
    case 'seal':
      return seal(state, command);
    case 'prune':
      return ok(prune(state, command, policy));
    case 'destroy':
      return destroy(state, command);
    case 'invite':
      return invite(state, command);
    case 'join':
      return join(state, command);
    case 'rotate':
      return rotate(state, command);
    case 'revoke':
      return revoke(state, command);
    case 'issue_token':
      return issueToken(state, command);
    case 'revoke_token':
      return revokeToken(state, command);
    case 'report_denial':
      return ok([accessDenied(command)]);
    case 'halt_answered':
      return ok(inStage(state, command.mutation, 'halting', (mutation) => haltAnswered(state, mutation, command)));
    case 'verify_answered':
      return ok(inStage(state, command.mutation, 'verifying', (mutation) => verifyAnswered(mutation, command)));
    case 'hold_broke':
      return ok(holdBroke(state, command));
    case 'snapshot_answered':
      return ok(inStage(state, command.mutation, 'snapshotting', (mutation) => snapshotAnswered(mutation, command)));
    case 'withdraw_answered':
      return ok(
        ending(
          state,
          command,
          inStage(state, command.mutation, 'withdrawing', (mutation) => withdrawAnswered(mutation, command.answer)),
        ),
      );
    case 'commit_answered':
      return ok(
        ending(
          state,
          command,
          inStage(state, command.mutation, 'committing', (mutation) => commitAnswered(mutation, command.answer)),
        ),
      );
    case 'stop_answered':
      return ok(inStage(state, command.mutation, 'quarantined', (mutation) => holderStopped(mutation, command.answer)));
    case 'rollback_answered':
      return ok(ending(state, command, rollbackAnswered(state, command)));
    case 'seal_answered':
      return ok(sealAnswered(state, command));
    case 'destroy_answered':
      return ok(destroyAnswered(command));
  }
}

const ENDS: ReadonlySet<EventBody['type']> = new Set(['committed', 'rolled_back', 'denied', 'cancelled']);

/** A mutation that ends leaves no seal open that nobody needs open any more. */
function ending(
  state: State,
  { mutation: id, closed }: { readonly mutation: MutationId } & Closing,
  events: readonly EventBody[],
): EventBody[] {
  const mutation = state.mutations.get(id);
  if (mutation === undefined || closed === undefined || !events.some(({ type }) => ENDS.has(type))) return [...events];
  return [...events, ...closeLeftOpen(state, mutation, closed)];
}

function accessDenied(command: Extract<Command, { type: 'report_denial' }>): EventBody {
  const { peer, as, what, code, message, times } = command;
  return { type: 'access_denied', peer, ...(as === undefined ? {} : { as }), what, code, message, times };
}

function withMutation(state: State, id: MutationId, judgeOne: (mutation: Mutation) => Verdict): Verdict {
  const mutation = state.mutations.get(id);
  return mutation === undefined ? err(refusal('mutation_unknown', `There is no mutation ${id}.`)) : judgeOne(mutation);
}

/** Answers that come late, or twice, find the mutation elsewhere and change nothing. */
function inStage(
  state: State,
  id: MutationId,
  stage: Mutation['stage'],
  events: (mutation: Mutation) => EventBody[],
): EventBody[] {
  const mutation = state.mutations.get(id);
  return mutation?.stage === stage ? events(mutation) : [];
}
