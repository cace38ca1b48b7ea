import type { Refusal } from '../src/base/refusal.ts';
import type { CommandBody } from '../src/core/command.ts';
import type { Mutation, MutationId } from '../src/core/mutation/mutation.ts';
import type { Incarnation } from './controller.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

export type Reply =
  | { readonly kind: 'ok'; readonly mutation: Mutation | undefined }
  | { readonly kind: 'refused'; readonly reason: Refusal }
  /** The connection broke before the answer was there: nobody knows. */
  | { readonly kind: 'lost' };

const LOST: Reply = { kind: 'lost' };

/** The way in, with a network that takes time and breaks. Every connection belongs to one being at the other end. */
export class Door {
  readonly #world: World;
  readonly #open = new Set<Connection>();
  /** Calls that reached a controller and were not answered yet. */
  unanswered = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** @param from the node it calls from, when the network may cut that off; the host itself otherwise */
  connect(client: Being, from?: string): Connection {
    const connection = new Connection(this.#world, client, from, () => this.#open.delete(connection));
    this.#open.add(connection);
    return connection;
  }

  controllerGone(): void {
    this.unanswered = 0;
    for (const connection of [...this.#open]) connection.break();
  }

  /** A process died: the kernel closes what it had open. */
  clientGone(client: Being): void {
    for (const connection of [...this.#open]) if (connection.client === client) connection.close();
  }
}

export class Connection {
  readonly client: Being;
  isOpen = true;
  readonly #world: World;
  readonly #from: string | undefined;
  readonly #onEnd: () => void;
  readonly #waiting = new Set<(reply: Reply) => void>();
  /** The attached mutation whose life hangs on this connection, and the controller that knows. */
  #attached: { readonly mutation: MutationId; readonly to: Incarnation } | undefined;

  constructor(world: World, client: Being, from: string | undefined, onEnd: () => void) {
    this.#world = world;
    this.#from = from;
    this.client = client;
    this.#onEnd = onEnd;
  }

  /** @param attached whether the mutation of the call lives no longer than this connection */
  call(body: CommandBody, until?: (mutation: Mutation) => boolean, attached = false): Promise<Reply> {
    if (!this.isOpen) return Promise.resolve(LOST);
    const { timeline } = this.#world;
    return new Promise((resolve) => {
      const answer = (reply: Reply): void => {
        if (this.#waiting.delete(answer)) timeline.plan(this.#net(), this.client, () => resolve(reply));
      };
      this.#waiting.add(answer);
      timeline.plan(this.#net(), this.#world.nature, () => this.#arrive(body, until, attached, answer));
    });
  }

  /** The client's end is closed; the controller hears of it a little later. */
  close(): void {
    this.#end();
    const attached = this.#attached;
    if (attached === undefined) return;
    this.#world.timeline.plan(this.#net(), this.#world.nature, () => this.#tellGone(attached.to, attached.mutation));
  }

  /** Broken in between: both ends notice. */
  break(): void {
    const waiting = [...this.#waiting];
    this.close();
    for (const answer of waiting) answer(LOST);
    this.#waiting.clear();
  }

  #end(): void {
    this.isOpen = false;
    this.#onEnd();
  }

  #arrive(
    body: CommandBody,
    until: ((mutation: Mutation) => boolean) | undefined,
    attached: boolean,
    answer: (reply: Reply) => void,
  ): void {
    const { controller, door, random, weather, invariants, network } = this.#world;
    const serving = controller.serving;
    if (serving === undefined || !this.isOpen || (this.#from !== undefined && !network.hears(this.#from))) {
      answer(LOST);
      return;
    }
    const asked = body.type === 'request' ? { ...body, mutation: serving.engine.newId() } : body;
    if (attached && 'mutation' in asked) this.#attached = { mutation: asked.mutation, to: serving };
    door.unanswered += 1;
    const lost = random.chance(weather.answerLost);
    void serving.engine.submit(asked, until).then((result) => {
      if (!serving.alive) return;
      door.unanswered -= 1;
      invariants.answered(asked, result);
      if (attached && result.ok && result.value !== undefined) {
        this.#attached = { mutation: result.value.id, to: serving };
        // The connection closed while the call was under way, or the answer is about an earlier mutation.
        if (!this.isOpen) this.#tellGone(serving, result.value.id);
      }
      if (lost || (this.#from !== undefined && !network.reaches(this.#from))) this.break();
      else answer(result.ok ? { kind: 'ok', mutation: result.value } : { kind: 'refused', reason: result.error });
    });
  }

  #tellGone(to: Incarnation, mutation: MutationId): void {
    if (!to.alive || to.engine === undefined) return;
    this.#world.say(`door: the caller of ${mutation} is gone`);
    this.#world.invariants.toldGone(mutation);
    to.engine.tell({ type: 'holder_gone', mutation });
  }

  #net(): number {
    return this.#world.random.latency(0, this.#world.weather.netMsMax);
  }
}
