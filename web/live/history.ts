import type { MutationDetail, MutationList, MutationView } from '../../src/wire/http.ts';
import type { Refused } from '../api.ts';
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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #loading = false;
  #again = false;

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
    try {
      let before: string | undefined;
      let asked = 0;
      do {
        const limit = before === undefined ? FIRST : PAGE;
        const page = await this.#page(limit, before);
        for (const mutation of page) this.#byId.set(mutation.mutation, mutation);
        asked += page.length;
        before = page.length < limit || asked >= MUTATIONS_MAX ? undefined : page.at(-1)?.mutation;
        this.#show(before !== undefined);
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
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#refresh();
    }, GATHER_MS);
  }

  /** Asks once more for what could not be had. */
  again(): void {
    clearTimeout(this.#retry);
    const { known, error } = this.state.value;
    if (!known) void this.load();
    else if (error !== undefined || this.#touched.size > 0) void this.#refresh();
  }

  #failed(error: Refused): void {
    this.state.set({ ...this.state.value, loading: false, error });
    if (!error.passes) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.again(), RETRY_MS);
  }

  async #refresh(): Promise<void> {
    const touched = [...this.#touched];
    this.#touched.clear();
    try {
      if (touched.length <= SINGLE_MAX) {
        await Promise.all(touched.map((id) => this.#one(id)));
      } else {
        const newest = await this.#page(PAGE);
        for (const mutation of newest) this.#byId.set(mutation.mutation, mutation);
        const listed = new Set(newest.map((mutation) => mutation.mutation));
        for (const id of touched.filter((one) => !listed.has(one))) await this.#one(id);
      }
      this.#show(this.state.value.loading);
    } catch (error) {
      for (const id of touched) this.#touched.add(id);
      this.#failed(error as Refused);
    }
  }

  async #page(limit: number, before?: string): Promise<readonly MutationView[]> {
    const after = before === undefined ? '' : `&before=${encodeURIComponent(before)}`;
    return (await this.#ask<MutationList>(`/v1/mutations?limit=${limit}${after}`)).mutations;
  }

  async #one(id: string): Promise<void> {
    const { records: _, ...mutation } = await this.#ask<MutationDetail>(`/v1/mutations/${encodeURIComponent(id)}`);
    this.#byId.set(id, mutation);
  }

  #show(loading: boolean): void {
    // Their ids are UUIDv7: they sort by when they were asked for.
    const newestFirst = [...this.#byId.values()].toSorted((a, b) => (a.mutation < b.mutation ? 1 : -1));
    const mutations = newestFirst.slice(0, MUTATIONS_MAX);
    for (const { mutation } of newestFirst.slice(MUTATIONS_MAX)) this.#byId.delete(mutation);
    this.state.set({ mutations, known: true, loading });
  }
}
