import type { Head } from '../../ports/ledger.ts';

/**
 * The line that makes a channel's log a witness: the head of the ledger, with the controller's signature. Who has the log of a channel
 * can prove later that nothing up to there was cut off or rewritten.
 */
export function headLine({ seq, hash, signature }: Head): string {
  return `head ${seq} ${hash} ${signature}`;
}

/**
 * Every announced head in a line of a log. Clients write times, nicks and colours round what was said, each in its own way; the head
 * itself is long enough to be known anywhere in a line.
 */
export function headsIn(line: string): Head[] {
  const found = line.matchAll(/\bhead (\d{1,15}) ([0-9a-f]{64}) ([A-Za-z0-9+/]{86}==)(?![A-Za-z0-9+/=])/g);
  return [...found].map(([, seq = '', hash = '', signature = '']) => ({ seq: Number(seq), hash, signature }));
}
