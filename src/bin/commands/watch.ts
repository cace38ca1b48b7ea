import { eventsFrom, type EventsQuery } from '../../client/events.ts';
import type { Event } from '../../core/event.ts';
import { calling, connect } from '../connect.ts';
import { isLive } from '../live/footer.ts';
import { oneLine, printJson, printText, readerIsGone, say } from '../output.ts';
import type { ReadOptions } from './history.ts';

export interface WatchOptions extends ReadOptions {
  readonly after?: string;
  readonly type?: string;
  readonly node?: string;
  readonly dataset?: string;
  readonly mutation?: string;
}

/**
 * `hauki watch`: every event as it happens, in a pipe a line each; after a broken connection it goes on where it was. Ends by a signal.
 */
export async function watch(options: WatchOptions): Promise<number> {
  const connection = connect(options.controller);
  // Only now is a controller started for us; afterwards, one that was stopped stays stopped.
  const { ledger, node: controller } = await calling(connection, (client) => client.status());
  const { type, node, dataset, mutation } = options;
  const query: EventsQuery = {
    after: options.after === undefined ? ledger.records : Number(options.after),
    ...(type === undefined ? {} : { type }),
    ...(node === undefined ? {} : { node }),
    ...(dataset === undefined ? {} : { dataset }),
    ...(mutation === undefined ? {} : { mutation }),
  };
  if (!options.json && isLive(1)) {
    const { watchLive } = await import('./watch-live.ts');
    return watchLive(connection, { query, controller, describe });
  }
  const lost = (): void => say('the connection to the controller was lost; trying again …');
  for await (const event of eventsFrom(connection.client, query, { lost })) {
    if (options.json) printJson(event);
    else printText(`${event.time.slice(11, 23)}  ${event.id.padStart(6)}  ${oneLine(describe(event.data))}`);
    if (readerIsGone()) return 0;
  }
  return 0;
}

/** An event in the words its users know. */
export function describe(event: Event): string {
  switch (event.type) {
    case 'requested':
      return `${event.request.node} asks leave: ${event.request.intent}  [${event.mutation}]`;
    case 'cleared':
      return `Lock secured. Snapshot '${event.snapshots.map((snapshot) => snapshot.name).join("', '")}' captured.  [${event.mutation}]`;
    case 'denied':
    case 'cancelled':
    case 'quarantined':
      return `${event.type}: ${event.reason.message} (${event.reason.code})  [${event.mutation}]`;
    case 'rollback_started':
      return `rolling back${event.reason === undefined ? '' : `: ${event.reason.message}`}  [${event.mutation}]`;
    case 'rolled_back':
      return `rolled back; evidence kept: ${event.evidence.map((one) => one.path).join(', ')}  [${event.mutation}]`;
    case 'controller_started':
      return `controller ${event.node} started (hauki ${event.version})`;
    case 'reconciled':
      return `held against the storage: ${event.unknown.count} unknown to the ledger, ${event.missing.count} gone from the storage`;
    case 'destroy_started':
    case 'destroyed':
    case 'destroy_refused':
      return `${event.type.replaceAll('_', ' ')}: ${event.target.name}`;
    case 'node_invited':
    case 'node_uninvited':
    case 'node_joined':
    case 'node_rotated':
    case 'node_revoked':
      return `${event.type.replaceAll('_', ' ')}: ${event.node}`;
    case 'token_issued':
    case 'token_revoked':
      return `API ${event.type.replaceAll('_', ' ')}: ${event.name}`;
    case 'access_denied': {
      const times = event.times > 1 ? ` (${event.times} times)` : '';
      return `access denied to ${event.as ?? event.peer}, ${event.what}: ${event.message} (${event.code})${times}`;
    }
    default:
      return `${event.type.replaceAll('_', ' ')}  [${'mutation' in event ? event.mutation : event.dataset}]`;
  }
}
