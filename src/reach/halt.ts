import { finished, Readable } from 'node:stream';

import { formatDuration } from '../base/duration.ts';
import { refusal, type Refusal } from '../base/refusal.ts';
import type { Command, Ended } from '../ports/reach.ts';

/** Why and when a command is to end before its time. */
export interface Halt {
  /** Aborted with the reason, as words that end a sentence: `its time of 5.0 s is up`. */
  readonly signal: AbortSignal;
  /** For one more reason. */
  readonly because: (reason: string) => void;
  readonly forget: () => void;
}

/** What the caller's signal and time limit come to, and an input that breaks off: what was read of it is not all there was. */
export function haltOf({ signal, timeoutMs, stdin }: Command): Halt {
  const controller = new AbortController();
  const because = (reason: string): void => controller.abort(reason);
  const asked = (): void => because('its caller asked for it');
  if (signal?.aborted === true) asked();
  signal?.addEventListener('abort', asked);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => because(`its time of ${formatDuration(timeoutMs)} is up`), timeoutMs);
  const broken = (error: unknown): void => {
    if (error !== undefined && error !== null) because('its input broke off');
  };
  const unwatch = stdin instanceof Readable ? finished(stdin, { writable: false }, broken) : undefined;
  return {
    signal: controller.signal,
    because,
    forget: () => {
      unwatch?.();
      clearTimeout(timer);
      signal?.removeEventListener('abort', asked);
    },
  };
}

/** Resolves when it is to end; never without a reason. */
export function halted(halt: Halt): Promise<'halted'> {
  return new Promise((resolve) => {
    if (halt.signal.aborted) resolve('halted');
    halt.signal.addEventListener('abort', () => resolve('halted'), { once: true });
  });
}

/** It was ended, and all its processes are gone. @param ended how the command itself took it, where that is known */
export function stopped(context: string, { signal }: Halt, ended: Ended | undefined): Refusal {
  const evidence = ended === undefined ? undefined : { ...ended };
  return refusal(
    'command_stopped',
    `The command on ${context} was ended: ${String(signal.reason)}.`,
    undefined,
    evidence,
  );
}

export function neverBegun(context: string, { signal }: Halt): Refusal {
  const message = `The command on ${context} was not begun: ${String(signal.reason)}.`;
  return refusal('command_stopped', message, 'Nothing was executed.');
}

/** It was to end, and did not. */
export function unstopped(context: string, { signal }: Halt, why: Refusal): Refusal {
  return refusal(
    'holder_unstoppable',
    `The command on ${context} was to end (${String(signal.reason)}) and may still run: ${why.message}`,
    'Look for its processes there before anything is done to what it works on.',
    why.evidence,
  );
}
