import type { CommandBody } from '../src/core/command.ts';
import { isFinal, type Mutation, type MutationId, type MutationRequest } from '../src/core/mutation/mutation.ts';
import { contains } from '../src/core/dataset.ts';
import { GuardedCommand } from './command.ts';
import type { Connection, Reply } from './door.ts';
import type { Node } from './node.ts';
import { DATASETS } from './pool.ts';
import type { Being } from './timeline.ts';
import type { World } from './world.ts';

const UNDECIDED = new Set(['queued', 'halting', 'snapshotting', 'verifying', 'withdrawing']);
/** So much of a lease is kept back, for the clocks' difference and the time it takes to stop. */
const KEPT_BACK = 0.1;
/** After these codes the lease is over for good. */
const OVER = new Set(['fence_stale', 'lease_lost', 'mutation_unknown']);

/**
 * Somebody who changes state the way `hauki guard` does: asks, runs a command while its lease holds by its own clock, renews,
 * commits or rolls back, and comes back when the controller was away. It can die or stall at any point.
 *
 * Its deadline counts from the moment it *sent* the call that was granted, never from the answer: an answer can lie unread for
 * an hour.
 */
export class Caller implements Being {
  alive = true;
  stalledUntil = 0;
  readonly name: string;
  readonly #world: World;
  readonly #request: MutationRequest;
  /** Its clock runs a little fast or slow. */
  readonly #rate: number;
  /** The node in whose process it works, as a task does: they die and stall together, and its lease rides on the node's heartbeats. */
  readonly #host: Node | undefined;
  /** The controller's last word on the lease came by heartbeat. */
  #carried = false;
  #letGo = (): void => {};
  #working: MutationId | undefined;
  #connection: Connection;
  #deadline = 0;
  #revoked = false;
  #renewing = false;

  constructor(world: World) {
    const { random } = world;
    this.#world = world;
    this.name = world.serial('caller');
    this.#rate = 1 + (random.fraction() - 0.5) / 100;
    const up = world.nodes.filter(({ life }) => life.alive);
    this.#host = up.length > 0 && random.chance(0.5) ? random.pick(up) : undefined;
    this.#host?.guests.add(this);
    this.stalledUntil = this.#host?.life.stalledUntil ?? 0;
    this.#request = requestOf(world, this.#host?.name ?? this.name);
    this.#connection = world.door.connect(this, this.#host?.name);
    world.callers.add(this);
    void this.#live();
  }

  /** What it has a command run under, believing in its lease. */
  get working(): MutationId | undefined {
    return this.#working;
  }

  die(): void {
    if (!this.alive) return;
    this.#world.say(`${this.name}: dies`);
    this.#end();
  }

