import { Gauge, type Registry } from 'prom-client';
import type { Controller } from '../engine/controller.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Stored } from '../ports/storage.ts';

/** What is known of the ledger's files and of the file system they lie on, in bytes. */
export interface DiskUse {
  readonly ledger: number;
  readonly size: number;
  /** For whoever the controller runs as. */
  readonly free: number;
}

export interface DiskOptions {
  readonly controller: Pick<Controller, 'stored' | 'head'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly diskUse: () => DiskUse;
}

/** The storage is asked for all it keeps no more often than this: it may have to run programs and read for it. */
const LOOK_MS = 60_000;

/** What takes space: the ledger, and what is kept on the storage. */
export function diskIn(registry: Registry, { controller, clock, log, diskUse }: DiskOptions): void {
  const registers = [registry];
  const kept = new Gauge({
    name: 'hauki_kept',
    help: 'Snapshots and evidence that are kept, as of the last look at the storage.',
    labelNames: ['kind', 'driver'],
    registers,
    // Nobody waits for the storage: what is told is the last look, and this begins the next one.
    collect: () => void lookAgain(),
  });
  const space = new Gauge({
    name: 'hauki_kept_bytes',
    help: 'What destroying each of them would free, added up; only where the storage knows that without reading everything.',
    labelNames: ['kind', 'driver'],
    registers,
  });
  const looked = new Gauge({
    name: 'hauki_kept_last_look_timestamp_seconds',
    help: 'When the storage was last asked what it keeps, in seconds since the epoch; 0: not yet.',
    registers,
  });
  let looking = false;
  let lookedMono = -Infinity;

  const lookAgain = async (): Promise<void> => {
    if (looking || clock.mono() - lookedMono < LOOK_MS) return;
    looking = true;
    try {
      show(await controller.stored());
      looked.set(clock.now() / 1_000);
    } catch (error) {
      log.warn({ error: String(error) }, 'the storage could not be asked what it keeps');
    }
    lookedMono = clock.mono();
    looking = false;
  };
  const show = (all: readonly Stored[]): void => {
    kept.reset();
    space.reset();
    for (const { kind, driver, bytes } of all) {
      kept.inc({ kind, driver });
      if (bytes !== undefined) space.inc({ kind, driver }, bytes);
    }
  };

  const now = (name: string, help: string, read: () => number | Promise<number>): void =>
    void new Gauge({
      name,
      help,
      registers,
      async collect() {
        // One figure that cannot be had must not take all others away.
        try {
          this.set(await read());
        } catch {
          this.set(Number.NaN);
        }
      },
    });
  now('hauki_ledger_records', 'Records in the ledger.', async () => (await controller.head())?.seq ?? 0);
  now('hauki_ledger_bytes', "Size of the ledger's files.", () => diskUse().ledger);
  now('hauki_home_size_bytes', 'Size of the file system that HAUKI_HOME lies on.', () => diskUse().size);
  now('hauki_home_free_bytes', 'What is free on it for the controller.', () => diskUse().free);
}
