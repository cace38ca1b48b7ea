import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Writable } from 'node:stream';

/** Of what a task says, so much is kept from its beginning, and so much from its end, bytes. */
const HEAD_BYTES_MAX = 1024 * 1024;
const TAIL_BYTES_MAX = 64 * 1024;

/**
 * What a task says, in a file beside it: both its outputs as they come. Bounded: of more than fits, beginning and end are kept, with a
 * note of what was left out between them. A file that cannot be written loses the log, and not the task.
 */
export class TaskLog extends Writable {
  readonly #file: FileHandle;
  readonly #heard: (chunk: Buffer) => void;
  readonly #failed: (error: Error) => void;
  #kept = 0;
  #tail = Buffer.alloc(0);
  #leftOut = 0;
  #broken = false;

  private constructor(file: FileHandle, heard: (chunk: Buffer) => void, failed: (error: Error) => void) {
    super({ decodeStrings: true });
    this.#file = file;
    this.#heard = heard;
    this.#failed = failed;
  }

  /** @param heard gets every byte as well */
  static async open(path: string, heard: (chunk: Buffer) => void, failed: (error: Error) => void): Promise<TaskLog> {
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants;
    return new TaskLog(await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600), heard, failed);
  }

  /** A line of hauki's own among the task's. */
  note(words: string): void {
    this.write(`hauki: ${words}\n`);
  }

  /** Everything is in the file. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.end(resolve));
    if (this.#leftOut > 0)
      await this.#put(Buffer.from(`\nhauki: ${this.#leftOut} bytes of its output are left out here\n`));
    await this.#put(this.#tail);
    await this.#file.close().catch(this.#failed);
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.#heard(chunk);
    const head = chunk.subarray(0, HEAD_BYTES_MAX - this.#kept);
    const rest = chunk.subarray(head.length);
    this.#kept += head.length;
    if (rest.length > 0) this.#keepEnd(rest);
    void this.#put(head).then(() => done());
  }

  #keepEnd(bytes: Buffer): void {
    const all = Buffer.concat([this.#tail, bytes]);
    // A copy, so that what is left out is let go of.
    this.#tail = Buffer.from(all.subarray(Math.max(0, all.length - TAIL_BYTES_MAX)));
    this.#leftOut += all.length - this.#tail.length;
  }

  async #put(bytes: Buffer): Promise<void> {
    if (this.#broken || bytes.length === 0) return;
    try {
      await this.#file.writeFile(bytes);
    } catch (error) {
      this.#broken = true;
      this.#failed(error as Error);
    }
  }
}