  async #live(): Promise<void> {
    const { random, weather } = this.#world;
    if (random.chance(weather.callerStalls)) this.#planStall(this.#request.waitMs);
    const mutation = await this.#ask();
    if (mutation?.stage !== 'cleared') {
      this.#world.say(`${this.name}: not cleared, does nothing (${mutation?.stage ?? 'no answer'})`);
      this.#end();
      return;
    }
    if (random.chance(weather.callerDies)) this.#planDeath(mutation);
    if (random.chance(weather.callerStalls)) this.#planStall(this.#request.ttlMs, mutation);
    const ending = await this.#work(mutation);
    await this.#finish(mutation, ending === 'succeeded' ? 'commit' : 'rollback');
  }

  async #ask(): Promise<Mutation | undefined> {
    const request = this.#request;
    for (let tries = 0; tries < 6; tries += 1) {
      const sent = this.#mono();
      const until = ({ stage }: Mutation): boolean => !UNDECIDED.has(stage);
      const body: CommandBody = { type: 'request', mutation: '', request };
      const reply = await this.#connection.call(body, until, request.attached);
      if (reply.kind === 'ok') {
        this.#deadline = this.#until(sent);
        return reply.mutation;
      }
      if (reply.kind === 'refused' || request.key === undefined) return undefined;
      await this.#reconnect();
    }
    return undefined;
  }

  /** Runs the command until it ends, or the lease does by this side's own clock. */
  async #work(mutation: Mutation): Promise<GuardedCommand['ending']> {
    const { random, weather, bug } = this.#world;
    const paths = [...this.#world.pool.files.keys()].filter((path) =>
      mutation.datasets.some(({ name }) => contains(name, path)),
    );
    const extra = mutation.datasets.map(({ name }) => `${name}/new`);
    const command = new GuardedCommand(this.#world, mutation.id, [...paths, ...extra]);
    if (bug?.confirms === false || (await this.#confirm(mutation))) command.begin();
    else command.kill();
    this.#ride(mutation);
    this.#working = mutation.id;
    const pollMs = Math.max(200, this.#request.ttlMs / 8);
    while (command.ending === undefined) {
      if (this.#revoked || this.#leftMs() <= 0) {
        this.#world.say(`${this.name}: the lease of ${mutation.id} is over, stops the command`);
        command.kill();
        break;
      }
      if (random.chance(weather.staleFence)) this.#tryStaleFence(mutation);
      // What heartbeats keep is asked for only when they do not.
      if (this.#leftMs() < this.#request.ttlMs * (this.#carried ? 1 / 2 : 2 / 3)) void this.#renew(mutation);
      await this.#pause(Math.min(pollMs, Math.max(1, this.#leftMs())));
    }
    this.#working = undefined;
    this.#letGo();
    return command.ending;
  }

  /** On the heartbeats of its node. */
  #ride({ id, fence = 0 }: Mutation): void {
    if (this.#host === undefined) return;
    const renewed = (endsMono: number): void => {
      this.#carried = true;
      this.#deadline = Math.max(this.#deadline, endsMono - this.#request.ttlMs * KEPT_BACK);
    };
    const lost = (): void => void (this.#revoked = true);
    this.#letGo = this.#host.leases.hold({ mutation: id, fence }, { renewed, lost });
  }

  async #finish(mutation: Mutation, type: 'commit' | 'rollback'): Promise<void> {
    const { random } = this.#world;
    const fence = mutation.fence ?? 0;
    const until = (now: Mutation): boolean => isFinal(now) || now.stage === 'quarantined';
    for (let tries = 0; tries < 8; tries += 1) {
      const reply = await this.#connection.call({ type, mutation: mutation.id, fence }, until);
      this.#world.say(`${this.name}: ${type} of ${mutation.id}: ${describe(reply)}`);
      if (reply.kind === 'ok') break;
      if (reply.kind === 'refused' && OVER.has(reply.reason.code)) break;
      if (reply.kind === 'lost' && random.chance(0.1)) break;
      await this.#reconnect(mutation);
    }
    this.#end();
  }

  /** Whether the clearance still stands, asked now that there is a command that could be stopped. */
  async #confirm(mutation: Mutation): Promise<boolean> {
    for (let tries = 0; tries < 5 && !this.#revoked; tries += 1) {
      if (await this.#renew(mutation)) return this.#leftMs() > 0;
    }
    return false;
  }

  async #renew(mutation: Mutation): Promise<boolean> {
    if (this.#renewing) return false;
    this.#renewing = true;
    const sent = this.#mono();
    if (!this.#connection.isOpen) await this.#reconnect(mutation);
    const reply = await this.#connection.call({ type: 'renew', mutation: mutation.id, fence: mutation.fence ?? 0 });
    if (reply.kind === 'ok') {
      this.#deadline = Math.max(this.#deadline, this.#until(sent));
      this.#carried = false;
    }
    if (reply.kind === 'refused' && OVER.has(reply.reason.code)) this.#revoked = true;
    this.#renewing = false;
    return reply.kind === 'ok';
  }

  /** After a while, on a new connection; an attached caller says that it is still there. */
  async #reconnect(mutation?: Mutation): Promise<void> {
    await this.#pause(this.#world.random.int(50, 2_000));
    if (!this.#connection.isOpen) this.#connection = this.#world.door.connect(this, this.#host?.name);
    if (mutation === undefined || !this.#request.attached) return;
    const fence = mutation.fence ?? 0;
    const reply = await this.#connection.call({ type: 'attach', mutation: mutation.id, fence }, undefined, true);
    if (reply.kind === 'refused' && OVER.has(reply.reason.code)) this.#revoked = true;
  }

  #tryStaleFence(mutation: Mutation): void {
    const { random } = this.#world;
    const fence = Math.max(0, (mutation.fence ?? 0) + random.pick([-1, -2, 1]));
    const type = random.pick(['commit', 'rollback', 'renew'] as const);
    void this.#connection.call({ type, mutation: mutation.id, fence });
  }

  #planDeath(mutation: Mutation): void {
    const { random, timeline, nature, commands } = this.#world;
    const withCommand = random.chance(0.5);
    timeline.plan(random.int(1, this.#request.ttlMs), nature, () => {
      if (this.#host === undefined || !this.alive) this.die();
      else this.#host.die();
      for (const command of [...commands]) if (withCommand && command.mutation === mutation.id) command.kill();
    });
  }

  /** Paused for longer than its lease lasts, alone or with its command: then both wake and go on as if nothing had been. */
  #planStall(withinMs: number, mutation?: Mutation): void {
    const { random, timeline, nature, commands } = this.#world;
    const withCommand = random.chance(0.5);
    timeline.plan(random.int(1, withinMs), nature, () => {
      const until = timeline.now + random.int(500, this.#request.ttlMs * 2);
      if (this.#host === undefined) this.stalledUntil = Math.max(this.stalledUntil, until);
      else if (this.alive) this.#host.stall(until - timeline.now);
      for (const command of commands)
        if (withCommand && command.mutation === mutation?.id) command.stalledUntil = until;
      this.#world.say(`${this.name}: stalls until ${until}${withCommand ? ', with its command' : ''}`);
    });
  }

  #end(): void {
    this.alive = false;
    this.#letGo();
    this.#host?.guests.delete(this);
    this.#world.callers.delete(this);
    this.#world.door.clientGone(this);
  }

  #mono(): number {
    return this.#host?.mono ?? this.#world.timeline.now * this.#rate;
  }

  #leftMs(): number {
    return this.#deadline - this.#mono();
  }

  #until(sent: number): number {
    return sent + this.#request.ttlMs * (1 - KEPT_BACK);
  }

  #pause(ms: number): Promise<void> {
    return this.#world.timeline.pause(ms / this.#rate, this);
  }
}

