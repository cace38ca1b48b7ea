import { loadavg } from 'node:os';

import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Heartbeat, TaskDrop, TaskPiece } from '../ports/mesh.ts';
import type { Vault, VaultView } from '../ports/vault.ts';
import type { MessageToNode, NodeAnswer, NodeCommand } from '../wire/link.ts';
import { flush, type FlushPlan } from './halting/flush.ts';
import type { Freezable } from './halting/freezable.ts';
import { Freezer } from './halting/freezer.ts';
import type { Run } from './halting/process.ts';
import { Stand } from './halting/stand.ts';
import { readObject, WholeFile } from './heartbeat/file.ts';
import { VaultCopy } from './heartbeat/vault-copy.ts';
import { HeldLeases } from './held-leases.ts';
import { BEAT_MS } from './link/link.ts';
import type { OpenUplink, Uplink } from './uplink.ts';

export interface NodeOptions {
  readonly name: string;
  readonly version: string;
  /** Fresh for each run of the process. */
  readonly boot: string;
  /** Where its controller is, in words. */
  readonly controller: string;
  /** The ways there. */
  readonly uplinks: readonly OpenUplink[];
  readonly flush: FlushPlan;
  /** Where the hooks run. */
  readonly run: Run;
  readonly freeze: readonly Freezable[];
  /** The longest that anything stays frozen, ms. */
  readonly freezeMsMax: number;
  readonly heartbeatFile: string;
  /** Where the mesh's file space is, for a node that has it. */
  readonly vault?: Vault;
  readonly frozenFile: string;
  /** Its Shadow Writer; undefined: it runs no tasks. */
  readonly tasks?: Tasks;
  readonly clock: Clock;
  readonly log: Log;
}

/** What a node's Shadow Writer is to the node. */
export interface Tasks {
  /** The task that it is at. */
  readonly running: string | undefined;
  /** @param mayTake false while the node is halted */
  start(mayTake: () => boolean): void;
  /** Looks for tasks now. */
  poll(): void;
  /** Takes one into the inbox, if it is signed by somebody who may. @returns in words, what becomes of it @throws RefusedError */
  drop(drop: TaskDrop): Promise<string>;
  stop(): Promise<void>;
}

/** What heartbeat.json holds. */
export interface HeartbeatRecord extends Heartbeat {
  readonly node: string;
  readonly controller: string;
}

export interface NodeStatus {
  readonly node: string;
  readonly controller: string;
  /** Its ways to the controller, and how they are. */
  readonly uplinks: readonly { readonly name: string; readonly up: boolean; readonly view?: object }[];
  /** What is frozen at the moment, in words. */
  readonly frozen: readonly string[];
  readonly vault?: VaultView;
  readonly heartbeat: Heartbeat;
}

/** One identity in the mesh: says how it is, takes orders, halts and flushes. A process can be several. */
export class MeshNode {
  readonly name: string;
  /** Clearances of this node, kept by its heartbeats. */
  readonly leases: HeldLeases;
  readonly #options: NodeOptions;
  readonly #stand: Stand;
  readonly #freezer: Freezer;
  readonly #uplinks: readonly Uplink[];
  readonly #file: WholeFile;
  readonly #copy: VaultCopy | undefined;
  readonly #begunMono: number;
  #seq = 0;
  #fileFails = false;
  #sayingSoon = false;
  #cancelBeat: () => void = () => {};

