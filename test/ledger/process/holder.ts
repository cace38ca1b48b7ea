// A process that takes the lock of the HAUKI_HOME in argv[2], prints "held" or the refusal's JSON, and holds on until it is killed.
import { writeSync } from 'node:fs';

import { acquire } from '../../../src/ledger/sqlite/lock.ts';

takeLock();

/** In a function of its own, so that afterwards nothing in this file refers to the lock: it must hold all the same. */
function takeLock(): void {
  const lock = acquire(process.argv[2] ?? '');
  // Run with --expose-gc: everything that can be collected, is.
  globalThis.gc?.();
  if (lock.ok) setInterval(() => globalThis.gc?.(), 10);
  writeSync(1, lock.ok ? 'held\n' : `${JSON.stringify(lock.error)}\n`);
}
