import { realpathSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, RefusedError } from '../base/refusal.ts';
import { Client } from '../client/client.ts';
import type { Address } from '../client/transport.ts';
import { guarded } from '../node/guarded.ts';
import type { Renewals } from '../node/held-leases.ts';
import type { MeshNode } from '../node/node.ts';
import { Feed } from '../node/task/feed.ts';
import { foldersIn, plainSpool } from '../node/task/folders.ts';
import type { Desk } from '../node/task/desk.ts';
import { spoolRefusal } from '../node/task/separation.ts';
import { ShadowWriter } from '../node/task/writer.ts';
import type { Log } from '../ports/log.ts';
import type { Spool } from '../ports/spool.ts';
import { sweepSince } from '../reach/local/sweep.ts';
import { applyPatch, checkPatch, isPatch, type Patch, readPatch } from '../surgery/surgeon.ts';
import { routeAsNode, routeToUrl } from '../trust/route.ts';
import { takeMount } from '../vault/lock.ts';
import { systemClock } from './clock.ts';
import { faultPoint } from './fault.ts';
import { bindable } from './home.ts';
import type { NodeConfig } from './node-config.ts';
import type { NodeHome } from './node-home.ts';
import { openReach } from './reach.ts';

export interface TaskParts {
  readonly name: string;
  readonly home: NodeHome;
  readonly config: NodeConfig;
  /** Where tasks run: `lxd:crm`; undefined: here. */
  readonly via: string | undefined;
  readonly controllers: readonly string[];
  readonly log: Log;
  /** Instead of the folder that node.yaml names. */
  readonly spool?: Spool;
}

export interface OpenedTasks {
  readonly writer: ShadowWriter;
  /** Whose tasks they are: it tells the controller what they say, and holds their leases by its heartbeats. */
  readonly belongTo: (node: Pick<MeshNode, 'tell' | 'leases'>) => void;
}

/**
 * A node's Shadow Writer. A module of its own, since most nodes do without.
 *
 * @throws RefusedError `spool_guarded` when the spool is part of what tasks change, `home_locked` when another process works on it,
 *   `spool_missing`, `context_invalid`
 */
export async function openTasks(parts: TaskParts): Promise<OpenedTasks> {
  const { name, home, config, via = 'local', controllers, log } = parts;
  const { tasks: rules } = config;
  const folder = parts.spool?.folder ?? config.spool ?? join(home.root, 'spool');
  const { datasets, root } = rules;
  const roots = root === undefined ? [] : [root];
  // Of a spool in a vault it is the ciphertext that would go back.
  const lies = config.vault !== undefined && 'folder' in config.vault.cipher ? [config.vault.cipher.folder] : [];
  const spools = [folder, ...lies];
  const refused = await spoolRefusal(spools, datasets, roots);
  if (refused !== undefined) throw new RefusedError(refused);
  // A vault has its one keeper already.
  const spool = parts.spool ?? (await ownSpool(folder));
  const reach = openReach(via);
  if (!reach.ok) throw new RefusedError(reach.error);
  let owner: Parameters<OpenedTasks['belongTo']>[0] | undefined;
  const address = addressOf(controllers, home);
  const writer = new ShadowWriter({
    node: name,
    spool,
    spools,
    folders: foldersIn(spool.folder),
    rules,
    desk: deskOf(new Client(address), name, () => owner?.leases),
    reach: reach.value,
    surgeon: {
      isPatch,
      readPatch,
      checkPatch: (patch, root) => checkPatch(patch as Patch, root),
      applyPatch: (patch, root, signal) => applyPatch(patch as Patch, root, signal),
    },
    scratch: via === 'local' ? home.scratch : undefined,
    sweeping: via === 'local' ? sweepSince : () => Promise.resolve((mutation) => reach.value.stop(mutation)),
    feed: new Feed(systemClock, (pieces) => owner?.tell(pieces)),
    clock: systemClock,
    random: Math.random,
    log,
    reached: (step) => faultPoint(`task:${step}`),
  });
  return { writer, belongTo: (node) => void (owner = node) };
}

/** A second process would take what the first one is at for interrupted. The kernel gives the spool back when this one ends. */
async function ownSpool(folder: string): Promise<Spool> {
  const spool = plainSpool(folder);
  const taken = await takeMount(foldersIn(realpathSync(folder)).inbox, 'node');
  if (taken.ok) return spool;
  const hint = 'Stop that one first, or name another spool in node.yaml.';
  throw new RefusedError(refusal('home_locked', `Another node process takes tasks from ${folder}.`, hint));
}

/** As many as the controller takes: a longer reason must not leave a denial without a record. */
const REPORT_CHARACTERS_MAX = 2_000;

function deskOf(client: Client, node: string, leases: () => Renewals | undefined): Desk {
  return {
    guard: ({ datasets, waitMs, traceparent, ...leave }, work, signal) => {
      const renewals = leases();
      return guarded({ ...leave, node, datasets: [...datasets], wait: `${waitMs}ms` }, work, {
        client: traceparent === undefined ? client : client.tracing(traceparent),
        clock: systemClock,
        signal,
        ...(renewals === undefined ? {} : { renewals }),
      });
    },
    show: (mutation) => client.show(mutation),
    rollback: (mutation, fence) => client.rollback(mutation, fence),
    report: (task, { code, message }) =>
      client.reportTask({ node, task, code, message: message.slice(0, REPORT_CHARACTERS_MAX) }),
    ready: () => client.ready(),
  };
}

/** A node that has joined finds its controllers by itself; one on the controller's host says which. */
function addressOf(controllers: readonly string[], { root }: NodeHome): Address {
  const [first = ''] = controllers;
  if (first.startsWith('unix:')) return { name: first, socketPath: bindable(first.slice('unix:'.length)) };
  if (!first.includes('://'))
    return { name: `the controller of ${root}/node.yaml`, mesh: async () => routeAsNode(root) };
  const url = new URL(first);
  if (url.protocol === 'https:') return { name: first, url, mesh: async () => routeToUrl(url, undefined, root) };
  const token = process.env['HAUKI_TOKEN'];
  return { name: first, url, ...(token ? { token } : {}) };
}
