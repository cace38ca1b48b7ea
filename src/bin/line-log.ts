import { writeSync } from 'node:fs';
import type { Log } from '../ports/log.ts';

/** As pino numbers them. */
const LEVELS: Readonly<Record<string, number>> = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 };

/** Structured lines on stderr, in pino's form and without its size: a node process is to be small. */
export function lineLog(least: string): Log {
  const floor = LEVELS[least] ?? 30;
  const line = (level: number) => (fields: Readonly<Record<string, unknown>>, msg: string) => {
    if (level < floor) return;
    try {
      writeSync(2, `${JSON.stringify({ level, time: Date.now(), ...fields, msg })}\n`);
    } catch {
      // A full disk or a reader that is gone must not be what ends the node.
    }
  };
  return { info: line(30), warn: line(40), error: line(50) };
}
