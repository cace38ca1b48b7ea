import { formatDuration } from '../../base/duration.ts';
import type { Refusal } from '../../base/refusal.ts';
import type { Event, Target } from '../../core/event.ts';
import type { Mutation, MutationRequest } from '../../core/mutation/mutation.ts';
import type { Snapshot } from '../../core/snapshot/snapshot.ts';
import { oneLine } from '../one-line.ts';
import { bounded, split } from './text.ts';

/** Bytes of text in one line. A line of the protocol has 512, and who says it to whom takes its share of them. */
export const LINE_BYTES_MAX = 400;
/** An intent is told so far; `!why` tells all of it. */
const INTENT_BYTES_MAX = 240;
/** Names have 255 bytes at most where they are made; what comes from elsewhere is held to it. */
const NAME_BYTES_MAX = 255;
const NAMES_TOLD = 3;

/** How people call the storages. */
const STORAGE: Readonly<Record<string, string>> = { zfs: 'ZFS', btrfs: 'btrfs', directory: 'Directory' };

/** What a line needs to know of the mutation that its event is about. */
export type About = Pick<Mutation, 'node' | 'intent' | 'task'>;

/**
 * An event as people read it, in lines that fit.
 *
 * @param about the mutation the event is about; undefined when it is about none, or nobody knows it any more
 */
export function linesFor(event: Event, about?: About): string[] {
  const words = about?.task === undefined ? undefined : surgeryWords(event, about.task);
  return [wordsFor(event, about), ...(words === undefined ? [] : [words])].flatMap((line) =>
    split(line, LINE_BYTES_MAX),
  );
}

/** What a task's watchers wait for, in the words they know; a line of its own beside the event's. */
function surgeryWords(event: Event, task: string): string | undefined {
  switch (event.type) {
    case 'cleared':
      return `${storage(event.snapshots)} Lock secured. Executing code surgery: ${name(task)} [${event.mutation}]`.trimStart();
    case 'committed':
      return `Surgery ${name(task)} COMPLETED flawlessly. [${event.mutation}]`;
    case 'rolled_back':
      return `Surgery ${name(task)} FAILED and was undone. [${event.mutation}]`;
    case 'denied':
    case 'cancelled':
      return `Surgery ${name(task)} was not begun. [${event.mutation}]`;
    default:
      return undefined;
  }
}

