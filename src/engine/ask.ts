import type { Traceparent } from '../base/traceparent.ts';
import type { Dataset } from '../core/dataset.ts';
import type { Mode, MutationRequest, OnExpiry } from '../core/mutation/mutation.ts';

/** What a caller asks for, in a caller's terms. Durations in milliseconds. */
export interface Ask {
  readonly node?: string;
  readonly intent: string;
  /** Paths or dataset names; none in critical mode: those of the policy. */
  readonly datasets: readonly string[];
  readonly mode?: Mode;
  readonly ttlMs?: number;
  readonly waitMs?: number;
  readonly onExpiry?: OnExpiry;
  readonly attached?: boolean;
  /** With every dataset inside. */
  readonly recursive?: boolean;
  /** Critical mode: see MutationRequest. */
  readonly hold?: boolean;
  readonly allowMissing?: readonly string[];
  readonly flushMs?: number;
  /** Of a node's Shadow Writer: see MutationRequest. */
  readonly task?: string;
  /** See MutationRequest. */
  readonly traceparent?: Traceparent;
  readonly key?: string;
  readonly keyDigest?: string;
}

export const TTL_MS_DEFAULT = 10 * 60_000;
export const WAIT_MS_DEFAULT = 30_000;

/**
 * What was asked, with what goes without saying.
 *
 * @param asker who it is when nobody is named
 */
export function requestOf(ask: Ask, datasets: readonly Dataset[], asker: string): MutationRequest {
  const { key, keyDigest, allowMissing, flushMs, task, traceparent } = ask;
  return {
    node: ask.node ?? asker,
    intent: ask.intent,
    datasets,
    mode: ask.mode ?? 'standard',
    ttlMs: ask.ttlMs ?? TTL_MS_DEFAULT,
    waitMs: ask.waitMs ?? WAIT_MS_DEFAULT,
    onExpiry: ask.onExpiry ?? 'rollback',
    attached: ask.attached ?? false,
    ...(ask.recursive ? { recursive: true } : {}),
    ...(ask.hold ? { hold: true } : {}),
    ...(allowMissing === undefined ? {} : { allowMissing }),
    ...(flushMs === undefined ? {} : { flushMs }),
    ...(task === undefined ? {} : { task }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(key === undefined ? {} : { key }),
    ...(keyDigest === undefined ? {} : { keyDigest }),
  };
}
