import { StringDecoder } from 'node:string_decoder';

import type { Clock } from '../../ports/clock.ts';
import type { TaskPiece } from '../../ports/mesh.ts';

/** What is told at a time, chars: in JSON a char has six bytes at most, and a message 64 KiB. */
const CHARS_MAX = 8_000;
/** Told so often, ms: a third of what a link allows, since heartbeats and answers need it too. */
const EVERY_MS = 150;
/** What waits to be told, chars. What a task says beyond that stands in its log only. */
const WAITING_MAX = 64_000;
const PIECES_MAX = 64;

/** What the tasks of a node say, on its way to whoever watches: gathered, bounded, and never waited for. */
export class Feed {
  readonly #clock: Clock;
  readonly #send: (pieces: readonly TaskPiece[]) => void;
  readonly #decoders = new Map<string, StringDecoder>();
  #waiting: TaskPiece[] = [];
  #chars = 0;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, send: (pieces: readonly TaskPiece[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  begin(task: string, mutation: string): void {
    this.#decoders.set(task, new StringDecoder('utf8'));
    this.#add({ task, mutation, state: 'running' });
  }

  say(task: string, chunk: Buffer): void {
    const text = this.#decoders.get(task)?.write(chunk) ?? '';
    if (text === '') return;
    const room = WAITING_MAX - this.#chars;
    const kept = text.slice(0, Math.max(0, room));
    for (let at = 0; at < kept.length; at += CHARS_MAX) this.#add({ task, text: kept.slice(at, at + CHARS_MAX) });
    if (kept.length < text.length) this.#add({ task, leftOut: text.length - kept.length });
  }

  end(task: string, state: 'done' | 'failed' | 'denied', words: string): void {
    this.#decoders.delete(task);
    this.#add({ task, state, words: words.slice(0, 1_000) });
  }

  stop(): void {
    this.#cancel?.();
  }

  #add(piece: TaskPiece): void {
    const last = this.#waiting.findLastIndex(({ task }) => task === piece.task);
    const before = this.#waiting[last];
    const joined = before === undefined ? undefined : together(before, piece);
    if (joined === undefined) this.#waiting.push(piece);
    else this.#waiting[last] = joined;
    this.#chars += piece.text?.length ?? 0;
    // The states of thousands of short tasks: those that ended longest ago are told by the ledger.
    if (this.#waiting.length > 1_000) this.#chars -= this.#waiting.shift()?.text?.length ?? 0;
    this.#cancel ??= this.#clock.after(0, () => this.#tell());
  }

  #tell(): void {
    const pieces: TaskPiece[] = [];
    let chars = 0;
    while (pieces.length < PIECES_MAX) {
      const [next] = this.#waiting;
      const length = next === undefined ? 0 : (next.text?.length ?? 0) + (next.words?.length ?? 0) + next.task.length;
      if (next === undefined || (pieces.length > 0 && chars + length > CHARS_MAX)) break;
      pieces.push(next);
      chars += length;
      this.#chars -= next.text?.length ?? 0;
      this.#waiting.shift();
    }
    this.#cancel = undefined;
    if (pieces.length === 0) return;
    this.#send(pieces);
    this.#cancel = this.#clock.after(EVERY_MS, () => this.#tell());
  }
}

/** Two pieces of one task's words as one, where they fit into one. */
function together(before: TaskPiece, next: TaskPiece): TaskPiece | undefined {
  if (before.task !== next.task || before.state !== undefined || next.state !== undefined) return undefined;
  const text = (before.text ?? '') + (next.text ?? '');
  const leftOut = (before.leftOut ?? 0) + (next.leftOut ?? 0);
  // What is left out stands after the text.
  if (text.length > CHARS_MAX || (before.leftOut !== undefined && next.text !== undefined)) return undefined;
  return { task: next.task, ...(text === '' ? {} : { text }), ...(leftOut === 0 ? {} : { leftOut }) };
}