function requestOf(world: World, node: string): MutationRequest {
  const { random } = world;
  const names: string[] = [];
  const wanted = random.pick([1, 1, 1, 2, 3]);
  for (let tries = 0; tries < 6 && names.length < wanted; tries += 1) {
    const name = random.pick(DATASETS);
    if (!names.some((other) => other === name || contains(other, name) || contains(name, other))) names.push(name);
  }
  // Now and then one inside another: that must be denied.
  if (random.chance(0.03)) names.push(`${names[0] ?? '/a'}/inside`);
  const key = random.chance(0.6) ? world.serial('key') : undefined;
  return {
    node,
    intent: random.pick(['deploy x', 'migrate the schema', 'patch & restart', '☃ $(reboot) @home/../..']),
    datasets: names.map((name) => ({ name, driver: 'memory' })),
    ...modeOf(world),
    ttlMs: random.pick([1_000, 2_000, 5_000, 20_000, 60_000]),
    waitMs: random.pick([0, 1_000, 10_000, 60_000]),
    onExpiry: random.chance(0.2) ? 'quarantine' : 'rollback',
    attached: random.chance(0.6),
    ...(key === undefined ? {} : { key, keyDigest: node }),
  };
}

function modeOf({ nodes, random }: World): Pick<MutationRequest, 'mode' | 'hold' | 'allowMissing' | 'flushMs'> {
  if (nodes.length === 0 || random.chance(0.6)) return { mode: 'standard' };
  return {
    mode: 'critical',
    flushMs: random.pick([1_000, 5_000, 15_000]),
    ...(random.chance(0.4) ? { hold: true } : {}),
    ...(random.chance(0.2) ? { allowMissing: [random.pick(nodes).name] } : {}),
  };
}

function describe(reply: Reply): string {
  if (reply.kind === 'refused') return reply.reason.code;
  return reply.kind === 'ok' ? (reply.mutation?.stage ?? 'unknown') : 'the answer was lost';
}
