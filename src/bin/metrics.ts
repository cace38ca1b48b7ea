import { statfsSync, statSync } from 'node:fs';
import type { Controller } from '../engine/controller.ts';
import { ledgerHome } from '../ledger/home.ts';
import { type DiskUse } from '../metrics/disk.ts';
import { openMetrics, type OpenedMetrics } from '../metrics/metrics.ts';
import type { Log } from '../ports/log.ts';
import type { Webhooks } from '../ports/webhooks.ts';
import { systemClock } from './clock.ts';
import type { Home } from './home.ts';

/** A module of its own: a controller that was started for one caller is gone before anybody could scrape it. */
export function serveMetrics(home: Home, controller: Controller, webhooks: Webhooks, log: Log): OpenedMetrics {
  return openMetrics({ controller, webhooks, log, clock: systemClock, diskUse: () => diskUseOf(home) });
}

function diskUseOf({ root }: Home): DiskUse {
  const { bsize, blocks, bavail } = statfsSync(root);
  const { database } = ledgerHome(root);
  const ledger = [database, `${database}-wal`].reduce(
    (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
  return { ledger, size: blocks * bsize, free: bavail * bsize };
}
