import { spawnSync } from 'node:child_process';

import { Controller } from '../../src/engine/controller.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { openMetrics, type OpenedMetrics } from '../../src/metrics/metrics.ts';
import type { Webhook } from '../../src/ports/webhooks.ts';
import type { Place } from '../engine/place.ts';

export const DISK = { ledger: 4_096, size: 1_000_000, free: 250_000 };

/** The figures of an engine over a test's ports. */
export function metricsOf(place: Place, engine: Engine, webhooks: readonly Webhook[] = []): OpenedMetrics {
  const { options, clock, mesh } = place;
  return openMetrics({
    controller: new Controller(engine, options, mesh),
    clock,
    log: options.log,
    webhooks: { list: () => ({ ok: true, value: webhooks }) },
    diskUse: () => DISK,
  });
}

/** A scrape: what each series says, by its name and labels as they are printed. */
export class Scraped {
  readonly text: string;
  readonly series: ReadonlyMap<string, number>;

  constructor(text: string) {
    this.text = text;
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    this.series = new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
    );
  }

  /** Of `name{a="b"}`; undefined when there is no such series. */
  get(series: string): number | undefined {
    return this.series.get(series);
  }

  /** The metrics that are told of, as queries name them: a histogram by three names. */
  names(): Set<string> {
    return new Set(
      [...this.text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
  }
}

export function promtool(
  args: readonly string[],
  input?: string,
): { readonly code: number | null; readonly said: string } {
  const ran = spawnSync('promtool', args, { encoding: 'utf8', ...(input === undefined ? {} : { input }) });
  return { code: ran.status, said: `${ran.stdout}${ran.stderr}` };
}
