import type { Refusal } from '../base/refusal.ts';
import { ok, type Result } from '../base/result.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { VaultState } from '../ports/vault.ts';
import { type Layer, type LayerPlan, mountLayer } from './layer.ts';
import { mountAt, type Pulse } from './mounted.ts';

export interface SupervisedOptions {
  /** From the bottom: sshfs, if any, then gocryptfs on it. The last is the vault. */
  readonly layers: readonly LayerPlan[];
  /** What has to be done in the vault before anybody may use it. It may throw. */
  readonly prepare: (mount: string, device: string) => Promise<void>;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: Log;
  /** Asks a mount whether it answers. */
  readonly pulse: (point: string, withinMs: number) => Promise<Pulse>;
}

/** Between two mounts that failed, ms: twice as long each time, and at most so long. */
const FIRST_MS = 250;
const LONGEST_MS = 30_000;
/** Mounted for so long, it is taken to be well. */
const WELL_MS = 60_000;
const PULSE_EVERY_MS = 10_000;
const PULSE_WITHIN_MS = 10_000;
/** So often in a row it may not answer before it is ended. */
const SILENCES_MAX = 2;

/**
 * A vault that is kept mounted: its processes are watched, and when one has ended, or does not answer, everything is taken down and
 * mounted again.
 *
 *     mounting → mounted ⇄ hanging → waiting → mounting …        unmounting → unmounted
 *
 * It is `ready` only while the mount that it made is the one that people see at its place.
 */
export class SupervisedVault {
  readonly #options: SupervisedOptions;
  readonly #top: LayerPlan;
  #state: VaultState = 'unmounted';
  #up: readonly Layer[] = [];
  #remounts = 0;
  #mounts = 0;
  #why: Refusal | undefined;
  #onReady: (() => void)[] = [];
  /** Ends the wait for whatever the loop waits for at the moment. */
  #wake: (why: string) => void = () => {};
  /** There while somebody is having it unmounted; false when that came to nothing. */
  #stopping: Promise<boolean> | undefined;
  #kept: Promise<void> = Promise.resolve();

  constructor(options: SupervisedOptions) {
    const top = options.layers.at(-1);
    if (top === undefined) throw new Error('a vault has at least one layer');
    this.#options = options;
    this.#top = top;
  }

  get mount(): string {
    return this.#top.point;
  }

  get state(): VaultState {
    return this.#state;
  }

  get remounts(): number {
    return this.#remounts;
  }

  /** Why it is not mounted. */
  get why(): Refusal | undefined {
    return this.#why;
  }

  get ready(): boolean {
    const device = this.#up.at(-1)?.device;
    return this.#state === 'mounted' && device !== undefined && mountAt(this.mount)?.device === device;
  }

  /** Called each time that it becomes ready; now, if it is. */
  onReady(f: () => void): void {
    this.#onReady.push(f);
    if (this.ready) f();
  }

  /**
   * Mounts, and keeps it so.
   *
   * @param once to give up when the first mount fails; otherwise it is tried again, for ever
   * @returns how the first mount went
   */
  async start({ once = false } = {}): Promise<Result<void, Refusal>> {
    const first = await this.#mountAll();
    if (!first.ok && once) {
      this.#state = 'unmounted';
      return first;
    }
    this.#kept = this.#keep(first);
    return first;
  }

  /**
   * Unmounts, and no longer looks after it.
   *
   * @param force when it is in use: what is open stays open to who has it, until it is closed
   * @returns `vault_in_use`, with who uses it; then all is as before
   */
  async stop({ force = false } = {}): Promise<Result<void, Refusal>> {
    const unmounting = this.#unmountAll(force);
    this.#stopping = unmounting.then(({ ok: done }) => done);
    const done = await unmounting;
    if (!done.ok) this.#stopping = undefined;
    else {
      this.#wake('it was asked to');
      await this.#kept;
    }
    return done;
  }

  async #unmountAll(force: boolean): Promise<Result<void, Refusal>> {
    // What is being mounted is mounted first: half of it would be left behind otherwise.
    while (this.#state === 'mounting') await new Promise((resolve) => setTimeout(resolve, 20));
    const before = this.#state;
    this.#state = 'unmounting';
    if (before === 'hanging') await this.#tearDown();
    const up = this.#up;
    for (const layer of up.toReversed()) {
      const done = await layer.unmount();
      if (done.ok) continue;
      // What is below serves nobody but the vault, which is gone by then.
      if (!force && layer === up.at(-1)) {
        this.#state = before;
        return done;
      }
      await layer.detach();
    }
    this.#up = [];
    this.#state = 'unmounted';
    return ok(undefined);
  }

