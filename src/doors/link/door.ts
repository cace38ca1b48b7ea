import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { WebSocketServer } from 'ws';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, type Result } from '../../base/result.ts';
import type { Order } from '../../core/barrier/message.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Carrier, Heartbeat, LeaseWord, NodeAsk, TaskPiece } from '../../ports/mesh.ts';
import { type NodeAnswer, writeMessage } from '../../wire/link.ts';
import { EXPIRED, REFUSED, REPLACED, SILENT, STOPPING, TWICE } from './closing.ts';
import { Session } from './session.ts';

export interface LinkOptions {
  readonly heard: (node: string, heartbeat: Heartbeat, carrier: string) => void;
  /** What a node's tasks say; it is nobody's affair without one. */
  readonly output?: (node: string, pieces: readonly TaskPiece[]) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** Bytes. A heartbeat has a few hundred, with hundreds of leases some ten thousand. */
const MESSAGE_BYTES_MAX = 64 * 1024;
/** Without a heartbeat for so long a link is dead, ms; looked for so often. */
const SILENT_MS = 12_000;
const LOOK_MS = 2_500;
/** A process that was heard this recently, ms, is not pushed out by another that calls itself the same node. */
const ALIVE_MS = 5_000;
/** Of junk only so much is logged, a line for each of so many. */
const JUNK_LOGGED = 1_000;

/**
 * The controller's end of its nodes' links. One link a node:
 *
 * - From the same process the newer one counts: a process has one link, and opens another when it has given the first one up.
 * - From another process (another boot id) it is let in only when the one before is silent: with two processes of one name the older
 *   is kept. A barrier may rest on it, and taking turns at pushing each other out would end all barriers. After a crash the kernel
 *   closes the dead one's connection, so a restart does not wait; after a lost host it waits five seconds at most.
 */
export class LinkDoor implements Carrier {
  readonly name = 'link';
  readonly path = '/v1/link';
  readonly #options: LinkOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    clientTracking: false,
  });
  /** Those that have said which process they are. */
  readonly #linked = new Map<string, Session>();
  /** Those that have not yet; one a node, so that nobody can collect them. */
  readonly #opened = new Map<string, Session>();
  readonly #stopLooking: () => void;
  #closing = false;
  #junk = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    let cancel = (): void => {};
    const look = (): void => {
      this.#closeOver();
      cancel = options.clock.after(LOOK_MS, look);
    };
    cancel = options.clock.after(LOOK_MS, look);
    this.#stopLooking = () => cancel();
  }

  /** Messages that were not understood, since the start. */
  get junk(): number {
    return this.#junk;
  }

  /**
   * A request on `path` to become a WebSocket.
   *
   * @param node whose connection it is, by what it has shown
   * @param counts whether that still counts: asked again and again for as long as the link stands
   */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, node: string, counts = (): boolean => true): void {
    // It may break at any time before the WebSocket takes it over.
    socket.on('error', () => socket.destroy());
    if (this.#closing) socket.destroy();
    else this.#server.handleUpgrade(request, socket, head, (peer) => this.#open(node, peer, counts));
  }

  reaches(node: string): boolean {
    return this.#linked.has(node);
  }

  send(nodes: readonly string[], order: Order): void {
    const text = Buffer.from(writeMessage(order));
    for (const node of nodes) this.#linked.get(node)?.send(text);
  }

  tell(node: string, word: LeaseWord): void {
    this.#linked.get(node)?.send(Buffer.from(writeMessage(word)));
  }

  /** Has a node do something now, and waits for its answer. Refused as `node_lost` when it is not linked or says nothing. */
  async command(node: string, ask: NodeAsk): Promise<Result<NodeAnswer, Refusal>> {
    const session = this.#linked.get(node);
    if (session === undefined) return err(refusal('node_lost', `Node ${node} has no link to this controller.`));
    return session.ask(ask);
  }

  /** A node that may not be one any more. */
  refuse(node: string): void {
    for (const sessions of [this.#linked, this.#opened]) sessions.get(node)?.close(REFUSED);
  }

  close(): void {
    this.#closing = true;
    this.#stopLooking();
    for (const sessions of [this.#linked, this.#opened]) for (const one of sessions.values()) one.close(STOPPING);
  }

  #open(node: string, peer: ConstructorParameters<typeof Session>[1], counts: () => boolean): void {
    const session = new Session(node, peer, counts, this.#options.clock, {
      heartbeat: (from, heartbeat) => this.#heard(from, heartbeat),
      output: ({ node: from, boot }, pieces) => {
        // Before its first heartbeat nobody knows which process it is.
        if (boot !== undefined) this.#options.output?.(from, pieces);
      },
      junk: (from, why) => this.#countJunk(from, why),
      closed: (gone) => this.#forget(gone),
    });
    this.#opened.get(node)?.close(REPLACED);
    this.#opened.set(node, session);
  }

  #heard(session: Session, heartbeat: Heartbeat): void {
    const { node } = session;
    const { boot } = heartbeat.pulse;
    if (session.boot === undefined && !this.#admit(session, boot)) return;
    if (session.boot !== boot) return this.#countJunk(session, 'it speaks for another process than before');
    this.#options.heard(node, heartbeat, this.name);
  }

  /** The first heartbeat of a link says which process it is. */
  #admit(session: Session, boot: string): boolean {
    const { node } = session;
    const { clock, log } = this.#options;
    const before = this.#linked.get(node);
    if (before !== undefined && before.boot !== boot) {
      const silentMs = clock.mono() - before.heardMono;
      if (silentMs < ALIVE_MS) {
        log.warn({ node, boot, linked: before.boot }, 'two processes call themselves the same node; the older is kept');
        session.close(TWICE);
        return false;
      }
    }
    before?.close(REPLACED);
    session.boot = boot;
    this.#opened.delete(node);
    this.#linked.set(node, session);
    log.info({ node, boot }, 'a node is linked');
    return true;
  }

  #forget(session: Session): void {
    const { node, boot } = session;
    if (this.#opened.get(node) === session) this.#opened.delete(node);
    if (this.#linked.get(node) !== session) return;
    this.#linked.delete(node);
    if (!this.#closing) this.#options.log.info({ node, boot }, "a node's link is gone");
  }

  #closeOver(): void {
    const mono = this.#options.clock.mono();
    for (const sessions of [this.#linked, this.#opened]) {
      for (const session of sessions.values()) {
        if (mono - session.heardMono >= SILENT_MS) session.close(SILENT);
        else if (!session.counts()) session.close(EXPIRED);
      }
    }
  }

  #countJunk({ node }: Session, why: string): void {
    this.#junk += 1;
    if (this.#junk % JUNK_LOGGED !== 1) return;
    this.#options.log.warn({ node, why, sinceStart: this.#junk }, 'a message on a link is not understood');
  }
}
