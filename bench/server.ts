import { pino } from 'pino';

import { ok } from '../src/base/result.ts';
import { systemClock } from '../src/bin/clock.ts';
import { drivers, newId } from '../src/bin/compose.ts';
import { homeFrom, makeHome } from '../src/bin/home.ts';
import { DEFAULT_POLICY } from '../src/core/policy/policy.ts';
import { httpDoor } from '../src/doors/http/server.ts';
import { Controller } from '../src/engine/controller.ts';
import { Mesh } from '../src/engine/mesh/mesh.ts';
import { Engine, type EngineOptions } from '../src/engine/engine.ts';
import { Enrolment } from '../src/engine/enrolment.ts';
import { openSqliteLedger } from '../src/ledger/sqlite/open.ts';
import { bareEvents } from './events.ts';
import type { Storage } from '../src/ports/storage.ts';
import { storageRegistry } from '../src/storage/registry.ts';

/** A storage that does nothing at once: what is left is the controller itself. */
export const NO_OP: Storage = {
  locate: async (target) => ok({ name: target, driver: 'memory' }),
  snapshot: async ({ snapshots }) =>
    ok(snapshots.map((one) => ({ ...one, driver: 'memory', guid: 'x', createdAt: 0 }))),
  discard: async () => ok(undefined),
  plan: async () => {
    throw new Error('not measured');
  },
  rollback: async () => {
    throw new Error('not measured');
  },
  diff: async () => ok({ added: [], modified: [], removed: [] }),
  list: async () => [],
  destroy: async () => ok(undefined),
  reclaimable: async () => undefined,
  tend: async () => undefined,
  seal: async () => ok(undefined),
  scratch: async () => undefined,
};

/** `bench server <home> <socket> noop|real|events`: a controller in a process of its own, as in production, with a durable ledger. */
export async function benchServer(root: string, socket: string, kind: string): Promise<void> {
  const home = homeFrom({ HAUKI_HOME: root });
  makeHome(home);
  const log = pino({ level: 'error' });
  const mesh = new Mesh({ clock: systemClock });
  const options: EngineOptions = {
    ledger: openSqliteLedger(root),
    storage: kind !== 'real' ? NO_OP : storageRegistry(drivers(home, { share: 0, bytesMax: 0 })),
    processes: { stop: async () => ok({ stopped: 0 }) },
    barrier: mesh,
    clock: systemClock,
    ids: { mutation: newId },
    log,
    policy: DEFAULT_POLICY,
    version: 'bench',
    node: 'bench',
  };
  const engine = await Engine.start(options);
  const controller = new Controller(engine, options, mesh);
  if (kind === 'events') await bareEvents(engine.feed, socket);
  const authority = (): undefined => undefined;
  const enrolment = new Enrolment(engine, {
    node: 'bench',
    publicKey: '',
    clock: systemClock,
    authority,
    newSecret: newId,
  });
  const door = await httpDoor({ controller, enrolment, log, token: 'unused', ephemeral: false, retire: () => false });
  // Callers pause while the raw commands are measured, and a connection that closes just then would be a failure.
  door.local.keepAliveTimeout = 10 * 60_000;
  door.local.listen(socket, () => process.send?.('ready'));
  process.once('SIGTERM', () => process.exit(0));
}
