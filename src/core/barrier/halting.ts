import type { Epoch, Order, Pulse } from './message.ts';

/**
 * A node's side of a barrier.
 *
 *   running ──HALT──→ flushing ──flushed──→ halted ──RESUME──→ running (held)
 *      ↑                 │ hook failed          │ deadline
 *      └─────────────────┴──────────────────────┴────────────── running (not held)
 *
 * Every way out of `flushing` and `halted` but RESUME in time leads to `held: false`: the controller then knows that its snapshot
 * proves nothing. And there is always a way out: the deadline, which is the node's own and needs nobody.
 */
export type Halting = Running | Stopped;

interface Known {
  readonly boot: string;
  readonly epoch: Epoch;
  readonly ack: number;
}

export interface Running extends Known {
  readonly state: 'running';
  readonly held?: boolean;
  readonly why?: string;
  readonly flushMs?: number;
}

export interface Stopped extends Known {
  readonly state: 'flushing' | 'halted';
  /** This node's own monotonic clock, ms: then it runs again, whatever else happens. */
  readonly untilMono: number;
  /** When the flush began. */
  readonly sinceMono: number;
  readonly flushMs?: number;
}

export type HaltingInput =
  | { readonly type: 'order'; readonly order: Order }
  /** The flush of an epoch ended; with `why` it failed. */
  | { readonly type: 'flushed'; readonly epoch: Epoch; readonly why?: string }
  /** Somebody at the node wants it to run: `hauki thaw`. */
  | { readonly type: 'thaw'; readonly why: string }
  | { readonly type: 'tick' };

/** What the node has to do now. `thaw` can come without a `flush` before, and twice: it has to be harmless then. */
export type HaltingDeed =
  | { readonly type: 'flush'; readonly epoch: Epoch; readonly intent: string }
  | { readonly type: 'thaw'; readonly epoch: Epoch };

export interface HaltingStep {
  readonly next: Halting;
  readonly deeds: readonly HaltingDeed[];
}

/**
 * @param boot fresh for each run of the process
 * @param epoch the newest that an earlier run knew of, where that is still known: an order for it that comes late is no order any more
 */
export function atBoot(boot: string, epoch: Epoch = 0): Halting {
  return { state: 'running', boot, epoch, ack: 0, ...(epoch === 0 ? {} : { held: false, why: RESTARTED }) };
}

const RESTARTED = 'the node was restarted';
const TOO_LATE = 'the deadline passed before RESUME came';

/** Called with whatever happens, and at `deadlineOf`. Pure; `mono` is the node's own monotonic clock, ms. */
export function haltingStep(before: Halting, input: HaltingInput, mono: number): HaltingStep {
  // A process that slept through its deadline, and is woken by RESUME, was not held by anything.
  const { next: now, deeds } = expire(before, mono);
  const then = react(now, input, mono);
  return { next: then.next, deeds: [...deeds, ...then.deeds] };
}

/** When the node must look again, by its monotonic clock; undefined: it waits for nothing. */
export function deadlineOf(halting: Halting): number | undefined {
  return halting.state === 'running' ? undefined : halting.untilMono;
}

export function pulseOf({ boot, state, epoch, ack, ...rest }: Halting): Pulse {
  const held = 'held' in rest && rest.held !== undefined ? { held: rest.held } : {};
  const why = 'why' in rest && rest.why !== undefined ? { why: rest.why } : {};
  return { boot, state, epoch, ack, ...held, ...why, ...(rest.flushMs === undefined ? {} : { flushMs: rest.flushMs }) };
}

function expire(halting: Halting, mono: number): HaltingStep {
  if (halting.state === 'running' || mono < halting.untilMono) return { next: halting, deeds: [] };
  return run(halting, false, TOO_LATE);
}

function react(now: Halting, input: HaltingInput, mono: number): HaltingStep {
  const unchanged: HaltingStep = { next: now, deeds: [] };
  switch (input.type) {
    case 'tick':
      return unchanged;
    case 'order':
      return obey(now, input.order, mono);
    case 'flushed':
      if (now.state !== 'flushing' || now.epoch !== input.epoch) return unchanged;
      if (input.why !== undefined) return run(now, false, input.why);
      return { next: { ...now, state: 'halted', flushMs: Math.round(mono - now.sinceMono) }, deeds: [] };
    case 'thaw':
      return now.state === 'running' ? unchanged : run(now, false, input.why);
  }
}

function obey(now: Halting, order: Order, mono: number): HaltingStep {
  const { epoch } = order;
  // Of an epoch that is over, or overtaken by a later one while it was under way.
  if (epoch < now.epoch || (epoch === now.epoch && now.state === 'running')) return { next: now, deeds: [] };
  if (epoch === now.epoch) {
    // Overtaken by one that was sent after it: what counts is what the controller said last.
    if (order.order <= now.ack) return { next: now, deeds: [] };
    const seen = { ...now, ack: order.order } as Stopped;
    if (order.type === 'halt') return { next: { ...seen, untilMono: mono + order.forMs }, deeds: [] };
    // Called off while it still flushed: nobody was told that it had.
    return seen.state === 'halted' ? run(seen, true) : run(seen, false, 'RESUME came before the flush had ended');
  }
  // RESUME of an epoch whose HALT never came: there is nothing to go on from, and the HALT, should it still come, is void.
  if (order.type === 'resume') {
    const why = 'RESUME came without a HALT';
    const { boot } = now;
    const next: Running = { state: 'running', boot, epoch, ack: order.order, held: false, why };
    return { next, deeds: now.state === 'running' ? [] : [{ type: 'thaw', epoch: now.epoch }] };
  }
  const next: Stopped = {
    state: 'flushing',
    boot: now.boot,
    epoch,
    ack: order.order,
    untilMono: mono + order.forMs,
    sinceMono: mono,
  };
  return { next, deeds: [{ type: 'flush', epoch, intent: order.intent }] };
}

function run({ boot, epoch, ack, flushMs }: Halting, held: boolean, why?: string): HaltingStep {
  const next: Running = {
    state: 'running',
    boot,
    epoch,
    ack,
    held,
    ...(why === undefined ? {} : { why }),
    ...(flushMs === undefined ? {} : { flushMs }),
  };
  return { next, deeds: [{ type: 'thaw', epoch }] };
}