  async #keep(first: Result<void, Refusal>): Promise<void> {
    const { clock, random, log } = this.#options;
    let failures = first.ok ? 0 : 1;
    let last = first;
    for (;;) {
      const begunMono = clock.mono();
      if (last.ok) {
        const ended = await this.#untilDown();
        if (await this.#stopping) return;
        this.#state = 'waiting';
        log.warn({ vault: this.mount, why: ended }, 'the vault is down; it is mounted again');
        await this.#tearDown();
        failures = clock.mono() - begunMono > WELL_MS ? 1 : failures + 1;
      }
      if (await this.#stopping) return;
      const whole = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 20));
      await this.#pause(Math.round(whole * (0.5 + random() / 2)));
      if (await this.#stopping) return;
      last = await this.#mountAll();
      if (!last.ok) failures += 1;
    }
  }

  async #mountAll(): Promise<Result<void, Refusal>> {
    const { layers, log, prepare } = this.#options;
    this.#state = 'mounting';
    const up: Layer[] = [];
    const failed = async (why: Refusal): Promise<Result<void, Refusal>> => {
      this.#up = up;
      await this.#tearDown();
      if (this.#why?.message !== why.message) log.error({ vault: this.mount, why: why.message }, why.hint);
      this.#why = why;
      this.#state = 'waiting';
      return { ok: false, error: why };
    };
    for (const plan of layers) {
      const layer = await mountLayer(plan, (words) => log.warn({ vault: this.mount }, words));
      if (!layer.ok) return failed(layer.error);
      up.push(layer.value);
    }
    try {
      await prepare(this.mount, up.at(-1)?.device ?? '');
    } catch (error) {
      const message = `The vault on ${this.mount} cannot be used: ${(error as Error).message}.`;
      return failed({ code: 'vault_unavailable', message, hint: 'Mend that; it is tried again.' });
    }
    this.#up = up;
    this.#why = undefined;
    if (this.#mounts > 0) this.#remounts += 1;
    this.#mounts += 1;
    this.#state = 'mounted';
    log.info({ vault: this.mount, pid: up.at(-1)?.pid, remounts: this.#remounts }, 'the vault is mounted');
    for (const f of this.#onReady) f();
    return ok(undefined);
  }

  /** @returns why it is down, in words */
  async #untilDown(): Promise<string> {
    const { clock, log, pulse } = this.#options;
    let silences = 0;
    for (;;) {
      // The wake may have come while it was asked whether it answers, and what answered was the bare folder.
      if (this.#up.length === 0) return 'it was asked to';
      const due = Symbol();
      const [asked, cancel] = after(clock, PULSE_EVERY_MS, due);
      const woken = new Promise<string>((resolve) => (this.#wake = resolve));
      const happened = await Promise.race([...this.#up.map((layer) => layer.ended), asked, woken]);
      cancel();
      if (typeof happened === 'string') return happened;
      const found = await pulse(this.mount, PULSE_WITHIN_MS);
      if (found === 'dead') return 'its mount is dead';
      if (found === 'hanging') {
        silences += 1;
        if (this.#state === 'mounted') this.#state = 'hanging';
        log.warn({ vault: this.mount }, 'the vault does not answer');
        if (silences >= SILENCES_MAX) return 'it does not answer';
      } else {
        silences = 0;
        if (this.#state === 'hanging') {
          this.#state = 'mounted';
          for (const f of this.#onReady) f();
        }
      }
    }
  }

  /** All at once: what is above may wait for what is below, where no signal reaches it until that has ended. */
  async #tearDown(): Promise<void> {
    const up = this.#up;
    this.#up = [];
    const { log } = this.#options;
    const kill = async (layer: Layer): Promise<void> => {
      try {
        await layer.kill();
      } catch (error) {
        log.warn({ vault: this.mount, why: (error as Error).message }, 'a layer of the vault could not be ended');
      }
    };
    await Promise.all(up.toReversed().map(kill));
  }

  async #pause(ms: number): Promise<void> {
    const [due, cancel] = after(this.#options.clock, ms, undefined);
    const woken = new Promise<string>((resolve) => (this.#wake = resolve));
    await Promise.race([due, woken]);
    cancel();
  }
}

function after<T>(clock: Clock, ms: number, value: T): [Promise<T>, () => void] {
  let cancel = (): void => {};
  const due = new Promise<T>((resolve) => (cancel = clock.after(ms, () => resolve(value))));
  return [due, cancel];
}
