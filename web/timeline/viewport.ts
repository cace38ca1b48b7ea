import { fitted, following, lengthOf, panned, revealing, type Span, zoomed } from './span.ts';

/** With nothing to show, the hour before now is shown. */
const EMPTY_MS = 3_600_000;
/** What counts as now when it is zoomed about, as a share of the view. */
const NEAR_NOW = 0.1;

/**
 * What part of time is in view: all that the chart, the overview and the list have to agree on. It is changed many times a second
 * while somebody pans, so it tells its listeners instead of being a component's state.
 */
export class Viewport {
  span: Span;
  bounds: Span;
  /** Whether the view moves with the clock. */
  follows = true;
  readonly #listeners = new Set<() => void>();
  /** Until somebody has zoomed or panned, everything is in view, also what comes later. */
  #whole = true;

  constructor(now: number) {
    this.bounds = { from: now - EMPTY_MS, to: now };
    this.span = fitted(this.bounds);
  }

  /** @returns what ends it */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Time went on, or there is more to show. @param earliest undefined when there is nothing */
  reach(earliest: number | undefined, now: number): void {
    this.bounds = { from: Math.min(earliest ?? now - EMPTY_MS, now - 1_000), to: now };
    if (this.#whole) this.#set(fitted(this.bounds));
    else if (this.follows) this.#set(following(this.span, now));
    else this.#tell();
  }

  /** @param time that stays where it is; when that is not now, it is what somebody looks at, and the clock is no longer followed */
  zoom(factor: number, time: number): void {
    this.#whole = false;
    const span = zoomed(this.span, factor, time, this.bounds);
    if (time < this.bounds.to - lengthOf(this.span) * NEAR_NOW) this.follows = false;
    this.#set(this.follows ? following(span, this.bounds.to) : span);
  }

  /** Whoever moves the view away wants it to stay there. */
  pan(ms: number): void {
    this.#whole = false;
    this.follows = false;
    this.#set(panned(this.span, ms, this.bounds));
  }

  show(span: Span): void {
    this.#whole = false;
    this.follows = false;
    this.#set(panned(span, 0, this.bounds));
  }

  /** What the buttons and keys zoom about. */
  get middle(): number {
    return this.follows ? this.bounds.to : (this.span.from + this.span.to) / 2;
  }

  reveal(time: number): void {
    const span = revealing(this.span, time, this.bounds);
    if (span === this.span) return;
    this.show(span);
  }

  /** Everything. */
  fit(): void {
    this.#whole = true;
    this.follows = true;
    this.#set(fitted(this.bounds));
  }

  follow(on: boolean): void {
    this.follows = on;
    this.#whole = false;
    this.#set(on ? following(this.span, this.bounds.to) : this.span);
  }

  #set(span: Span): void {
    this.span = span;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
