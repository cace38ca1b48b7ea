import type { Order } from '../src/core/barrier/message.ts';
import type { Carrier, Heartbeat } from '../src/ports/mesh.ts';
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
        for (const node of nodes) this.#toNode(node, order);
      },
    }));
  }

  toController(from: string, heartbeat: Heartbeat): void {
    if (this.#cut.has(from) && this.#cut.get(from) !== 'to') return;
    for (const carrier of CARRIERS) {
      this.#carry(() => this.#world.controller.mesh?.heard(from, heartbeat, carrier));
    }
  }

  #toNode(name: string, order: Order): void {
    if (this.#cut.has(name) && this.#cut.get(name) !== 'from') return;
    this.#carry(() => {
      const node = this.#world.nodes.find((one) => one.name === name);
      if (node === undefined || !node.life.alive) return;
      // Read when it wakes.
      this.#world.timeline.plan(0, node.life, () => node.receive(order));
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
