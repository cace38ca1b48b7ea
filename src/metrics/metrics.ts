import { Counter, Gauge, Registry } from 'prom-client';
import type { Controller } from '../engine/controller.ts';
import type { Metrics, Transport } from '../ports/metrics.ts';
import { diskIn, type DiskOptions } from './disk.ts';
import { Lives } from './lives.ts';
import { processIn } from './process.ts';
import { standingIn, type StandingOptions } from './standing.ts';

export interface MetricsOptions extends StandingOptions, DiskOptions {
  readonly controller: Controller;
}

export interface OpenedMetrics extends Metrics {
  /** Counts no more. */
  readonly close: () => void;
}

const TRANSPORTS: readonly Transport[] = ['sse', 'websocket'];

/**
 * The figures of one controller: what happens is counted by what the ledger records, from now on; how things stand is looked up when
 * somebody asks. No label takes a value that callers choose: modes, outcomes, codes, drivers, and the names of joined nodes.
 */
export function openMetrics(options: MetricsOptions): OpenedMetrics {
  const { controller } = options;
  const { engine, identity } = controller;
  const registry = new Registry();
  const registers = [registry];

  new Gauge({
    name: 'hauki_build_info',
    help: 'Always 1; the labels say what runs here.',
    labelNames: ['version', 'nodejs'],
    registers,
  }).set({ version: identity.version, nodejs: process.versions.node }, 1);
  const lives = new Lives(registry, () => engine.state.mutations);
  const close = engine.feed.subscribe((record) => lives.hear(record));
  standingIn(registry, options);
  diskIn(registry, options);
  processIn(registry);

  const readers = new Gauge({
    name: 'hauki_event_readers',
    help: 'Readers of events that are connected.',
    labelNames: ['transport'],
    registers,
  });
  const missed = new Counter({
    name: 'hauki_event_readers_let_go_total',
    help: 'Readers of events that were too slow and were let go.',
    labelNames: ['transport'],
    registers,
  });
  for (const transport of TRANSPORTS) {
    readers.set({ transport }, 0);
    missed.inc({ transport }, 0);
  }

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    readerCame: (transport) => {
      readers.inc({ transport });
      return (wasLetGo) => {
        readers.dec({ transport });
        if (wasLetGo) missed.inc({ transport });
      };
    },
    close,
  };
}
