import type { Heartbeat } from '../../ports/mesh.ts';

/** `live`: heard of as often as it should be; `late`: heartbeats are missing; `lost`: gone for so long that nobody waits for it. */
export type Liveness = 'live' | 'late' | 'lost';

export interface Presence {
  readonly liveness: Liveness;
  /** Since when it is what it is; wall clock of the controller, ms. */
  readonly since: number;
  /** When it was heard last; wall clock of the controller, ms. */
  readonly heardAt: number;
  readonly carrier: string;
  readonly heartbeat: Heartbeat;
}

/** How often heartbeats come when they do not say it, and how rarely they may say they do, ms. */
const EVERY_MS = 2_000;
const EVERY_MS_MAX = 20_000;
/** After so many of these without one it is late, or lost. */
const LATE_AFTER = 2.5;
const LOST_AFTER = 7.5;

/** Whoever claims to have seen more than this lies, and must not drive the count to where numbers become inexact. */
const ACK_MAX = 2 ** 52;

interface Heard {
  readonly at: number;
  readonly mono: number;
  /** When it began to be live: was first heard, or heard again after it had been late. */
  readonly liveAt: number;
  readonly carrier: string;
  readonly heartbeat: Heartbeat;
}

/**
 * Who was heard when. Nothing of it is on record: after a restart a controller knows of nobody until they speak, and they do so every
 * two seconds, or, where that would be a flood, as often as their heartbeats say.
 */
export class Presences {
  readonly #heard = new Map<string, Heard>();
  #newestAck = 0;

  /** @returns false for what is older than what is known: two carriers may bring heartbeats in another order than they were sent */
  hear(node: string, heartbeat: Heartbeat, carrier: string, at: number, mono: number): boolean {
    const before = this.#heard.get(node);
    const { boot } = heartbeat.pulse;
    if (before?.heartbeat.pulse.boot === boot && before.heartbeat.seq >= heartbeat.seq) return false;
    this.#newestAck = Math.max(this.#newestAck, Math.min(heartbeat.pulse.ack, ACK_MAX));
    const wasLive =
      before !== undefined && mono - before.mono < lateMs(before.heartbeat) && before.heartbeat.pulse.boot === boot;
    this.#heard.set(node, { at, mono, carrier, heartbeat, liveAt: wasLive ? before.liveAt : at });
    return true;
  }

  forget(node: string): void {
    this.#heard.delete(node);
  }

  /** @returns undefined for one that was never heard of */
  of(node: string, mono: number): Presence | undefined {
    const heard = this.#heard.get(node);
    if (heard === undefined) return undefined;
    const { at, carrier, heartbeat, liveAt } = heard;
    const silentMs = mono - heard.mono;
    const [late, lost] = [lateMs(heartbeat), lostMs(heartbeat)];
    const liveness = silentMs >= lost ? 'lost' : silentMs >= late ? 'late' : 'live';
    const since = liveness === 'live' ? liveAt : at + (liveness === 'late' ? late : lost);
    return { liveness, since, heardAt: at, carrier, heartbeat };
  }

  /** The highest order that any node has seen: a new controller's orders must be above it. */
  get newestAck(): number {
    return this.#newestAck;
  }
}

function lateMs(heartbeat: Heartbeat): number {
  return everyMs(heartbeat) * LATE_AFTER;
}

function lostMs(heartbeat: Heartbeat): number {
  return everyMs(heartbeat) * LOST_AFTER;
}

/** Bounded: a node that says it speaks once a day would count as live for two. */
function everyMs({ everyMs: said = EVERY_MS }: Heartbeat): number {
  return Math.min(EVERY_MS_MAX, Math.max(EVERY_MS, said));
}
