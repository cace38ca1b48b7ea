import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from '../until.ts';
import type { Place, Running } from './place.ts';

/* The test's end of `process/worker.ts`, a node process with work of its own. */

interface Said {
  readonly event: 'ready' | 'asked' | 'cleared' | 'stopped' | 'committed' | 'failed';
  readonly dataset?: string;
  readonly mutation?: string;
  readonly code?: string;
  readonly stage?: string;
}

/** What the worker has said. */
export function said({ stdout }: Running): Said[] {
  const lines = stdout().split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Said);
}

/** Begins to work on a folder of its own. @returns the folder */
export async function begin(worker: Running, { folder }: Place, name: string, ttl: string): Promise<string> {
  const dataset = join(folder, name);
  mkdirSync(dataset);
  writeFileSync(join(dataset, 'config'), 'one\n');
  worker.child.stdin?.write(`${JSON.stringify({ dataset, ttl })}\n`);
  await until(() => readFileSync(join(dataset, 'config'), 'utf8') === 'two\n', 'the worker works');
  return dataset;
}

/** When it was at work last, by the wall clock, ms. */
export function workedAt(dataset: string): number {
  return Number(readFileSync(`${dataset}.tick`, 'utf8'));
}

export function found(worker: Running, event: Said['event'], dataset: string): Promise<Said> {
  return until(
    () => said(worker).find((one) => one.event === event && one.dataset === dataset),
    `the worker says ${event}`,
    60_000,
  );
}
