import { hostname } from 'node:os';
import { parseDuration } from '../../base/duration.ts';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { intentRefusal, nodeRefusal } from '../../core/policy/policy.ts';
import type { MutationAsk } from '../../wire/http.ts';
import { absolute } from '../home.ts';

/** What guard and barrier have in common on the command line. */
export interface AskOptions {
  readonly intent?: string;
  readonly path?: readonly string[];
  readonly dataset?: readonly string[];
  readonly recursive?: boolean;
  readonly node?: string;
  readonly ttl?: string;
  readonly wait?: string;
  readonly onExpiry?: 'rollback' | 'quarantine';
  readonly critical?: boolean;
  readonly hold?: boolean;
  readonly allowMissing?: readonly string[];
  readonly flush?: string;
}

/**
 * The request for clearance that was meant.
 *
 * @param name as whom to ask when nobody says; undefined: the controller knows us
 * @param example a command line that is right, for people whose own is not
 * @throws RefusedError with a code of usage, before anything is asked of a controller
 */
export function askOf(options: AskOptions, name: string | undefined, example: string): MutationAsk {
  const { intent, path = [], ttl, wait, flush, onExpiry, critical, allowMissing } = options;
  if (intent === undefined)
    throw usage('There is no --intent.', `Say what you are about to change, and why. ${example}`);
  const datasets = [...path.map(absolute), ...(options.dataset ?? [])];
  // In critical mode the controller may know what is meant.
  if (datasets.length === 0 && !critical)
    throw usage('Nothing is named to be guarded.', `Name it with --path DIR or --dataset NAME. ${example}`);
  if (path.includes('')) throw usage('A --path is empty.', `Name a directory. ${example}`);
  const node = options.node ?? name;
  const refused = intentRefusal(intent) ?? (node === undefined ? undefined : nodeRefusal(node));
  if (refused !== undefined) throw new RefusedError(refused);
  for (const text of [ttl, wait, flush]) {
    const parsed = text === undefined ? undefined : parseDuration(text);
    if (parsed?.ok === false) throw new RefusedError(parsed.error);
  }
  const onlyCritical = Object.entries({ hold: options.hold, 'allow-missing': allowMissing, flush }).find(
    ([, value]) => value !== undefined && value !== false,
  );
  if (!critical && onlyCritical !== undefined)
    throw usage(`--${onlyCritical[0]} is for critical mode.`, 'Add --critical, or leave it out.');
  return {
    intent,
    datasets,
    ...(node === undefined ? {} : { node }),
    ...(options.recursive ? { recursive: true } : {}),
    ...(ttl === undefined ? {} : { ttl }),
    ...(wait === undefined ? {} : { wait }),
    ...(onExpiry === undefined ? {} : { onExpiry }),
    ...(critical ? { mode: 'critical' as const } : {}),
    ...(options.hold ? { hold: true } : {}),
    ...(allowMissing === undefined ? {} : { allowMissing: [...allowMissing] }),
    ...(flush === undefined ? {} : { flush }),
  };
}

export function usage(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('usage', message, hint));
}

/** This host as a node: its name, with what a node's name cannot hold left out. */
export function nodeName(): string {
  return (
    hostname()
      .replaceAll(/[^A-Za-z0-9_.-]/g, '')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 63) || 'localhost'
  );
}
