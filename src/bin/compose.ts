import { createPublicKey, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { v7 as uuidv7 } from 'uuid';
import type { Event } from '../core/event.ts';
import { evolve } from '../core/evolve.ts';
import type { Mutation } from '../core/mutation/mutation.ts';
import type { Policy } from '../core/policy/policy.ts';
import { EMPTY, type State } from '../core/state.ts';
import { Controller } from '../engine/controller.ts';
import { Engine, type EngineOptions } from '../engine/engine.ts';
import { Mesh } from '../engine/mesh/mesh.ts';
import { Enrolment } from '../engine/enrolment.ts';
import { Database } from '../ledger/sqlite/database.ts';
import { signingKey } from '../ledger/signing.ts';
import { openSqliteLedger } from '../ledger/sqlite/open.ts';
import type { Authority } from '../ports/authority.ts';
import type { Log } from '../ports/log.ts';
import type { StorageDriver } from '../ports/storage.ts';
import { localProcesses } from '../reach/local/processes.ts';
import { btrfsStorage } from '../storage/btrfs/btrfs.ts';
import { directoryStorage } from '../storage/directory/directory.ts';
import { storageRegistry } from '../storage/registry.ts';
import { SELF_TEST_NODE } from '../storage/selftest.ts';
import { zfsStorage } from '../storage/zfs/zfs.ts';
import { Targets } from '../webhooks/target.ts';
import { type ServedWebhooks, startWebhooks } from '../webhooks/webhooks.ts';
import { systemClock } from './clock.ts';
import type { Config } from './config.ts';
import { faultPoint } from './fault.ts';
import { faultyBarrier, faultyLedger, faultyStorage } from './faulty-ports.ts';
import type { Home } from './home.ts';
import { VERSION } from './version.ts';

/** The one place where real clock, disk, processes and storage are put together. */

/** The backends of this host, in the order in which they are asked whether a path is theirs. */
export function drivers(home: Home, { share, bytesMax }: Config['reserve']): StorageDriver[] {
  const reserve = (size: number): number => Math.min(size * share, bytesMax);
  return [
    zfsStorage({
      home: home.root,
      reserve: { share, bytesMax },
      reached: (step, { node }) => {
        // A controller that dies of its own self-test would never get to anybody's mutation.
        if (node !== SELF_TEST_NODE) faultPoint(`zfs:after:${step}`);
      },
    }),
    btrfsStorage({ home: home.root, reserve, now: systemClock.now }),
    directoryStorage({ store: `${home.store}/directory`, home: home.root, reserve, now: systemClock.now }),
  ];
}

export const newId = (): string => uuidv7();

export interface Parts {
  readonly home: Home;
  readonly backends: readonly StorageDriver[];
  readonly policy: Policy;
  readonly node: string;
  readonly log: Log;
  /** Of the mesh this controller has, while it has one. */
  readonly authority: () => Authority | undefined;
}

export interface Running {
  readonly controller: Controller;
  readonly enrolment: Enrolment;
  readonly stop: () => Promise<void>;
}

/** @throws RefusedError when the ledger cannot be opened: see openSqliteLedger */
export async function startController({ home, backends, policy, node, log, authority }: Parts): Promise<Running> {
  const ledger = openSqliteLedger(home.root);
  const mesh = new Mesh({ clock: systemClock });
  const options: EngineOptions = {
    ledger: faultyLedger(ledger),
    storage: faultyStorage(storageRegistry(backends)),
    processes: localProcesses(),
    barrier: faultyBarrier(mesh),
    clock: systemClock,
    ids: { mutation: newId },
    log,
    policy,
    version: VERSION,
    node,
  };
  const engine = await Engine.start(options);
  const newSecret = (): string => randomBytes(32).toString('base64url');
  return {
    controller: new Controller(engine, options, mesh),
    enrolment: new Enrolment(engine, {
      node,
      publicKey: publicKeyOf(home.root),
      clock: systemClock,
      authority,
      newSecret,
    }),
    stop: async () => {
      await engine.stop();
      await ledger.close();
    },
  };
}

/** What the controller signs with, its public half: SPKI in DER as base64. */
function publicKeyOf(home: string): string {
  return createPublicKey(signingKey(home)).export({ type: 'spki', format: 'der' }).toString('base64');
}

/** Who is told by HTTP, from a database beside the ledger that is made with the first of them. */
export function serveWebhooks(
  home: Home,
  controller: Controller,
  { patience, allow }: Config['webhooks'],
  log: Log,
): ServedWebhooks {
  return startWebhooks({
    source: controller,
    targets: new Targets(allow),
    clock: systemClock,
    random: Math.random,
    log,
    patience,
    newId,
    exists: existsSync(home.webhooks),
    open: () => {
      // It holds secrets, and SQLite gives its other files the mode of this one.
      closeSync(openSync(home.webhooks, 'a', 0o600));
      return new Database(home.webhooks);
    },
  });
}

/** The mutations as they follow from the events: what the stored ones are held against. */
export function replay(events: Iterable<Event>): ReadonlyMap<string, Mutation> {
  const PAGE = 1_000;
  let state: State = EMPTY;
  let page: Event[] = [];
  for (const event of events) {
    page.push(event);
    if (page.length === PAGE) {
      state = evolve(state, page);
      page = [];
    }
  }
  return evolve(state, page).mutations;
}
