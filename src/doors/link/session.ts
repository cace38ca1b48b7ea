import { randomUUID } from 'node:crypto';

import type { RawData, WebSocket } from 'ws';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Heartbeat, NodeAsk, TaskPiece } from '../../ports/mesh.ts';
import { type NodeAnswer, readToController, writeMessage } from '../../wire/link.ts';
import { Allowance } from './allowance.ts';
import { type Closing, FLOOD, JUNK } from './closing.ts';

/** A node says one thing every two seconds, and a few more in a barrier. */
const MESSAGES_AT_ONCE = 100;
const MESSAGES_PER_SECOND = 20;
/** A newer node may say something that this controller does not know, now and then. */
const JUNK_AT_ONCE = 10;
const JUNK_PER_SECOND = 0.1;
/** A peer that reads so little of what it is sent, bytes, reads nothing. */
const UNREAD_BYTES_MAX = 1024 * 1024;
const ANSWER_MS = 5_000;
/** What is closed has so long to read why, ms; whoever goes on talking is cut off. */
const GOODBYE_MS = 1_000;

export interface SessionEvents {
  readonly heartbeat: (session: Session, heartbeat: Heartbeat) => void;
  readonly output: (session: Session, pieces: readonly TaskPiece[]) => void;
  readonly junk: (session: Session, why: string) => void;
  readonly closed: (session: Session) => void;
}

/** One WebSocket of a node: its messages understood and bounded. What they mean is the door's affair. */
export class Session {
  readonly node: string;
  /** Whether what it was let in by still counts. */
  readonly counts: () => boolean;
  /** Of the process at the other end, known from its first heartbeat on. */
  boot: string | undefined;
  /** When it was opened, or said something worth hearing last. */
  heardMono: number;
  readonly #socket: WebSocket;
  readonly #clock: Clock;
  readonly #messages: Allowance;
  readonly #junk: Allowance;
  readonly #asked = new Map<string, (answer: Result<NodeAnswer, Refusal>) => void>();
  #over = false;

  constructor(node: string, socket: WebSocket, counts: () => boolean, clock: Clock, events: SessionEvents) {
    const mono = clock.mono();
    this.node = node;
    this.counts = counts;
    this.heardMono = mono;
    this.#socket = socket;
    this.#clock = clock;
    this.#messages = new Allowance(MESSAGES_AT_ONCE, MESSAGES_PER_SECOND, mono);
    this.#junk = new Allowance(JUNK_AT_ONCE, JUNK_PER_SECOND, mono);
    socket.on('message', (data, isBinary) => this.#take(data, isBinary, events));
    // A frame that is too big or no WebSocket frame at all: the library closes, and says why to the peer.
    socket.on('error', (error) => events.junk(this, error.message));
    socket.on('close', () => {
      this.#over = true;
      for (const answer of this.#asked.values()) answer(err(this.#unanswered('the link broke before it answered')));
      this.#asked.clear();
      events.closed(this);
    });
  }

  /** @param text a frame's content; the same for all nodes that get it, so that it is made once */
  send(text: Buffer): void {
    if (this.#over) return;
    if (this.#socket.bufferedAmount > UNREAD_BYTES_MAX) return this.drop();
    this.#socket.send(text, { binary: false });
  }

  async ask(ask: NodeAsk): Promise<Result<NodeAnswer, Refusal>> {
    if (this.#over) return err(this.#unanswered('its link is closed'));
    // A node answers over whatever link it has by then: no other session may have asked by this id.
    const id = randomUUID();
    return new Promise((resolve) => {
      const answer = (result: Result<NodeAnswer, Refusal>): void => {
        cancel();
        this.#asked.delete(id);
        resolve(result);
      };
      const cancel = this.#clock.after(ANSWER_MS, () => answer(err(this.#unanswered(`not within ${ANSWER_MS} ms`))));
      this.#asked.set(id, answer);
      this.send(Buffer.from(writeMessage({ type: 'command', id, ...ask })));
    });
  }

  close([code, words]: Closing): void {
    if (this.#over) return;
    this.#over = true;
    this.#socket.close(code, words);
    this.#clock.after(GOODBYE_MS, () => this.#socket.terminate());
  }

  /** Ends it without a word, where nobody reads one. */
  drop(): void {
    this.#over = true;
    this.#socket.terminate();
  }

  #take(data: RawData, isBinary: boolean, events: SessionEvents): void {
    if (this.#over) return;
    const mono = this.#clock.mono();
    if (!this.#messages.take(mono)) return this.close(FLOOD);
    const message = isBinary ? undefined : readToController((data as Buffer).toString());
    if (message?.ok !== true) {
      events.junk(this, message?.error.message ?? 'The message is binary.');
      if (!this.#junk.take(mono)) this.close(JUNK);
      return;
    }
    this.heardMono = mono;
    if (message.value.type === 'heartbeat') events.heartbeat(this, message.value);
    else if (message.value.type === 'output') events.output(this, message.value.pieces);
    else this.#asked.get(message.value.id)?.(ok(message.value));
  }

  #unanswered(why: string): Refusal {
    return refusal('node_lost', `Node ${this.node} did not answer: ${why}.`);
  }
}
