import { Writable } from 'node:stream';

/** Takes whatever comes, and keeps its beginning and its end, each of at most so many bytes. */
export class Excerpt extends Writable {
  readonly #bytesMax: number;
  #head = Buffer.alloc(0);
  #tail = Buffer.alloc(0);
  #leftOut = 0;

  constructor(bytesMax: number) {
    super({ decodeStrings: true });
    this.#bytesMax = bytesMax;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const room = this.#bytesMax - this.#head.length;
    if (room > 0) this.#head = Buffer.concat([this.#head, chunk.subarray(0, room)]);
    const tail = Buffer.concat([this.#tail, chunk.subarray(Math.max(room, 0))]);
    const over = Math.max(tail.length - this.#bytesMax, 0);
    this.#leftOut += over;
    this.#tail = tail.subarray(over);
    done();
  }

  /** @returns the text, with a note where bytes were left out */
  get said(): { readonly text: string; readonly leftOut: number } {
    const [head, tail] = [this.#head.toString('utf8'), this.#tail.toString('utf8')];
    const between = this.#leftOut === 0 ? '' : `\n… ${this.#leftOut} bytes left out …\n`;
    return { text: head + between + tail, leftOut: this.#leftOut };
  }
}
