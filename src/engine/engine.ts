import { BoundedQueue } from '../base/queue.ts';
import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { barriersWanted } from '../core/barrier/barrier.ts';
import type { Command, CommandBody } from '../core/command.ts';
import { type Decision, decide, nextDue } from '../core/decide.ts';
import type { Event } from '../core/event.ts';
import { archive } from '../core/evolve.ts';
import type { Mutation, MutationId } from '../core/mutation/mutation.ts';
import { type Effect, pending } from '../core/pending.ts';
import type { Policy } from '../core/policy/policy.ts';
import { EMPTY, type State } from '../core/state.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ids } from '../ports/ids.ts';
import type { Ledger, LedgerRecord } from '../ports/ledger.ts';
import type { Log } from '../ports/log.ts';
import { aboutOf, type EffectPorts, jobOf } from './execute.ts';
import { factsFor, withSubject } from './facts.ts';
import { Feed } from './feed.ts';
import { floorsFor, reconcile } from './reconciling.ts';
import { Tending } from './tending.ts';

export interface EngineOptions extends EffectPorts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly policy: Policy;
  readonly version: string;
  /** This controller's own node. */
  readonly node: string;
  /** After so many ms an effect's outcome counts as unknown. */
  readonly effectMsMax?: number;
  /** The simulator plants mistakes here, to see that it finds them. */
  readonly decide?: typeof decide;
}

/** Commands that may wait for their turn; more are refused as `overloaded`. */
const INBOX_MAX = 8_192;
/** Commands that share one durable append. */
const BATCH_MAX = 256;
/** Things destroyed at the same time: retention may let go of thousands at once, and nobody waits for them. */
const DESTROYS_MAX = 64;
const EFFECT_MS_MAX = 15 * 60_000;
/** How long a stop waits for effects under way. */
const STOP_MS_MAX = 10_000;
const STOP_POLL_MS = 5;
const RETRY_MS_MIN = 200;
const RETRY_MS_MAX = 30_000;
/** How long to wait before writing again what the ledger would not take. */
const REWRITE_MS = 1_000;

interface Item {
  readonly body: CommandBody;
  /** Undefined for what the engine tells itself: that is tried again until it is written. */
  readonly caller?: Caller;
  /** The effect whose answer this is: what it claims stays busy until the answer is on record. */
  readonly answers?: Effect;
}

/** How a command of the batch was decided, and the mutation it was about. */
interface Verdict {
  readonly item: Item;
  readonly refused: Refusal | undefined;
  readonly subject: Mutation | undefined;
}

/** What a batch came to, once it is on record. */
interface Outcome {
  readonly verdicts: readonly Verdict[];
  readonly touched: readonly Mutation[];
  readonly decided: State;
  readonly records: readonly LedgerRecord[];
}

interface Caller {
  readonly settle: (result: Result<Mutation | undefined, Refusal>) => void;
  /** What the caller waits to see of the mutation; undefined: it is enough that the command was recorded. */
  readonly until?: (mutation: Mutation) => boolean;
}

/**
 * The one loop: commands in, decisions, durable record, then answers and effects. Nobody hears of anything, and nothing is
 * attempted, before the ledger has it.
 */
export class Engine {
  readonly feed = new Feed();
  readonly #options: EngineOptions;
  readonly #inbox = new BoundedQueue<Item>(INBOX_MAX);
  readonly #waiting = new Map<MutationId, Caller[]>();
  /** What effects under way claim; and those that failed, and when they may be tried again. */
  readonly #busy = new Set<string>();
  readonly #retry = new Map<string, { readonly afterMono: number; readonly tries: number }>();
  #destroying = 0;
  readonly #tending: Tending;
  #state: State = EMPTY;
  #turn: Promise<void> | undefined;
  #cancelAlarm: (() => void) | undefined;
  #alarmMono = Infinity;
  /** Effects begin when the start itself is on record. */
  #started = false;
  #stopping = false;
  /** Nothing is decided or written any more: somebody else may have the ledger by now. */
  #ended = false;
  #quietUntilMono = 0;

