import { formatDuration } from '../../base/duration.ts';
import type { Refusal } from '../../base/refusal.ts';
import { Lease } from '../../node/lease.ts';
import type { BarrierView, LockList, MutationAsk } from '../../wire/http.ts';
import { systemClock } from '../clock.ts';
import type { Connection } from '../connect.ts';
import { type Progress, progress } from '../live/progress.ts';
import { oneLine } from '../output.ts';

/** After so long without clearance people are told whom they wait for. */
const PATIENCE_MS = 1_000;
/** How often is looked at what is waited for. */
const LOOK_MS = 250;
const NAMES_MAX = 5;

/** A signal ended the wait; nothing was executed. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;
  readonly code: number;

  constructor(signal: NodeJS.Signals, code: number) {
    super(signal);
    this.signal = signal;
    this.code = code;
  }
}

/** Signals that ask for an end, and the exit code of a command they end. */
export const ENDING: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/**
 * Waits for clearance, and tells people what it waits for. A signal meanwhile ends the wait, and the controller drops the request
 * with the connection.
 *
 * @param watched whether anybody is to see it on a terminal
 * @throws RefusedError when it is denied, Interrupted when a signal came first
 */
export async function clearance(
  ask: MutationAsk,
  connection: Connection,
  talk: (text: string) => void,
  watched: boolean,
): Promise<Lease> {
  const { client, ensure } = connection;
  const aborted = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    for (const [signal, code] of Object.entries(ENDING)) {
      const on = (): void => reject(new Interrupted(signal as NodeJS.Signals, code));
      process.once(signal, on);
      aborted.signal.addEventListener('abort', () => process.off(signal, on));
    }
  });
  const waiting = progress(talk, watched);
  const patience = setTimeout(() => void tellWhomFor(ask, connection, waiting, aborted.signal), PATIENCE_MS);
  if (ask.mode === 'critical') void tellOfBarrier(ask, connection, waiting, aborted.signal);
  try {
    const options = {
      client,
      ensure,
      clock: systemClock,
      waiting: ({ message, hint }: Refusal, msMax: number) =>
        talk(`waiting for the controller, ${formatDuration(msMax)} at most: ${oneLine(`${message} ${hint}`.trim())}`),
    };
    return await Promise.race([Lease.acquire(ask, options), interrupted]);
  } finally {
    clearTimeout(patience);
    aborted.abort();
    waiting.end();
  }
}

/** Whom it waits for, and the next one when that has ended. */
async function tellWhomFor(
  ask: MutationAsk,
  { client }: Connection,
  { tell }: Progress,
  over: AbortSignal,
): Promise<void> {
  await again(over, async () => {
    const words = await client.locks().then(
      ({ locks }) => whomFor(ask, locks),
      () => 'starting a controller',
    );
    if (words !== undefined && !over.aborted) tell(words, `${words} …`);
  });
}

async function again(over: AbortSignal, look: () => Promise<void>): Promise<void> {
  while (!over.aborted) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function whomFor(ask: MutationAsk, locks: LockList['locks']): string | undefined {
  const mine = locks.findLast(
    (lock) => lock.stage === 'queued' && lock.intent === ask.intent && lock.node === (ask.node ?? lock.node),
  );
  const [first] = mine?.blockedBy ?? [];
  const holder = locks.find((lock) => lock.mutation === first);
  if (holder !== undefined)
    return `waiting for ${holder.node}, which works on "${oneLine(holder.intent)}" (mutation ${holder.mutation})`;
  return ask.mode === 'critical' ? undefined : 'waiting for the snapshot';
}

/** Each step of the barrier as it comes: how many have flushed, who is awaited, for how long. */
async function tellOfBarrier(
  ask: MutationAsk,
  { client }: Connection,
  { tell }: Progress,
  over: AbortSignal,
): Promise<void> {
  await again(over, async () => {
    const { barriers } = await client.barriers().catch(() => ({ barriers: [] }));
    const mine = barriers.find(({ intent }) => intent === ask.intent);
    if (mine !== undefined && !over.aborted) tell(...describeBarrier(mine));
  });
}

/** @returns what is the case, and the words for it with the time it has taken */
function describeBarrier(barrier: BarrierView): readonly [what: string, words: string] {
  const { epoch, phase, answered, awaited, broken, forMs } = barrier;
  const all = answered.length + awaited.length + broken.length;
  const shown = awaited.slice(0, NAMES_MAX).join(', ');
  const names = awaited.length > NAMES_MAX ? `${shown} and ${awaited.length - NAMES_MAX} more` : shown;
  const what = {
    flushing: `HALT AND FLUSH, barrier ${epoch}: ${answered.length} of ${all} flushed${names === '' ? '' : `, waiting for ${names}`}`,
    frozen: `all ${all} halted; taking the master snapshot`,
    proving: `snapshot taken; asking whether all are still halted${names === '' ? '' : `, waiting for ${names}`}`,
    resuming: `snapshot taken; RESUME${names === '' ? '' : `, waiting for ${names}`}`,
  }[phase];
  return [what, `${what} (${formatDuration(forMs)})`];
}