/** Every kind of event has words: a new one does not compile without. */
function wordsFor(event: Event, about?: About): string {
  const who = `'${name(about?.node ?? 'unknown')}'`;
  switch (event.type) {
    case 'controller_started':
      return `Controller '${name(event.node)}' started (hauki ${name(event.version)}).`;
    case 'reconciled':
      return `Ledger held against the storage: ${event.unknown.count} unknown to the ledger, ${event.missing.count} gone from the storage.`;
    case 'rebuilt':
      return `Rebuilt from the storage: ${asked(event.request)}, ${event.stage.replaceAll('_', ' ')}. [${event.mutation}]`;
    case 'requested': {
      const datasets = names(event.request.datasets.map((dataset) => dataset.name));
      const mode = event.request.mode === 'critical' ? ' HALT AND FLUSH,' : '';
      return `${asked(event.request)} asks leave to mutate${mode} ${datasets}. [${event.mutation}]`;
    }
    case 'denied':
      return `DENIED ${who}: ${why(event.reason)} [${event.mutation}]`;
    case 'cancelled':
      return `Cancelled for ${who}: ${why(event.reason)} [${event.mutation}]`;
    case 'halt_started':
      return `HALT AND FLUSH, barrier ${event.fence} for ${who}: ${names(event.nodes)}. [${event.mutation}]`;
    case 'flushed': {
      const slowest = event.nodes.reduce((most, { tookMs }) => Math.max(most, tookMs), 0);
      return `FLUSHED: all ${event.nodes.length} halted within ${formatDuration(slowest)}. [${event.mutation}]`;
    }
    case 'master_taken':
      return `Master ${snapshots(event.snapshots)} taken for ${who}; RESUME, and did all stay halted? [${event.mutation}]`;
    case 'snapshot_started':
      return `Capturing ${snapshots(event.snapshots)} for ${who} … [${event.mutation}]`;
    case 'withdraw_started':
      return `Withdrawing the snapshot taken for ${who}: ${why(event.reason)} [${event.mutation}]`;
    case 'cleared':
      return `Lock secured. ${snapshots(event.snapshots)} captured for ${who}. [${event.mutation}]`;
    case 'renewed':
      return `Lease of ${who} renewed until ${time(event.expiresAt)}. [${event.mutation}]`;
    case 'holder_lost':
      return `The connection of ${who} is gone; it may come back for a moment. [${event.mutation}]`;
    case 'holder_back':
      return `The connection of ${who} is back. [${event.mutation}]`;
    case 'holder_stopped':
      return `The processes of ${who} have ended. [${event.mutation}]`;
    case 'commit_started':
      return `Committing the mutation of ${who}, by ${by(event)} … [${event.mutation}]`;
    case 'committed':
      return `Committed: ${told(about)}. Lock released. [${event.mutation}]`;
    case 'rollback_started': {
      const reason = event.reason === undefined ? '' : ` ${why(event.reason)}`;
      return `Rolling back the mutation of ${who}, by ${by(event)}.${reason} [${event.mutation}]`;
    }
    case 'rolled_back': {
      const kept =
        event.evidence.length === 0 ? '' : ` Failed state kept: ${names(event.evidence.map((one) => one.name))}.`;
      return `Rolled back: ${told(about)}. Lock released.${kept} [${event.mutation}]`;
    }
    case 'quarantined':
      return `QUARANTINED, the locks stay until a person decides: ${told(about)}. ${why(event.reason)} [${event.mutation}]`;
    case 'pinned':
      return `${event.pinned ? 'Pinned' : 'Unpinned'}: the snapshots of ${who}${event.who === undefined ? '' : `, by ${name(event.who)}`}. [${event.mutation}]`;
    case 'seal_started':
      return `${event.sealed ? 'Sealing' : 'Unsealing'} '${name(event.dataset)}' …`;
    case 'sealed':
      return `Sealed '${name(event.dataset)}': read-only unless a mutation is cleared.`;
    case 'unsealed':
      return `Unsealed '${name(event.dataset)}'.`;
    case 'seal_refused':
      return `The seal of '${name(event.dataset)}' was refused: ${why(event.reason)}`;
    case 'destroy_started':
      return `Letting go of ${target(event.target)}: ${bounded(oneLine(event.why), NAME_BYTES_MAX)}.`;
    case 'destroyed':
      return `Gone: ${target(event.target)}.`;
    case 'destroy_refused':
      return `Not let go of ${target(event.target)}: ${why(event.reason)}`;
    case 'node_invited':
      return `Node '${name(event.node)}' is invited into the mesh.`;
    case 'node_uninvited':
      return `The invitation of node '${name(event.node)}' is withdrawn.`;
    case 'node_joined':
      return `Node '${name(event.node)}' has joined the mesh.`;
    case 'node_rotated':
      return `Node '${name(event.node)}' has a new key.`;
    case 'node_revoked':
      return `Node '${name(event.node)}' is REVOKED: nothing it says counts any more.`;
    case 'token_issued':
      return `An API token was issued to '${name(event.name)}': ${event.scopes.join(', ')}.`;
    case 'token_revoked':
      return `The API token of '${name(event.name)}' is revoked.`;
    case 'access_denied': {
      const times = event.times > 1 ? `, ${event.times} times` : '';
      return `ACCESS DENIED to ${name(event.as ?? event.peer)}, ${name(event.what)}: ${why(event)}${times}`;
    }
  }
}

function asked({ node, intent }: Pick<MutationRequest, 'node' | 'intent'>): string {
  return `'${name(node)}' "${bounded(oneLine(intent), INTENT_BYTES_MAX)}"`;
}

function told(about: About | undefined): string {
  return about === undefined ? 'a mutation nobody knows any more' : asked(about);
}

function snapshots(captured: readonly Snapshot[]): string {
  return `${storage(captured)} Snapshot${captured.length === 1 ? '' : 's'} ${names(captured.map((one) => one.name))}`.trimStart();
}

function storage(captured: readonly Snapshot[]): string {
  const driver = captured[0]?.driver ?? '';
  return STORAGE[driver] ?? driver;
}

function names(all: readonly string[]): string {
  const shown = all.slice(0, NAMES_TOLD).map((one) => `'${name(one)}'`);
  const more = all.length > NAMES_TOLD ? ` and ${all.length - NAMES_TOLD} more` : '';
  return `${shown.join(', ')}${more}`;
}

function by({ by: actor, who }: Extract<Event, { type: 'commit_started' | 'rollback_started' }>): string {
  return who === undefined ? `its ${actor}` : name(who);
}

function name(text: string): string {
  return bounded(oneLine(text), NAME_BYTES_MAX);
}

function target({ kind, name: called }: Target): string {
  return `${kind} '${name(called)}'`;
}

function why({ message, code }: Pick<Refusal, 'message' | 'code'>): string {
  return `${bounded(oneLine(message), LINE_BYTES_MAX)} (${code})`;
}

function time(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}