  private constructor(options: EngineOptions) {
    this.#options = options;
    this.#tending = new Tending(options, () => this.tell({ type: 'tick' }));
    options.barrier.whenBroken((epoch, nodes) => this.tell({ type: 'hold_broke', epoch, nodes }));
  }

  /** Loads the ledger, recovers what a crash left open, and starts to work. */
  static async start(options: EngineOptions): Promise<Engine> {
    const engine = new Engine(options);
    engine.#state = await options.ledger.load();
    const floors = await floorsFor(options);
    const started = await engine.submit({ type: 'start', version: options.version, node: options.node, ...floors });
    if (!started.ok) {
      engine.#ended = true;
      throw new RefusedError(started.error);
    }
    void engine.#reconcile();
    return engine;
  }

  #reconcile(): Promise<void> {
    const lent = {
      state: () => this.#state,
      stopping: () => this.#stopping,
      find: (id: MutationId) => this.find(id),
      tell: (body: CommandBody) => this.tell(body),
      alsoEnded: (mutations: readonly Mutation[]) => this.#tending.alsoEnded(mutations),
    };
    return reconcile(lent, this.#options);
  }

  get state(): State {
    return this.#state;
  }

  /** Nothing open, nothing under way, nobody waiting. */
  get idle(): boolean {
    return this.#state.mutations.size === 0 && !this.#working && this.#inbox.length === 0;
  }

