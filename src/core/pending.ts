import type { Code } from '../base/codes.ts';
import type { Dataset } from './dataset.ts';
import type { Target } from './event.ts';
import type { Mutation } from './mutation/mutation.ts';
import { sealedDataset, sealsNeededOpen, sealsOver, sealsToClose } from './seal/seal.ts';
import type { State } from './state.ts';

/**
 * Work on the outside world that the state calls for. It is never stored: a stage in the ledger *is* the intention, so what a crash
 * interrupted is simply still pending afterwards, and a final answer is what moves the stage on.
 */
export type Effect = { readonly subject: string; readonly claims: readonly string[] } & Deed;

type Deed =
  | { readonly kind: 'snapshot'; readonly mutation: Mutation; readonly lift: readonly Dataset[] }
  | { readonly kind: 'halt'; readonly mutation: Mutation }
  | { readonly kind: 'verify'; readonly mutation: Mutation }
  | { readonly kind: 'withdraw'; readonly mutation: Mutation; readonly close: readonly Dataset[] }
  /** `stop`: a person decides over the head of a holder who may still be at work. */
  | { readonly kind: 'commit'; readonly mutation: Mutation; readonly close: readonly Dataset[]; readonly stop: boolean }
  | {
      readonly kind: 'rollback';
      readonly mutation: Mutation;
      readonly lift: readonly Dataset[];
      readonly close: readonly Dataset[];
    }
  /** Whoever lost the clearance, and left the state for a person to judge, must not go on changing it. */
  | { readonly kind: 'stop'; readonly mutation: Mutation }
  | { readonly kind: 'seal'; readonly dataset: Dataset; readonly sealed: boolean }
  | { readonly kind: 'destroy'; readonly target: Target };

/**
 * Everything that waits to be done, oldest mutation first. Two effects that claim the same thing must not run at the same time: the
 * same mutation, or a seal that one would lift while the other closes it.
 */
export function pending(state: State): Effect[] {
  const effects: Effect[] = [];
  for (const mutation of state.mutations.values()) {
    const effect = effectOf(state, mutation);
    if (effect !== undefined) effects.push(effect);
  }
  const unsettled = [...state.seals].filter(([, seal]) => !seal.settled);
  const open = unsettled.length === 0 ? new Set() : sealsNeededOpen(state, state.mutations.values());
  for (const unsettledSeal of unsettled) {
    const dataset = sealedDataset(unsettledSeal);
    const [name, { wanted: sealed }] = unsettledSeal;
    // Whoever holds the locks beneath closes the seal when it ends.
    if (sealed && open.has(name)) continue;
    effects.push({ ...claiming(sealSubject(dataset), []), kind: 'seal', dataset, sealed });
  }
  const carrying = new Set([...state.condemned.values()].flatMap(({ restsOn }) => restsOn ?? []));
  for (const target of state.condemned.values()) {
    // Not before the evidence that rests on it has gone, or has been refused to.
    if (carrying.has(target.name)) continue;
    effects.push({ ...claiming(`destroy ${target.name}`, []), kind: 'destroy', target });
  }
  return effects;
}

function claiming(subject: string, seals: readonly Dataset[]): Pick<Effect, 'subject' | 'claims'> {
  return { subject, claims: [subject, ...seals.map(sealSubject)] };
}

function sealSubject({ name }: Dataset): string {
  return `seal ${name}`;
}

/** Why a mutation is quarantined whose holder may still be at work, without a clearance. */
const ABANDONED: ReadonlySet<Code | undefined> = new Set<Code>([
  'lease_expired',
  'holder_gone',
  'outcome_unknown',
  'barrier_broken',
  'node_revoked',
  'token_revoked',
]);

function effectOf(state: State, mutation: Mutation): Effect | undefined {
  const { id } = mutation;
  switch (mutation.stage) {
    case 'halting':
      return { ...claiming(id, []), kind: 'halt', mutation };
    case 'verifying':
      return { ...claiming(id, []), kind: 'verify', mutation };
    case 'snapshotting': {
      const lift = sealsOver(state, mutation);
      return { ...claiming(id, lift), kind: 'snapshot', mutation, lift };
    }
    case 'withdrawing': {
      const close = sealsToClose(state, mutation);
      return { ...claiming(id, close), kind: 'withdraw', mutation, close };
    }
    case 'committing': {
      const close = sealsToClose(state, mutation);
      // Only a mutation that was quarantined has a reason for being what it is.
      return { ...claiming(id, close), kind: 'commit', mutation, close, stop: mutation.reason !== undefined };
    }
    case 'rolling_back': {
      const lift = sealsOver(state, mutation);
      return { ...claiming(id, lift), kind: 'rollback', mutation, lift, close: sealsToClose(state, mutation) };
    }
    case 'quarantined': {
      const abandoned = ABANDONED.has(mutation.reason?.code);
      return abandoned && !mutation.holderStopped ? { ...claiming(id, []), kind: 'stop', mutation } : undefined;
    }
    default:
      return undefined;
  }
}
