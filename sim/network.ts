import type { Carrier, Heartbeat, LeaseWord } from '../src/ports/mesh.ts';
import type { Node } from './node.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

const CARRIERS = ['link', 'irc'] as const;

/**
 * What carries messages between the controller and the nodes: it drops, delays, doubles and overtakes. A node can be cut off, in
 * one direction or both.
 */
export class Network {
  readonly #world: World;
  readonly #cut = new Map<string, 'to' | 'from' | 'both'>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A node is not reached, or not heard, for a while. */
  cut(node: string): void {
    const { random, timeline, nature } = this.#world;
    const way = random.pick(['to', 'from', 'both'] as const);
    this.#cut.set(node, way);
    this.#world.say(`network: ${node} is cut off (${way})`);
    timeline.plan(random.int(100, 30_000), nature, () => this.#cut.delete(node));
  }

  /** What a node sends arrives. */
  hears(node: string): boolean {
    return !this.#cut.has(node) || this.#cut.get(node) === 'to';
  }

  /** What is sent to a node arrives. */
  reaches(node: string): boolean {
    return !this.#cut.has(node) || this.#cut.get(node) === 'from';
  }

  mend(): void {
    this.#cut.clear();
  }

  /** Those of one controller: what it has sent arrives also when it is dead by then. */
  carriers(controller: Being): Carrier[] {
    return CARRIERS.map((name) => ({
      name,
      reaches: () => true,
      send: (nodes, order) => {
        if (!controller.alive) return;
        for (const node of nodes) this.#toNode(node, (reader) => reader.receive(order));
      },
      // As in the world: only a link carries them.
      ...(name === 'link'
        ? {
            tell: (node: string, word: LeaseWord): void => {
              if (controller.alive) this.#toNode(node, (reader) => reader.hear(word));
            },
          }
        : {}),
    }));
  }

  toController(from: string, heartbeat: Heartbeat): void {
    if (!this.hears(from)) return;
    for (const carrier of CARRIERS) {
      this.#carry(() => this.#world.controller.mesh?.heard(from, heartbeat, carrier));
    }
  }

  #toNode(name: string, reads: (node: Node) => void): void {
    if (!this.reaches(name)) return;
    this.#carry(() => {
      const node = this.#world.nodes.find((one) => one.name === name);
      if (node === undefined || !node.life.alive) return;
      // Read when it wakes.
      this.#world.timeline.plan(0, node.life, () => reads(node));
    });
  }

  #carry(arrive: () => void): void {
    const { random, weather, timeline, nature } = this.#world;
    if (random.chance(weather.messageLost)) return;
    const copies = random.chance(weather.messageTwice) ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) {
      timeline.plan(random.latency(0, weather.messageMsMax), nature, arrive);
    }
  }
}