  /** Something is under way on the outside world. */
  get #working(): boolean {
    return this.#busy.size > 0 || this.#tending.busy;
  }

  /** An id for a request that is about to be submitted. */
  newId(): MutationId {
    return this.#options.ids.mutation();
  }

  /** A mutation, open or long ended. */
  async find(id: MutationId): Promise<Mutation | undefined> {
    return this.#state.mutations.get(id) ?? (await this.#options.ledger.find(id));
  }

  /**
   * @param until when the caller's question is answered; without it, as soon as the command is recorded
   * @returns the mutation the command was about, as it is then
   */
  submit(body: CommandBody, until?: (mutation: Mutation) => boolean): Promise<Result<Mutation | undefined, Refusal>> {
    if (this.#stopping) return Promise.resolve(err(refusal('controller_stopping', 'The controller is stopping.')));
    return new Promise((settle) => {
      const caller = until === undefined ? { settle } : { settle, until };
      if (this.#inbox.offer({ body, caller })) this.#wake();
      else settle(err(refusal('overloaded', `${INBOX_MAX} commands are waiting already.`)));
    });
  }

  /** For what must not be refused: the end of a caller's connection. */
  tell(body: CommandBody): void {
    this.#inbox.force({ body });
    this.#wake();
  }

  /** Takes no more commands, lets what is under way end, and leaves the rest to the next start's recovery. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelAlarm?.();
    this.#tending.stop();
    let patient = true;
    const cancelPatience = this.#options.clock.after(STOP_MS_MAX, () => (patient = false));
    while (patient && (this.#turn !== undefined || this.#inbox.length > 0 || this.#working)) {
      await new Promise<void>((resolve) => this.#options.clock.after(STOP_POLL_MS, resolve));
    }
    cancelPatience();
    this.#ended = true;
    for (const callers of this.#waiting.values()) {
      for (const { settle } of callers)
        settle(err(refusal('controller_stopping', 'The controller stopped before this ended.')));
    }
    this.#waiting.clear();
  }

  #wake(): void {
    if (this.#turn !== undefined || this.#ended) return;
    this.#turn = new Promise((done) => {
      this.#options.clock.soon(() => {
        void this.#drain().then(() => {
          this.#turn = undefined;
          done();
          if (this.#inbox.length > 0) this.#wake();
        });
      });
    });
  }

  async #drain(): Promise<void> {
    const batch = this.#inbox.take(BATCH_MAX);
    let outcome: Outcome;
    try {
      outcome = await this.#record(batch);
    } catch (error) {
      this.#unwritten(batch, error);
      return this.#setAlarm();
    }
    const { verdicts, touched, decided, records } = outcome;
    this.#state = archive(decided);
    for (const { answers, body } of batch) {
      for (const claim of answers?.claims ?? []) this.#busy.delete(claim);
      if (body.type === 'start') this.#started = true;
    }
    for (const verdict of verdicts) this.#answer(verdict, decided);
    for (const mutation of touched) this.#settleWaiting(mutation);
    this.#tending.recorded(records, touched);
    this.feed.publish(records, (error) => this.#options.log.error({ error: String(error) }, 'a listener failed'));
    this.#startEffects();
    this.#setAlarm();
  }

  /** Decides the batch and writes what follows, all of it or nothing. */
  async #record(batch: readonly Item[]): Promise<Outcome> {
    const { ledger } = this.#options;
    let state = this.#state;
    const events: Event[] = [];
    const verdicts: Verdict[] = [];
    for (const item of batch) {
      const facts = await factsFor(item.body, state, events, ledger);
      const command = { ...this.#stamp(state), ...facts, ...item.body };
      const decision = this.#decide(await withSubject(state, command, ledger), command);
      state = decision.state;
      events.push(...decision.events);
      const subject = command.earlier ?? ('mutation' in command ? state.mutations.get(command.mutation) : undefined);
      verdicts.push({ item, refused: decision.refused, subject });
    }
    const touched = touchedBy(events, state);
    const records = events.length === 0 ? [] : await ledger.append(events, touched, archive(state));
    return { verdicts, touched, decided: state, records };
  }

  /** A defect in deciding one command must not take the others of its batch with it, nor stop the loop. */
  #decide(state: State, command: Command): Decision {
    try {
      return (this.#options.decide ?? decide)(state, command, this.#options.policy);
    } catch (error) {
      const about = 'mutation' in command ? { mutation: command.mutation } : {};
      this.#options.log.error({ command: command.type, ...about, error: String(error) }, 'a decision failed');
      return { events: [], state, refused: refusal('internal', `The controller could not decide: ${String(error)}`) };
    }
  }

  #stamp(state: State): { readonly at: number; readonly mono: number } {
    const { clock } = this.#options;
    return { at: Math.max(state.counters.at, clock.now()), mono: clock.mono() };
  }

  #answer({ item, refused, subject }: Verdict, decided: State): void {
    const { caller } = item;
    if (caller === undefined) return;
    if (refused !== undefined) return caller.settle(err(refused));
    const mutation = subject === undefined ? undefined : (decided.mutations.get(subject.id) ?? subject);
    if (mutation === undefined || caller.until === undefined || caller.until(mutation))
      return caller.settle(ok(mutation));
    this.#waiting.set(mutation.id, [...(this.#waiting.get(mutation.id) ?? []), caller]);
  }

  #settleWaiting(mutation: Mutation): void {
    const callers = this.#waiting.get(mutation.id);
    if (callers === undefined) return;
    const still = callers.filter((caller) => caller.until?.(mutation) === false);
    for (const caller of callers) if (!still.includes(caller)) caller.settle(ok(mutation));
    if (still.length === 0) this.#waiting.delete(mutation.id);
    else this.#waiting.set(mutation.id, still);
  }

  /** The ledger would not take it: so it did not happen. Callers are told; what the engine told itself is tried again. */
  #unwritten(batch: readonly Item[], error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log.error({ error: message }, 'the ledger could not be written');
    const reason = refusal('ledger_unavailable', `The ledger could not be written: ${message}`);
    for (const item of batch) item.caller?.settle(err(reason));
    this.#quietUntilMono = this.#options.clock.mono() + REWRITE_MS;
    // The alarm sends another tick by itself.
    const own = batch.filter((item) => item.caller === undefined && item.body.type !== 'tick');
    if (this.#stopping) {
      for (const { answers } of own) for (const claim of answers?.claims ?? []) this.#busy.delete(claim);
    } else if (own.length > 0) {
      this.#options.clock.after(REWRITE_MS, () => {
        for (const item of own) this.#inbox.force(item);
        this.#wake();
      });
    }
  }

  #startEffects(): void {
    if (this.#stopping || !this.#started) return;
    this.#tending.turn(this.#state.mutations);
    const mono = this.#options.clock.mono();
    let destroying = this.#destroying;
    for (const effect of pending(this.#state)) {
      if (effect.claims.some((claim) => this.#busy.has(claim))) continue;
      const retry = this.#retry.get(deedOf(effect));
      if (retry !== undefined && mono < retry.afterMono) continue;
      if (effect.kind === 'destroy') {
        if (destroying >= DESTROYS_MAX) continue;
        destroying += 1;
      }
      void this.#perform(effect);
    }
    // After the effects: a barrier that is only now begun must be known by then.
    this.#options.barrier.keep(barriersWanted(this.#state));
  }

  async #perform(effect: Effect): Promise<void> {
    const { clock, log } = this.#options;
    const limitMs = this.#options.effectMsMax ?? EFFECT_MS_MAX;
    for (const claim of effect.claims) this.#busy.add(claim);
    if (effect.kind === 'destroy') this.#destroying += 1;
    const job = jobOf(effect, this.#options);
    const cancelLimit = clock.after(limitMs, () => {
      log.warn(aboutOf(effect), 'an effect took too long: its outcome is unknown');
      this.tell(job.timedOut(limitMs));
    });
    const body = await job.perform();
    cancelLimit();
    if (effect.kind === 'destroy') this.#destroying -= 1;
    this.#paceRetry(effect, body);
    this.#inbox.force({ body, answers: effect });
    this.#wake();
  }

  /** Whatever did not succeed may still be pending afterwards: it is tried again, more and more rarely, and never forgotten. */
  #paceRetry(effect: Effect, answered: CommandBody): void {
    const answer = 'answer' in answered ? answered.answer : undefined;
    if (answer === undefined || answer.kind === 'done') {
      this.#retry.delete(deedOf(effect));
      return;
    }
    const { code, message } = answer.reason;
    this.#options.log.warn({ ...aboutOf(effect), code }, message);
    const tries = (this.#retry.get(deedOf(effect))?.tries ?? 0) + 1;
    const waitMs = Math.min(RETRY_MS_MIN * 2 ** tries, RETRY_MS_MAX);
    this.#retry.set(deedOf(effect), { afterMono: this.#options.clock.mono() + waitMs, tries });
  }

  /** Wakes for the next thing that falls due by itself: a wait, a lease, a retry. */
  #setAlarm(): void {
    if (this.#stopping || !this.#started) return;
    const { clock, policy } = this.#options;
    const effects = pending(this.#state);
    const deeds = new Set(effects.map(deedOf));
    for (const deed of this.#retry.keys()) if (!deeds.has(deed)) this.#retry.delete(deed);
    // What is under way reports by itself when it ends, and whatever has to wait for it has its turn then.
    const retries = effects
      .filter(({ claims }) => !claims.some((claim) => this.#busy.has(claim)))
      .map((effect) => this.#retry.get(deedOf(effect))?.afterMono);
    const due = [nextDue(this.#state, policy), ...retries].filter((mono) => mono !== undefined);
    const mono = clock.mono();
    const next = Math.max(Math.min(...due), this.#quietUntilMono, mono + 1);
    // One that is set for earlier stays: setting it anew each turn would put it off for as long as the turns come thick and fast.
    if (next >= this.#alarmMono) return;
    this.#cancelAlarm?.();
    this.#alarmMono = next;
    this.#cancelAlarm = clock.after(next - mono, () => {
      this.#alarmMono = Infinity;
      this.tell({ type: 'tick' });
    });
  }
}

/** What is tried again when it fails. What follows from its failure, for the same subject, need not wait for that. */
function deedOf({ kind, subject }: Effect): string {
  return `${kind} ${subject}`;
}

function touchedBy(events: readonly Event[], state: State): Mutation[] {
  // A start gives every open mutation new deadlines: what the ledger keeps of them must say so too.
  if (events.some((event) => event.type === 'controller_started')) return [...state.mutations.values()];
  const ids = new Set(events.flatMap((event) => ('mutation' in event ? [event.mutation] : [])));
  return [...ids].flatMap((id) => state.mutations.get(id) ?? []);
}
