import { type LineSink, toStderr } from './journal.ts';
import type { Log } from '../ports/log.ts';

/** As pino numbers them. */
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

/** Structured lines, on stderr where nothing else is said, in pino's form and without its size: a node process is to be small. */
export function lineLog(least: string, sink: LineSink = toStderr): Log {
  const floor = LEVELS[least] ?? 30;
  const line = (level: number) => (fields: Readonly<Record<string, unknown>>, msg: string) => {
    if (level >= floor) sink(`${JSON.stringify({ level, time: Date.now(), ...fields, msg })}\n`);
  };
  return { info: line(30), warn: line(40), error: line(50) };
}
