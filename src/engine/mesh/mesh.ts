import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Wanted } from '../../core/barrier/barrier.ts';
import type { Epoch, Order } from '../../core/barrier/message.ts';
import { type Broken, Round } from '../../core/barrier/round.ts';
import type { FlushedNode } from '../../core/event.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Barrier, BarrierRound, Carrier, Heartbeat, LeaseWord, NodeAnswered, NodeAsk } from '../../ports/mesh.ts';
import { Arrivals } from './arriving.ts';
import { HoldProof } from './hold-proof.ts';
import { type Presence, Presences } from './presence.ts';
import { Tails } from './tails.ts';

export interface MeshOptions {
  readonly clock: Clock;
  /** How long a node stays halted without a word from the controller, ms: after that it runs, whatever became of the controller. */
  readonly haltMs?: number;
  /** How long the nodes have to say whether they held, ms. */
  readonly answerMs?: number;
  /** How long after the start nodes that were not heard yet are waited for, ms. */
  readonly arriveMs?: number;
}

const HALT_MS = 10_000;
const ANSWER_MS = 5_000;
/** A node on IRC speaks every 10 s, and one that was linked tries again after 10 s at most: and some seconds more. */
const ARRIVE_MS = 15_000;
/** A deadline is put off so many times before it would pass, in case orders are lost. */
const EXTENSIONS = 3;

/** A barrier under way, and the work that waits for its round. */
interface Standing {
  readonly epoch: Epoch;
  readonly nodes: readonly string[];
  readonly intent: string;
  readonly round: Round;
  /** What the nodes are to do now: said again to whoever seems not to have heard. */
  wanted: 'halt' | 'resume';
  cancelExtension: () => void;
  /** Answers whoever waits for this phase. */
  settle: ((outcome: 'met' | readonly Broken[]) => void) | undefined;
  cancelLimit: () => void;
  readonly proof: HoldProof;
  /** It was verified, and the nodes are to stay halted: whoever does not breaks it. */
  held: boolean;
}

/** How far a barrier is, for whoever watches. */
export interface BarrierView {
  readonly epoch: Epoch;
  readonly intent: string;
  readonly phase: 'flushing' | 'frozen' | 'proving' | 'resuming';
  readonly forMs: number;
  readonly answered: readonly { readonly node: string; readonly flushedMs?: number }[];
  readonly awaited: readonly string[];
  readonly broken: readonly Broken[];
}

/**
 * The nodes, as the controller hears them, and the barriers it holds over them. Carriers bring heartbeats in and orders out; what they
 * lose is said again when a node's next heartbeat shows that it has not heard.
 *
 * A node that is halted for a barrier nobody wants any more is told to go on as soon as it says so: that is the whole of recovery
 * after a restart, and of every RESUME that got lost.
 */
export class Mesh implements Barrier {
  /** What the nodes' tasks say. */
  readonly tails: Tails;
  readonly #clock: Clock;
  readonly #haltMs: number;
  readonly #answerMs: number;
  readonly #carriers: Carrier[] = [];
  readonly #presences = new Presences();
  readonly #arrivals: Arrivals;
  readonly #standing = new Map<Epoch, Standing>();
  readonly #listeners = new Set<(node: string, heartbeat: Heartbeat) => void>();
  #broke: (epoch: Epoch, nodes: readonly Broken[]) => void = () => {};
  #order = 0;
  /** Before it was said once which barriers there are, nobody is told that his is none. */
  #told = false;

  constructor({ clock, haltMs = HALT_MS, answerMs = ANSWER_MS, arriveMs = ARRIVE_MS }: MeshOptions) {
    this.#arrivals = new Arrivals(clock, arriveMs);
    this.#clock = clock;
    this.tails = new Tails(clock);
    this.#haltMs = haltMs;
    this.#answerMs = answerMs;
  }

  addCarrier(carrier: Carrier): void {
    this.#carriers.push(carrier);
  }

