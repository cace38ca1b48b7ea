import type { MutationDetail, MutationList, MutationView } from '../../src/wire/http.ts';
import { Refused } from '../api.ts';
import { Observed } from './observed.ts';

/** So many mutations are held in the page, the newest. */
export const MUTATIONS_MAX = 10_000;

/** First those that fit on a screen, so that it is soon there; then the largest pages the controller gives. */
const FIRST = 200;
const PAGE = 1_000;

/** More changed ones than this at once are asked for as a list. */
const SINGLE_MAX = 6;

const GATHER_MS = 120;

/** How long after a failure it is asked again. */
const RETRY_MS = 5_000;

export interface Past {
  /** Newest first. */
  readonly mutations: readonly MutationView[];
  /** Whether the first of them were asked for at all. */
  readonly known: boolean;
  /** Older ones are still on their way. */
  readonly loading: boolean;
  readonly error?: Refused;
}

type Ask = <T>(path: string) => Promise<T>;

/** All mutations that there are, up to a limit, kept current by what the events touch. */
export class History {
  readonly state = new Observed<Past>({ mutations: [], known: false, loading: true });
  readonly #ask: Ask;
  readonly #byId = new Map<string, MutationView>();
  readonly #touched = new Set<string>();
  /** Asked for by themselves while a walk was under way: newer than what the walk has of them. */
  readonly #newer = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #loading = false;
  #again = false;
  /** Whether the last walk came to its end. */
  #whole = false;
  #refreshing = false;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** Asks for everything, the newest first. */
  async load(): Promise<void> {
    if (this.#loading) {
      this.#again = true;
      return;
    }
    this.#loading = true;
    this.#whole = false;
    this.#newer.clear();
    const seen = new Set<string>();
    try {
      let before: string | undefined;
      let asked = 0;
      do {
        const limit = before === undefined ? FIRST : PAGE;
        const page = await this.#page(limit, before);
        for (const mutation of page) {
          seen.add(mutation.mutation);
          if (!this.#newer.has(mutation.mutation)) this.#byId.set(mutation.mutation, mutation);
        }
        asked += page.length;
        before = page.length < limit || asked >= MUTATIONS_MAX ? undefined : page.at(-1)?.mutation;
        this.#whole = before === undefined;
        // What the controller does not list any more was of another ledger.
        if (this.#whole)
          for (const id of this.#byId.keys()) if (!seen.has(id) && !this.#newer.has(id)) this.#byId.delete(id);
        this.#show({ known: true, loading: !this.#whole });
      } while (before !== undefined);
    } catch (error) {
      this.#failed(error as Refused);
    }
    this.#loading = false;
    if (this.#again) {
      this.#again = false;
      await this.load();
    }
  }

  /** Something happened to a mutation. */
  touch(mutation: string): void {
    this.#touched.add(mutation);
    this.#gather();
  }

  /** Asks once more for what could not be had. */
  again(): void {
    clearTimeout(this.#retry);
    // A walk that broke off begins anew: half a history looks like a whole one.
    if (!this.#whole && !this.#loading) void this.load();
    if (this.#touched.size > 0) void this.#refresh();
  }

  #gather(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, GATHER_MS);
  }

  #failed(error: Refused): void {
    this.state.set({ ...this.state.value, loading: false, error });
    if (!error.passes) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.again(), RETRY_MS);
  }

  /** One at a time: of two answers about one mutation the older might come last. */
  async #refresh(): Promise<void> {
    if (this.#refreshing) return;
    this.#refreshing = true;
    const touched = [...this.#touched];
    this.#touched.clear();
    try {
      if (touched.length <= SINGLE_MAX) {
        await Promise.all(touched.map((id) => this.#one(id)));
      } else {
        const newest = await this.#page(PAGE);
        for (const mutation of newest) this.#take(mutation);
        const listed = new Set(newest.map((mutation) => mutation.mutation));
        for (const id of touched.filter((one) => !listed.has(one))) await this.#one(id);
      }
      const { known, loading, error } = this.state.value;
      // That a walk broke off stays said until one did not.
      this.#show({ known, loading, ...(this.#whole || error === undefined ? {} : { error }) });
      if (this.#touched.size > 0) this.#gather();
    } catch (error) {
      for (const id of touched) this.#touched.add(id);
      this.#failed(error as Refused);
    }
    this.#refreshing = false;
  }

  async #page(limit: number, before?: string): Promise<readonly MutationView[]> {
    const after = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
    return (await this.#ask<MutationList>(`/v1/mutations?limit=${limit}${after}`)).mutations;
  }

  async #one(id: string): Promise<void> {
    try {
      const { records: _, ...mutation } = await this.#ask<MutationDetail>(`/v1/mutations/${encodeURIComponent(id)}`);
      this.#take(mutation);
    } catch (error) {
      // Not there any more, as after a change of ledger: no reason to ask for it for ever.
      if (!(error instanceof Refused) || error.status !== 404) throw error;
      this.#byId.delete(id);
      if (this.#loading) this.#newer.add(id);
    }
  }

  #take(mutation: MutationView): void {
    this.#byId.set(mutation.mutation, mutation);
    if (this.#loading) this.#newer.add(mutation.mutation);
  }

  #show(told: Omit<Past, 'mutations'>): void {
    // Their ids are UUIDv7: they sort by when they were asked for.
    const newestFirst = [...this.#byId.values()].toSorted((a, b) => (a.mutation < b.mutation ? 1 : -1));
    const mutations = newestFirst.slice(0, MUTATIONS_MAX);
    for (const { mutation } of newestFirst.slice(MUTATIONS_MAX)) this.#byId.delete(mutation);
    this.state.set({ mutations, ...told });
  }
}
