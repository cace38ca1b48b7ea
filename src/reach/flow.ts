import { setImmediate, setTimeout } from 'node:timers/promises';
import { type Readable, Writable } from 'node:stream';

/** So long without a byte, of a program that has ended, and nothing more of its own is in the pipe. */
const IDLE_MS = 50;

/** Bytes on their way from a process to whoever wants them. */
export interface Flow {
  /** Resolves when the source has ended, or nobody wants any more of it. Never rejects. */
  readonly done: Promise<'over' | 'unwanted'>;
  /** The process has ended: takes what it wrote, and does not wait for others who may hold the pipe. */
  readonly settle: () => Promise<void>;
}

/**
 * @param pieces what of each chunk goes on; and whether that was all
 * @param sink gets it at its own pace. When it takes no more, the source is closed, so that its writer gets to know it.
 */
export function flow(
  source: Readable,
  sink: Writable | undefined,
  pieces: (chunk: Buffer) => { readonly pieces: readonly Buffer[]; readonly last: boolean },
): Flow {
  let moved = 0;
  let waiting = false;
  let over = false;
  const ignore = (): void => undefined;
  sink?.on('error', ignore);
  const run = async (): Promise<'over' | 'unwanted'> => {
    for await (const chunk of source) {
      moved += 1;
      const taken = pieces(chunk as Buffer);
      for (const piece of taken.pieces) {
        if (sink === undefined) continue;
        waiting = true;
        const accepted = await write(sink, piece);
        waiting = false;
        // Leaving the loop closes the source.
        if (!accepted) return 'unwanted';
      }
      if (taken.last) return 'over';
    }
    return 'over';
  };
  const done = run()
    // A pipe that breaks is one that ends.
    .catch((): 'over' => 'over')
    .finally(() => {
      over = true;
      sink?.off('error', ignore);
    });
  return {
    done,
    settle: async () => {
      for (let before = -1; !over && (waiting || before !== moved);) {
        before = moved;
        await Promise.race([setTimeout(IDLE_MS), done]);
        // However long this process slept: what is in the pipe has been looked at twice before the pipe counts as empty.
        await setImmediate();
        await setImmediate();
      }
      source.destroy();
      await done;
    },
  };
}

/** @returns false when nobody takes it any more */
function write(sink: Writable, piece: Buffer): Promise<boolean> {
  if (sink.destroyed || sink.writableEnded) return Promise.resolve(false);
  return new Promise((resolve) => {
    const end = (accepted: boolean) => (): void => {
      sink.off('drain', drained).off('close', gone).off('error', gone);
      resolve(accepted);
    };
    const drained = end(true);
    const gone = end(false);
    sink.on('close', gone).on('error', gone);
    if (sink.write(piece)) drained();
    else sink.on('drain', drained);
  });
}

/**
 * Feeds a process. It may end, or close its input, before it has read everything: that is its own affair.
 *
 * @returns what ends the feeding
 */
export function feed(target: Writable, input: Readable | Uint8Array | undefined): () => void {
  target.on('error', () => undefined);
  if (input === undefined || input instanceof Uint8Array) target.end(input);
  else input.pipe(target);
  return () => {
    if (input !== undefined && !(input instanceof Uint8Array)) input.unpipe(target);
    target.destroy();
  };
}

/** A frame has its length first, in four bytes; one without length is the last. */
const FRAME_BYTES_MAX = 32 * 1024;
const LAST_FRAME = Buffer.alloc(4);

/**
 * What is written to it goes on in frames. Its end is a frame too, and what is below stays open: a reader there takes the end of that for the
 * end of whoever wrote.
 */
export function framed(below: Writable): Writable {
  return new Writable({
    write: (chunk: Buffer, _, done) => {
      let accepted = true;
      for (let at = 0; at < chunk.length; at += FRAME_BYTES_MAX) {
        const piece = chunk.subarray(at, at + FRAME_BYTES_MAX);
        const size = Buffer.alloc(4);
        size.writeUInt32BE(piece.length);
        below.write(size);
        accepted = below.write(piece);
      }
      if (accepted) done();
      else below.once('drain', done);
    },
    final: (done) => {
      below.write(LAST_FRAME);
      done();
    },
    destroy: (error, done) => {
      below.destroy();
      done(error);
    },
    // Once the last frame is written it still holds what is below.
    autoDestroy: false,
  });
}
