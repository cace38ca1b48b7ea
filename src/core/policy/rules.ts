import { refusal, type Refusal } from '../../base/refusal.ts';
import { within } from '../dataset.ts';
import type { Mode, MutationRequest } from '../mutation/mutation.ts';

/** What one node may do; what is not there is not restricted. A node can be under several: then all of them hold. */
export interface NodePolicy {
  /** Datasets it may guard, and everything inside them. */
  readonly datasets?: readonly string[];
  readonly modes?: readonly Mode[];
  readonly ttlMsMax?: number;
  /** Mutations it may ask for in a minute. */
  readonly rate?: number;
}

/**
 * Why the rules of its node forbid a request; undefined when none does. The ttl is not looked at here: see ttlMsMaxOf.
 *
 * @param askedLately how often the node asked in the last minute, see pace.ts
 */
export function forbiddenBy(
  rules: readonly NodePolicy[],
  request: MutationRequest,
  askedLately: number,
): Refusal | undefined {
  for (const { datasets, modes, rate } of rules) {
    const outside = datasets && request.datasets.find((one) => !datasets.some((root) => within({ name: root }, one)));
    if (outside !== undefined) {
      return refusal('policy_denied', `Node ${request.node} may not change ${outside.name}.`);
    }
    if (modes !== undefined && !modes.includes(request.mode)) {
      return refusal('policy_denied', `Node ${request.node} may not ask for ${request.mode} mode.`);
    }
    if (rate !== undefined && askedLately + 1 > rate) {
      return refusal(
        'rate_limited',
        `Node ${request.node} asked for ${Math.ceil(askedLately)} mutations in the last minute; it may ask for ${rate}.`,
      );
    }
  }
  return undefined;
}

/** The longest lease that the rules leave, ms. */
export function ttlMsMaxOf(rules: readonly NodePolicy[]): number {
  return Math.min(Infinity, ...rules.map(({ ttlMsMax }) => ttlMsMax ?? Infinity));
}
