import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * A file that always holds one whole text: what is written goes into another file beside it, to the disk, and takes its place in one
 * step. Whoever reads sees the one before or the one after; a crash at any point, of the process or the machine, leaves one of them.
 *
 * Writing may take long, on a busy disk or a vault that hangs: what comes meanwhile waits, and of that only the last is written.
 */
export class WholeFile {
  readonly #path: string;
  readonly #failed: (error: Error) => void;
  #next: string | undefined;
  #writing: Promise<void> | undefined;

  /** @param failed told of each write that did not succeed: the file is as it was before then */
  constructor(path: string, failed: (error: Error) => void) {
    this.#path = path;
    this.#failed = failed;
  }

  /** Never waits, never throws. */
  write(text: string): void {
    this.#next = text;
    this.#writing ??= this.#work();
  }

  /** When nothing is left to be written. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #work(): Promise<void> {
    // What is said in one turn of the event loop is one thing.
    await Promise.resolve();
    while (this.#next !== undefined) {
      const text = this.#next;
      this.#next = undefined;
      await replaceFile(this.#path, text).catch(this.#failed);
    }
    this.#writing = undefined;
  }
}

/** @throws what the file system says; then the file is as it was, or already the new one but perhaps not yet on the disk */
export async function replaceFile(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.new`);
  // What a crash left there, or a link that somebody put there to have another file overwritten.
  await rm(draft, { force: true });
  await using(await open(draft, 'wx', 0o644), async (file) => {
    await file.writeFile(text);
    await file.sync();
  });
  await rename(draft, path);
  await using(await open(folder, 'r'), (file) => file.sync());
}

/** @returns undefined when it is not there, or holds no JSON object */
export async function readObject(path: string): Promise<Record<string, unknown> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : objectIn(text);
}

/** @returns undefined when it is no JSON object */
export function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

async function using(file: FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await work(file);
  } finally {
    await file.close();
  }
}
