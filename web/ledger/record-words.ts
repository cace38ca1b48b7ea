import type { Event as CoreEvent } from '../../src/core/event.ts';

/** What a record of the ledger says, in a few words for people. */

type Event = Readonly<Record<string, unknown>>;
const WORDS: Readonly<Record<CoreEvent['type'], (event: Event) => string>> = {
  controller_started: (event) => `Controller ${text(event['version'])} started on ${text(event['node'])}`,
  reconciled: () => 'Ledger and storage compared',
  rebuilt: () => 'Restored from what the storage told',
  requested: (event) => {
    const { intent, node } = (event['request'] ?? {}) as { readonly intent?: unknown; readonly node?: unknown };
    return `${text(node)} asks for clearance: ${text(intent)}`;
  },
  denied: (event) => `Denied: ${reason(event)}`,
  cancelled: (event) => `Cancelled: ${reason(event)}`,
  halt_started: (event) => `HALT AND FLUSH to ${names(event['nodes'])}`,
  flushed: () => 'Every node has flushed and is halted',
  snapshot_started: () => 'Locks taken, freezing',
  master_taken: () => 'Master snapshot taken',
  withdraw_started: (event) => `Withdrawn: ${reason(event)}`,
  cleared: () => 'Frozen and cleared',
  renewed: () => 'Lease renewed',
  holder_lost: () => "The holder's connection is gone",
  holder_back: () => 'The holder is back',
  commit_started: (event) => `Commit asked for by ${actor(event)}`,
  committed: () => 'Committed',
  rollback_started: (event) => {
    const why = event['reason'] === undefined ? '' : `: ${reason(event)}`;
    return `Rollback begun by ${actor(event)}${why}`;
  },
  rolled_back: () => 'Rolled back, the failed state is kept',
  quarantined: (event) => `Quarantined: ${reason(event)}`,
  holder_stopped: () => "The holder's processes have ended",
  pinned: (event) => (event['pinned'] === true ? 'Pinned' : 'Unpinned') + by(event),
  seal_started: (event) => `${event['sealed'] === true ? 'Sealing' : 'Lifting the seal of'} ${text(event['dataset'])}`,
  sealed: (event) => `${text(event['dataset'])} is sealed`,
  unsealed: (event) => `${text(event['dataset'])} is not sealed any more`,
  seal_refused: (event) => `${text(event['dataset'])} could not be sealed: ${reason(event)}`,
  destroy_started: (event) => `Letting go of ${target(event)}: ${text(event['why'])}`,
  destroyed: (event) => `Let go of ${target(event)}`,
  destroy_refused: (event) => `Could not let go of ${target(event)}: ${reason(event)}`,
  node_invited: (event) => `Node ${text(event['node'])} invited`,
  node_uninvited: (event) => `Invitation of ${text(event['node'])} withdrawn`,
  node_joined: (event) => `Node ${text(event['node'])} joined`,
  node_rotated: (event) => `Node ${text(event['node'])} has a new key`,
  node_revoked: (event) => `Node ${text(event['node'])} revoked`,
  token_issued: (event) => `Token ${text(event['name'])} issued for ${names(event['scopes'])}`,
  token_revoked: (event) => `Token ${text(event['name'])} revoked`,
  access_denied: (event) => `Refused to ${text(event['as'] ?? event['peer'])}: ${text(event['what'])}`,
};

/** @returns the type itself for one this page does not know, as of a newer controller */
export function recordWords(type: string, event: Event): string {
  return isKnown(type) ? WORDS[type](event) : type.replaceAll('_', ' ');
}

function isKnown(type: string): type is keyof typeof WORDS {
  return Object.hasOwn(WORDS, type);
}

/** The mutation a record is about, if it is about one. */
export function recordMutation(event: Event): string | undefined {
  const aimed = event['target'] as { readonly mutation?: unknown } | undefined;
  const id = event['mutation'] ?? aimed?.mutation;
  return typeof id === 'string' ? id : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '?';
}

function names(value: unknown): string {
  return Array.isArray(value) && value.length > 0 ? value.map(text).join(', ') : 'nobody';
}

function reason(event: Event): string {
  return text((event['reason'] as { readonly message?: unknown } | undefined)?.message);
}

function target(event: Event): string {
  return text((event['target'] as { readonly name?: unknown } | undefined)?.name);
}

function actor(event: Event): string {
  const who = event['who'];
  return typeof who === 'string' ? who : `the ${text(event['by'])}`;
}

function by(event: Event): string {
  return typeof event['who'] === 'string' ? ` by ${event['who']}` : '';
}
