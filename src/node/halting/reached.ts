import { Writable } from 'node:stream';

import type { Reach } from '../../ports/reach.ts';
import type { Run } from './process.ts';

/** Of what a program prints, chars. */
const STDOUT_MAX = 64 * 1024;
const WORDS_MAX = 300;

/** Runs programs in another place: the container that a node speaks for. */
export function runIn(reach: Reach): Run {
  return async (argv, { withinMs, signal, env }) => {
    const stdout = new Kept((before, more) => (before + more).slice(0, STDOUT_MAX));
    const stderr = new Kept((before, more) => (before + more).slice(-WORDS_MAX));
    const ended = await reach.run({
      argv,
      stdout,
      stderr,
      timeoutMs: withinMs,
      ...(signal === undefined ? {} : { signal }),
      ...(env === undefined ? {} : { env }),
    });
    const words = stderr.text.trim().replaceAll(/\s+/g, ' ');
    const tail = words === '' ? '' : `: ${words}`;
    if (!ended.ok) return { stdout: stdout.text, why: `${argv[0]} in ${reach.name}: ${ended.error.message}${tail}` };
    if (ended.value.code === 0) return { stdout: stdout.text };
    return { stdout: stdout.text, why: `${argv[0]} in ${reach.name} ended with code ${ended.value.code}${tail}` };
  };
}

/** Takes everything and keeps a part. */
class Kept extends Writable {
  text = '';
  readonly #keep: (before: string, more: string) => string;

  constructor(keep: (before: string, more: string) => string) {
    super();
    this.#keep = keep;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text = this.#keep(this.text, chunk.toString());
    done();
  }
}
