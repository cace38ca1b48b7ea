import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Refusal } from '../../base/refusal.ts';
import { inOrder, isPassing, safeName, SIGNATURE, taskNameRefusal } from '../../core/task/name.ts';
import { isSame, type Look, restMs } from '../../core/task/settling.ts';

/** Something in the inbox that can be taken. */
export interface Arrival {
  /** What it is called from here on; that of its file, where that is a name for a task. */
  readonly name: string;
  /** Why no task can be called as its file is. */
  readonly misnamed: Refusal | undefined;
  /** As bytes, where its name is no text. */
  readonly path: string | Buffer;
  /** How it looked; undefined for what is no plain file. */
  readonly look: Look | undefined;
}

interface Seen {
  readonly look: Look;
  readonly sinceMono: number;
}

/** A file whose signature is still on its way is waited for so long, ms. */
const SIGNATURE_MS = 2_000;

/** The inbox as it was looked at: a file that is still being written is none of its arrivals. */
export class Inbox {
  readonly #folder: string;
  readonly #mono: () => number;
  readonly #needsSignature: boolean;
  /** By file name: what still has to rest, and what can be taken. The latter is not looked at again before it is. */
  #resting = new Map<string, Seen>();
  #arrived = new Map<string, Arrival>();

  constructor(folder: string, mono: () => number, needsSignature: boolean) {
    this.#folder = folder;
    this.#mono = mono;
    this.#needsSignature = needsSignature;
  }

  /** It was written to after all. */
  forget(file: string): void {
    this.#arrived.delete(file);
  }

  /** @returns what can be taken, in order, and after how many ms something more may be */
  async look(): Promise<{ readonly arrivals: readonly Arrival[]; readonly againMs: number | undefined }> {
    const entries = await readdir(this.#folder, { encoding: 'buffer' });
    const files = new Map(entries.map((raw) => [raw.toString(), raw]));
    const resting = new Map<string, Seen>();
    const arrived = new Map<string, Arrival>();
    let againMs = Infinity;
    for (const [file, raw] of files) {
      if (isPassing(file)) continue;
      const known = this.#arrived.get(file);
      const arrival = known ?? (await this.#arrive(file, raw, files, resting));
      if (typeof arrival === 'object') arrived.set(file, arrival);
      else if (arrival !== undefined) againMs = Math.min(againMs, arrival);
    }
    this.#resting = resting;
    this.#arrived = arrived;
    const ordered = inOrder([...arrived.keys()])
      .map((file) => arrived.get(file))
      .filter((one) => one !== undefined);
    return { arrivals: ordered, againMs: againMs === Infinity ? undefined : againMs };
  }

  /** @returns for how long it has to rest yet, ms; undefined: nobody knows */
  async #arrive(
    file: string,
    raw: Buffer,
    files: ReadonlyMap<string, Buffer>,
    resting: Map<string, Seen>,
  ): Promise<Arrival | number | undefined> {
    const isText = Buffer.from(file).equals(raw);
    const path = isText ? join(this.#folder, file) : Buffer.concat([Buffer.from(`${this.#folder}/`), raw]);
    const look = await lookAt(path);
    if (look === undefined) return undefined;
    const misnamed = taskNameRefusal(file);
    const digest = createHash('sha256').update(raw).digest('hex');
    const name = misnamed === undefined ? file : safeName(file, digest);
    if (look === 'odd') return { name, misnamed, path, look: undefined };
    const before = this.#resting.get(file);
    const sinceMono = before !== undefined && isSame(before.look, look) ? before.sinceMono : this.#mono();
    resting.set(file, { look, sinceMono });
    const rest = restMs(look);
    if (rest === undefined) return undefined;
    const isAwaited = this.#needsSignature && !files.has(file + SIGNATURE);
    const leftMs = sinceMono + (isAwaited ? Math.max(rest, SIGNATURE_MS) : rest) - this.#mono();
    return leftMs > 0 ? leftMs : { name, misnamed, path, look };
  }
}

async function lookAt(path: string | Buffer): Promise<Look | 'odd' | undefined> {
  try {
    const found = await lstat(path);
    if (!found.isFile()) return 'odd';
    return { size: found.size, modifiedMs: found.mtimeMs, changedMs: found.ctimeMs };
  } catch {
    // It was renamed or removed since the folder was read.
    return undefined;
  }
}