  private constructor(options: NodeOptions, epoch: number) {
    const { name, clock, log, frozenFile, heartbeatFile } = options;
    this.name = name;
    this.leases = new HeldLeases(name, clock);
    this.#options = options;
    this.#begunMono = clock.mono();
    this.#stand = new Stand({
      boot: options.boot,
      epoch,
      clock,
      flush: (ofEpoch, intent, signal) => this.#flush(ofEpoch, intent, signal),
      thaw: () => this.#freezer.thaw(),
      changed: () => this.#changed(),
    });
    this.#freezer = new Freezer({
      things: options.freeze,
      limitMs: options.freezeMsMax,
      stateFile: frozenFile,
      untilMono: () => this.#stand.untilMono,
      broke: (why) => this.#stand.take({ type: 'thaw', why }),
      clock,
      log,
    });
    this.#uplinks = options.uplinks.map((open) => {
      const uplink: Uplink = open({
        // The controller hears at once who is there, and when to expect the next word.
        turned: () => this.#say('changed'),
        heard: (message) => this.#hear(message, uplink),
      });
      return uplink;
    });
    this.#file = new WholeFile(heartbeatFile, (error) => {
      if (!this.#fileFails)
        log.error({ file: heartbeatFile, why: error.message }, 'the heartbeat could not be written');
      this.#fileFails = true;
    });
    this.#copy = options.vault && new VaultCopy(options.vault, log);
  }

  /** Thaws what an earlier run left frozen, then begins. */
  static async start(options: NodeOptions): Promise<MeshNode> {
    const node = new MeshNode(options, await newestEpoch(options));
    const thawed = await node.#freezer.recover();
    if (thawed.length > 0) options.log.warn({ thawed }, 'an earlier run left something frozen; it runs again');
    for (const uplink of node.#uplinks) uplink.start();
    node.#beat();
    return node;
  }

  /** From now on its tasks are run: what else of its process could fail to start has not. */
  takeTasks(): void {
    this.#options.tasks?.start(() => this.#stand.pulse.state === 'running');
  }

  get status(): NodeStatus {
    const { controller } = this.#options;
    const { name: node } = this;
    const uplinks = this.#uplinks.map(({ name, up, view }) => ({ name, up, ...(view === undefined ? {} : { view }) }));
    const { vault } = this.#options;
    return {
      node,
      controller,
      uplinks,
      frozen: this.#freezer.frozen,
      ...(vault === undefined ? {} : { vault: vault.view }),
      heartbeat: this.#heartbeat(),
    };
  }

  /** Ends whatever it is halted for. @returns what that was, in words */
  async thaw(why: string): Promise<string> {
    const { state, epoch } = this.#stand.pulse;
    const { frozen } = this.#freezer;
    this.#stand.take({ type: 'thaw', why });
    await this.#stand.settled();
    // Also what nobody is halted for any more, and could not be thawed.
    await this.#freezer.thaw();
    const stuck = this.#freezer.frozen;
    if (stuck.length > 0) return `could not thaw ${stuck.join(', ')}; tried again, see the log`;
    const and = frozen.length > 0 ? ` and thawed ${frozen.join(', ')}` : '';
    return state === 'running'
      ? `was not halted${and}`
      : `ended barrier ${epoch}, in which it was ${state},${and} and runs`;
  }

  /** What its tasks say, to whoever watches at the controller. */
  tell(pieces: readonly TaskPiece[]): void {
    for (const uplink of this.#uplinks) uplink.tell?.(pieces);
  }

  async stop(): Promise<void> {
    await this.#options.tasks?.stop();
    this.#cancelBeat();
    this.#stand.take({ type: 'thaw', why: 'the node was stopped' });
    await this.#stand.settled();
    this.#freezer.stop();
    await Promise.all(this.#uplinks.map((uplink) => uplink.stop()));
    await this.#file.settled();
    await this.#copy?.settled();
  }

  #hear(message: MessageToNode, by: Uplink): void {
    switch (message.type) {
      case 'halt':
      case 'resume':
        return this.#stand.take({ type: 'order', order: message });
      case 'renewed':
      case 'lease_lost':
        return this.leases.hear(message);
      case 'command':
        void this.#obey(message).then((answer) => by.say(answer));
    }
  }

  async #obey(command: NodeCommand): Promise<NodeAnswer> {
    const answer = { type: 'answer', id: command.id } as const;
    const { tasks } = this.#options;
    switch (command.verb) {
      case 'ping':
        return { ...answer, ok: true };
      case 'thaw':
        return { ...answer, ok: true, words: await this.thaw('the controller asked for it') };
      case 'poll':
        if (tasks === undefined) return { ...answer, ok: false, words: 'This node runs no tasks.' };
        tasks.poll();
        return { ...answer, ok: true, words: 'It looks for tasks now.' };
      case 'drop':
        if (tasks === undefined) return { ...answer, ok: false, refusal: NO_TASKS };
        return tasks.drop(command.drop).then(
          (said) => ({ ...answer, ok: true, words: said }),
          (error: unknown) => ({ ...answer, ok: false, refusal: sayable(error) }),
        );
    }
  }

  async #flush(epoch: number, intent: string, signal: AbortSignal): Promise<string | undefined> {
    const { flush: plan, freeze, run, log, name } = this.#options;
    log.info({ epoch, intent }, 'halt and flush');
    const env = { HAUKI_NODE: name, HAUKI_EPOCH: String(epoch), HAUKI_INTENT: intent };
    const why = await flush(plan, freeze.length === 0 ? undefined : this.#freezer, run, { signal, env });
    if (why !== undefined) log.error({ epoch, why }, 'the flush did not succeed');
    return why;
  }

  #changed(): void {
    const { pulse } = this.#stand;
    const { log, clock } = this.#options;
    if (pulse.state !== 'running') this.#freezer.extend();
    else {
      log.info({ epoch: pulse.epoch, held: pulse.held, why: pulse.why }, 'runs again');
      this.#options.tasks?.poll();
    }
    if (this.#sayingSoon) return;
    this.#sayingSoon = true;
    clock.soon(() => {
      this.#sayingSoon = false;
      this.#say('changed');
    });
  }

  #beat(): void {
    this.#say('due');
    this.#cancelBeat = this.#options.clock.after(BEAT_MS, () => this.#beat());
  }

  #say(why: 'changed' | 'due'): void {
    this.#seq += 1;
    this.leases.sends(this.#seq);
    const heartbeat = this.#heartbeat();
    for (const uplink of this.#uplinks) uplink.beat(heartbeat, why);
    const record: HeartbeatRecord = { node: this.name, controller: this.#options.controller, ...heartbeat };
    const text = `${JSON.stringify(record)}\n`;
    this.#file.write(text);
    this.#copy?.write(text);
  }

  /** What the controller may count on, by what is up. */
  get #everyMs(): number {
    const up = this.#uplinks.filter((uplink) => uplink.up).map(({ everyMs }) => everyMs);
    return up.length === 0 ? BEAT_MS : Math.min(...up);
  }

  #heartbeat(): Heartbeat {
    const { clock, version, tasks } = this.#options;
    return {
      ...(tasks?.running === undefined ? {} : { task: tasks.running }),
      seq: this.#seq,
      everyMs: this.#everyMs,
      pulse: this.#stand.pulse,
      version,
      at: clock.now(),
      uptimeMs: Math.round(clock.mono() - this.#begunMono),
      load: loadavg()[0] ?? 0,
      memoryBytes: process.memoryUsage.rss(),
      leases: this.leases.named,
    };
  }
}

const NO_TASKS = refusal('spool_missing', 'This node runs no tasks.', 'Name a spool in its node.yaml: docs/tasks.md.');

/** As much of a refusal as a message holds. */
function sayable(error: unknown): Refusal {
  const why = error instanceof RefusedError ? error.refusal : refusal('internal', String(error));
  return { code: why.code, message: why.message.slice(0, 1_000), hint: why.hint.slice(0, 1_000) };
}

/**
 * The last heartbeat tells in which barrier the node stood: an order for that one, should it still be under way, is no order any more.
 * Of another controller it tells nothing, whose barriers are numbered anew.
 */
async function newestEpoch({ heartbeatFile, controller }: NodeOptions): Promise<number> {
  const last = await readObject(heartbeatFile);
  const epoch = (last?.['pulse'] as { epoch?: unknown } | undefined)?.epoch;
  return last?.['controller'] === controller && Number.isSafeInteger(epoch) ? (epoch as number) : 0;
}
