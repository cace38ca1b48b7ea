import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { rolldown } from 'rolldown';

import type { Order } from './child.ts';

// Beside the dependencies, because what stays outside the bundle (koffi) is looked for from there.
const CACHE = join(import.meta.dirname, '../../../node_modules/.cache');

/** Bundles test/storage/real/child.ts, since Node 20 cannot load TypeScript. @returns the path of the program */
export async function bundleChild(): Promise<string> {
  mkdirSync(CACHE, { recursive: true });
  const file = join(CACHE, `storage-child-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'child.ts'),
    platform: 'node',
    external: ['koffi'],
  });
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  chmodSync(file, 0o644);
  return file;
}

export interface Ended {
  /** What it said, when it got that far. */
  readonly answer: unknown;
  readonly killed: boolean;
  /** From its first step to its last, or to its death. */
  readonly ms: number;
  readonly stderr: string;
}

/**
 * Runs one call on a backend in a process of its own.
 * @param options.killAfterMs SIGKILL so long after it began its work; to it alone, what it started lives on
 * @throws when it ended without an answer and was not killed, with what it said
 */
export function runChild(
  program: string,
  order: Order,
  options: { readonly killAfterMs?: number; readonly uid?: number } = {},
): Promise<Ended> {
  const { killAfterMs, uid } = options;
  const child = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  return new Promise((resolve, reject) => {
    let [out, stderr, began] = ['', '', 0];
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      if (began !== 0 || !out.startsWith('begin\n')) return;
      began = performance.now();
      if (killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    });
    child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString()));
    child.on('error', reject);
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      const [, line = ''] = out.split('\n');
      if (line === '' && signal !== 'SIGKILL')
        return reject(new Error(`${order.call.kind} ended without an answer (${signal ?? code}): ${stderr}`));
      const answer: unknown = line === '' ? undefined : JSON.parse(line);
      resolve({ answer, killed: signal === 'SIGKILL', ms: performance.now() - began, stderr });
    };
    child.on('close', (code, signal) => end(code, signal));
    // After a kill there may be no 'close' for a while: a program that it started may hold the pipes open.
    child.on('exit', (code, signal) => void (signal !== null && end(code, signal)));
  });
}
