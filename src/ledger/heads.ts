import type { KeyObject } from 'node:crypto';

import type { Head } from '../ports/ledger.ts';
import type { Break } from './chain.ts';
import { headVerifies } from './signing.ts';

/** What the ends of a ledger are checked by, without walking the chain. */
export interface Ends {
  /** The newest record there is. */
  readonly last: { readonly seq: number; readonly hash: string } | undefined;
  /** The signed head stored with the records. */
  readonly head: Head | undefined;
  /** Signed heads kept elsewhere: the saved head beside the database, one a person wrote down, one from an IRC log. */
  readonly witnesses: readonly { readonly head: Head; readonly from: string }[];
  readonly publicKey: KeyObject;
  /** Hash of the record at `seq`, undefined when there is none. */
  readonly hashAt: (seq: number) => string | undefined;
}

/**
 * Every way in which the records, the signed head and the witnesses contradict one another.
 *
 * A chain that holds together proves little: whoever can write the file can compute it anew. Only the controller can sign,
 * so the head stands for all before it; and a head that was signed once and kept elsewhere has to lie on the chain for ever.
 */
export function contradictions(ends: Ends): Break[] {
  return [...headContradictions(ends), ...ends.witnesses.flatMap((witness) => witnessContradictions(ends, witness))];
}

function headContradictions({ last, head, publicKey }: Ends): Break[] {
  if (last === undefined && head === undefined) return [];
  const lastSeq = last?.seq ?? 0;
  if (head === undefined) {
    return [{ seq: lastSeq, how: 'edited', problem: `The signed head that belongs to record ${lastSeq} is missing.` }];
  }
  if (head.seq > lastSeq) return [cutOff(lastSeq, head.seq, 'The signed head')];
  if (head.seq < lastSeq) {
    const problem = `Record ${head.seq + 1} was added by somebody else: the controller's signed head ends at ${head.seq}.`;
    return [{ seq: head.seq + 1, how: 'rewritten', problem }];
  }
  if (head.hash !== last?.hash) return [rewritten(head.seq, 'the signed head')];
  if (!headVerifies(head, publicKey)) {
    return [
      {
        seq: head.seq,
        how: 'rewritten',
        problem: `Record ${head.seq} ends the ledger without a signature by the controller's key.`,
      },
    ];
  }
  return [];
}

function witnessContradictions({ last, publicKey, hashAt }: Ends, { head, from }: Ends['witnesses'][number]): Break[] {
  if (!headVerifies(head, publicKey)) {
    return [
      {
        seq: head.seq,
        how: 'rewritten',
        problem: `${from} for record ${head.seq} is not signed by the controller's key.`,
      },
    ];
  }
  const lastSeq = last?.seq ?? 0;
  if (head.seq > lastSeq) return [cutOff(lastSeq, head.seq, from)];
  const hash = hashAt(head.seq);
  // A record that is not there is the chain's own finding, and says more.
  return hash === undefined || hash === head.hash ? [] : [rewritten(head.seq, from)];
}

function cutOff(lastSeq: number, signedSeq: number, from: string): Break {
  const lost = signedSeq === lastSeq + 1 ? `Record ${signedSeq} was` : `Records ${lastSeq + 1} to ${signedSeq} were`;
  const problem = `${lost} cut off: ${from} is at ${signedSeq}, and the ledger ends at ${lastSeq}.`;
  return { seq: lastSeq + 1, how: 'cut off', problem };
}

function rewritten(seq: number, from: string): Break {
  return {
    seq,
    how: 'rewritten',
    problem: `Record ${seq} is not the one the controller signed: ${from} has another hash for it.`,
  };
}