  /** Called with each heartbeat that is news. @returns what ends that */
  subscribe(listener: (node: string, heartbeat: Heartbeat) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  presence(node: string): Presence | undefined {
    return this.#presences.of(node, this.#clock.mono());
  }

  /** Has a node do something now. Refused as `node_lost` when no carrier reaches it that could ask. */
  command(node: string, ask: NodeAsk): Promise<Result<NodeAnswered, Refusal>> {
    for (const carrier of this.#carriers) {
      if (carrier.command !== undefined && carrier.reaches(node)) return carrier.command(node, ask);
    }
    return Promise.resolve(err(refusal('node_lost', `Node ${node} has no link to this controller.`)));
  }

  /** Answers a node's heartbeat. What no carrier can say is lost: the node goes by its own clock. */
  tell(node: string, word: LeaseWord): void {
    for (const carrier of this.#carriers) carrier.tell?.(node, word);
  }

  /** A node is none any more. */
  forget(node: string): void {
    this.#presences.forget(node);
  }

  /** For carriers: a node's heartbeat has come. Whose it is they know, from a certificate or a signature. */
  heard(node: string, heartbeat: Heartbeat, carrier: string): void {
    const mono = this.#clock.mono();
    if (!this.#presences.hear(node, heartbeat, carrier, this.#clock.now(), mono)) return;
    const { pulse } = heartbeat;
    for (const standing of this.#standing.values()) {
      standing.round.heard(node, pulse, mono);
      if (pulse.state === 'halted' && pulse.epoch === standing.epoch) standing.proof.heard(node, pulse.ack);
      this.#conclude(standing);
      this.#judgeHold(standing);
    }
    this.#arrivals.look();
    this.#correct(node, heartbeat);
    for (const listener of this.#listeners) listener(node, heartbeat);
  }

  async halt(round: BarrierRound): Promise<Result<readonly FlushedNode[], Refusal>> {
    const unheard = (): boolean => round.nodes.some((node) => this.presence(node) === undefined);
    const arrived = await this.#arrivals.wait(round.epoch, () => !unheard());
    if (arrived === 'go on') return this.#halt(round);
    return err(refusal('flush_failed', 'The barrier was called off before all nodes were heard of.'));
  }

  #halt({ epoch, nodes, intent, flushMsMax }: BarrierRound): Promise<Result<readonly FlushedNode[], Refusal>> {
    const lost = nodes.filter((node) => this.presence(node)?.liveness !== 'live');
    if (lost.length > 0) return Promise.resolve(err(this.#lost(lost)));
    const round = new Round(epoch, nodes, this.#clock.mono(), flushMsMax);
    const standing = this.#begin({ epoch, nodes, intent, round });
    return new Promise((resolve) => {
      this.#await(standing, (outcome) => {
        if (outcome === 'met') return resolve(ok(flushedOf(round)));
        resolve(err(broken('flush_failed', 'has not flushed', outcome)));
      });
      this.#sayHalt(standing, nodes);
    });
  }

  verify(epoch: Epoch, hold: boolean): Promise<Result<void, Refusal>> {
    const standing = this.#standing.get(epoch);
    if (standing === undefined) {
      const message = `Barrier ${epoch} was lost with the controller that held it.`;
      return Promise.resolve(err(refusal('barrier_broken', message)));
    }
    const { round, nodes } = standing;
    return new Promise((resolve) => {
      const order = this.#nextOrder();
      round.ask(hold ? 'proving' : 'resuming', order, this.#clock.mono(), this.#answerMs);
      this.#await(standing, (outcome) => {
        standing.held = hold && outcome === 'met';
        if (outcome === 'met') resolve(ok(undefined));
        else resolve(err(broken('barrier_broken', 'did not stay halted until the snapshot was taken', outcome)));
      });
      if (hold) return this.#sayHalt(standing, nodes, order);
      standing.wanted = 'resume';
      standing.cancelExtension();
      this.#send(nodes, { type: 'resume', epoch, order });
    });
  }

  keep(barriers: readonly Wanted[]): void {
    this.#told = true;
    this.#arrivals.keep((epoch) => barriers.some((one) => one.epoch === epoch));
    for (const standing of this.#standing.values()) {
      if (!barriers.some(({ epoch }) => epoch === standing.epoch)) this.#end(standing);
    }
    for (const { epoch, nodes, revive } of barriers) {
      if (!revive || this.#standing.has(epoch)) continue;
      const mono = this.#clock.mono();
      const round = new Round(epoch, nodes, mono, this.#haltMs);
      const standing = this.#begin({ epoch, nodes, intent: '', round }, true);
      standing.held = true;
      const order = this.#nextOrder();
      round.ask('proving', order, mono, this.#haltMs);
      this.#sayHalt(standing, nodes, order);
    }
  }

  whenBroken(listener: (epoch: Epoch, nodes: readonly Broken[]) => void): void {
    this.#broke = listener;
  }

  /** The barriers under way. */
  barriers(): BarrierView[] {
    const mono = this.#clock.mono();
    return [...this.#standing.values()].map(({ epoch, intent, round, settle }) => {
      const parts = [...round.parts];
      return {
        epoch,
        intent,
        phase: settle === undefined ? 'frozen' : round.phase,
        forMs: Math.round(mono - round.openedMono),
        answered: parts.flatMap(([node, { stage, flushedMs }]) =>
          stage === 'answered' ? [{ node, ...(flushedMs === undefined ? {} : { flushedMs }) }] : [],
        ),
        awaited: round.waitingFor(),
        broken: parts.flatMap(([node, { stage, why = '' }]) => (stage === 'broken' ? [{ node, why }] : [])),
      };
    });
  }

  #begin(about: Pick<Standing, 'epoch' | 'nodes' | 'intent' | 'round'>, revived = false): Standing {
    const nothing = (): void => {};
    const standing: Standing = {
      ...about,
      wanted: 'halt',
      cancelExtension: nothing,
      settle: undefined,
      cancelLimit: nothing,
      proof: new HoldProof(about.nodes, this.#clock.mono(), this.#haltMs, revived),
      held: false,
    };
    this.#standing.set(about.epoch, standing);
    return standing;
  }

  /** Nobody wants it any more. Who did not answer is not waited for. */
  #end(standing: Standing): void {
    const { epoch, nodes, wanted, settle, round } = standing;
    standing.cancelExtension();
    standing.cancelLimit();
    this.#standing.delete(epoch);
    settle?.(round.waitingFor().map((node) => ({ node, why: 'the barrier was called off' })));
    if (wanted === 'halt') this.#send(nodes, { type: 'resume', epoch, order: this.#nextOrder() });
  }

  #await(standing: Standing, settle: NonNullable<Standing['settle']>): void {
    standing.settle = settle;
    const limitMs = Math.max(0, standing.round.untilMono - this.#clock.mono());
    standing.cancelLimit = this.#clock.after(limitMs, () => this.#conclude(standing));
    this.#conclude(standing);
  }

  #conclude(standing: Standing): void {
    const { settle, round } = standing;
    if (settle === undefined) return;
    const outcome = round.outcome(this.#clock.mono());
    if (outcome === 'open') return;
    standing.settle = undefined;
    standing.cancelLimit();
    settle(outcome);
  }

  /** Said once: what follows from it is not for the mesh to decide. */
  #judgeHold(standing: Standing): void {
    if (!standing.held) return;
    const { epoch, round, proof } = standing;
    const mono = this.#clock.mono();
    const outcome = round.outcome(mono);
    const said = typeof outcome === 'string' ? [] : outcome;
    const silent = proof.unproven(mono).filter((node) => !said.some((one) => one.node === node));
    const nodes = [
      ...said,
      ...silent.map((node) => ({ node, why: 'it may run: it has acknowledged nothing for too long' })),
    ];
    if (nodes.length === 0) return;
    standing.held = false;
    this.#broke(epoch, nodes);
  }

  /** HALT, and again for as long as it is wanted: a node's deadline is short, so that a dead controller is not waited for. */
  #sayHalt(standing: Standing, nodes: readonly string[], order = this.#nextOrder()): void {
    const { epoch, intent } = standing;
    standing.cancelExtension();
    standing.cancelExtension = this.#clock.after(this.#haltMs / EXTENSIONS, () => {
      if (this.#standing.get(epoch) !== standing || standing.wanted !== 'halt') return;
      this.#judgeHold(standing);
      this.#sayHalt(standing, standing.nodes);
    });
    standing.proof.sends(order, this.#clock.mono());
    this.#send(nodes, { type: 'halt', epoch, order, forMs: this.#haltMs, intent });
  }

  /** Says again what a node seems not to have heard, judging by what it says of itself. */
  #correct(node: string, { pulse }: Heartbeat): void {
    const standing = this.#standing.get(pulse.epoch);
    const over = standing === undefined ? this.#told : standing.wanted === 'resume';
    if (over && pulse.state !== 'running') {
      this.#send([node], { type: 'resume', epoch: pulse.epoch, order: this.#nextOrder() });
    }
    // Halted by an earlier controller, whose orders it counts: those of this one have to be above them.
    if (standing?.wanted === 'halt' && standing.held && pulse.ack > standing.proof.newestOrder)
      this.#sayHalt(standing, standing.nodes);
    for (const other of this.#standing.values()) {
      if (other.wanted !== 'halt' || pulse.epoch >= other.epoch) continue;
      // Whoever has run in it already is not halted for it once more.
      if ((other.round.parts.get(node)?.stage ?? 'broken') === 'broken') continue;
      const { epoch, intent } = other;
      this.#send([node], { type: 'halt', epoch, order: this.#nextOrder(), forMs: this.#haltMs, intent });
    }
  }

  #nextOrder(): number {
    this.#order = Math.max(this.#order, this.#presences.newestAck) + 1;
    return this.#order;
  }

  #send(nodes: readonly string[], order: Order): void {
    for (const carrier of this.#carriers) carrier.send(nodes, order);
  }

  #lost(nodes: readonly string[]): Refusal {
    const mono = this.#clock.mono();
    const words = nodes.map((node) => {
      const presence = this.#presences.of(node, mono);
      if (presence === undefined) return `${node} (not heard of since this controller started)`;
      const silentMs = this.#clock.now() - presence.heardAt;
      return `${node} (${presence.liveness}, not heard of for ${formatDuration(Math.max(0, silentMs))})`;
    });
    return refusal('node_lost', `Not every node can be halted: ${words.join(', ')}.`, undefined, { nodes });
  }
}

function flushedOf(round: Round): FlushedNode[] {
  return [...round.parts].map(([node, { flushedMs = 0 }]) => ({ node, tookMs: flushedMs }));
}

function broken(code: 'flush_failed' | 'barrier_broken', what: string, nodes: readonly Broken[]): Refusal {
  const words = nodes.map(({ node, why }) => `${node}: ${why}`).join('; ');
  const who = nodes.length === 1 ? 'A node' : `${nodes.length} nodes`;
  return refusal(code, `${who} ${what}. ${words}.`, undefined, { nodes });
}
