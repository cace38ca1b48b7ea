import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { type DriverName, overlapping } from '../dataset.ts';
import type { MutationRequest } from '../mutation/mutation.ts';
import { DEFAULT_RETENTION, type RetentionPolicy } from '../retention/retention.ts';
import { forbiddenBy, type NodePolicy, ttlMsMaxOf } from './rules.ts';

/** The rules of one controller. All durations in milliseconds. */
export interface Policy {
  readonly ttlMsMin: number;
  readonly ttlMsMax: number;
  readonly waitMsMax: number;
  /** How long after a lease's end the controller waits before it acts: the holder stops first, on its own clock. */
  readonly graceMs: number;
  /** How long a holder may take to come back after the controller was restarted. */
  readonly reattachMs: number;
  /** Mutations that may be open at once; more are refused. */
  readonly openMax: number;
  readonly datasetsMax: number;
  /** Paths or names that a critical mutation freezes which names none itself. */
  readonly criticalDatasets: readonly string[];
  readonly retention: RetentionPolicy;
  /** What a node may do; a node that is not named may do everything. */
  readonly nodes: Readonly<Record<string, NodePolicy>>;
}

export const DEFAULT_POLICY: Policy = {
  ttlMsMin: 1_000,
  ttlMsMax: 24 * 3_600_000,
  waitMsMax: 3_600_000,
  graceMs: 2_000,
  reattachMs: 10_000,
  openMax: 4_096,
  datasetsMax: 64,
  criticalDatasets: [],
  retention: DEFAULT_RETENTION,
  nodes: {},
};

/** Backends that cannot freeze a dataset together with those inside it. */
const FLAT: ReadonlySet<DriverName> = new Set<DriverName>(['directory', 'btrfs']);

const INTENT_CHARACTERS_MAX = 512;
const NODE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/**
 * What a request itself makes impossible, or the policy forbids; undefined when nothing does.
 *
 * @param rules what its node got when it joined; what the controller's configuration says of it holds as well
 * @param askedLately how often the node asked in the last minute
 */
export function refusalOf(
  request: MutationRequest,
  policy: Policy,
  rules: readonly NodePolicy[] = [],
  askedLately = 0,
): Refusal | undefined {
  const configured = policy.nodes[request.node];
  const all = configured === undefined ? rules : [...rules, configured];
  return (
    intentRefusal(request.intent) ??
    nodeRefusal(request.node) ??
    datasetsRefusal(request, policy) ??
    forbiddenBy(all, request, askedLately) ??
    durationRefusal(request, policy, ttlMsMaxOf(all))
  );
}

/** @returns why the words cannot stand as an intent: empty, over 512 characters, or with a NUL, which no environment can carry */
export function intentRefusal(intent: string): Refusal | undefined {
  if (intent.trim() === '') return refusal('intent_invalid', 'The intent is empty.');
  const characters = [...intent].length;
  if (characters > INTENT_CHARACTERS_MAX) {
    return refusal('intent_invalid', `The intent has ${characters} characters; ${INTENT_CHARACTERS_MAX} are allowed.`);
  }
  if (intent.includes('\0')) return refusal('intent_invalid', 'The intent contains a NUL character.');
  if (/\p{Surrogate}/u.test(intent)) return refusal('intent_invalid', 'The intent is not well-formed Unicode.');
  return undefined;
}

export function nodeRefusal(node: string): Refusal | undefined {
  return NODE.test(node) ? undefined : refusal('node_invalid', `"${node}" cannot be the name of a node.`);
}

function datasetsRefusal(request: MutationRequest, policy: Policy): Refusal | undefined {
  const { datasets } = request;
  if (datasets.length === 0) {
    const hint = 'Name one, or set "critical: { datasets: […] }" in the config.yaml of the controller.';
    return refusal('datasets_invalid', 'No dataset is named.', request.mode === 'critical' ? hint : undefined);
  }
  if (datasets.length > policy.datasetsMax) {
    return refusal('datasets_invalid', `${datasets.length} datasets are named; ${policy.datasetsMax} are allowed.`);
  }
  for (const [index, dataset] of datasets.entries()) {
    const other = datasets.slice(index + 1).find((candidate) => overlapping(dataset, candidate));
    if (other !== undefined) {
      return refusal(
        'datasets_invalid',
        dataset.name === other.name
          ? `${dataset.name} is named twice.`
          : `${dataset.name} and ${other.name} lie one inside the other.`,
      );
    }
  }
  const flat = request.recursive && datasets.find(({ driver }) => FLAT.has(driver));
  if (flat) {
    return refusal(
      'dataset_unsupported',
      `${flat.name} is a ${flat.driver === 'btrfs' ? 'btrfs subvolume' : 'directory'}: what lies inside has no snapshots that could be taken with it at one moment.`,
      'Ask without --recursive, or keep the state on ZFS.',
    );
  }
  return undefined;
}

function durationRefusal(request: MutationRequest, policy: Policy, ttlMsMaxOfNode: number): Refusal | undefined {
  const ttlMsMax = Math.min(policy.ttlMsMax, ttlMsMaxOfNode);
  if (!(request.ttlMs >= policy.ttlMsMin && request.ttlMs <= ttlMsMax)) {
    return refusal(
      'duration_invalid',
      `A ttl of ${formatDuration(request.ttlMs)} is out of range.`,
      `Ask for ${formatDuration(policy.ttlMsMin)} to ${formatDuration(ttlMsMax)}; hauki guard renews the lease by itself.`,
    );
  }
  if (!(request.waitMs >= 0 && request.waitMs <= policy.waitMsMax)) {
    return refusal(
      'duration_invalid',
      `A wait of ${formatDuration(request.waitMs)} is out of range: at most ${formatDuration(policy.waitMsMax)}.`,
    );
  }
  return undefined;
}
