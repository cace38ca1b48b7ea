/** A stretch of time, in ms since 1970; `from` lies before `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Nearer than this nothing more is to be seen: times are whole milliseconds. */
export const SHORTEST_MS = 20;
/** The share of the view that is left free beside the outermost bars, and to the right of now. */
const MARGIN = 0.04;
/** The least of what there is that stays in view, as a share of the view, however far it is panned. */
const LEFT_IN_VIEW = 0.1;

export function lengthOf({ from, to }: Span): number {
  return to - from;
}

/** @param width of the view in px */
export function xOf(span: Span, width: number, time: number): number {
  return ((time - span.from) / lengthOf(span)) * width;
}

/** @param width of the view in px */
export function timeAt(span: Span, width: number, x: number): number {
  return span.from + (x / width) * lengthOf(span);
}

/** With a margin on both sides. */
export function fitted(bounds: Span): Span {
  const margin = Math.max(lengthOf(bounds) * MARGIN, SHORTEST_MS / 4);
  return { from: bounds.from - margin, to: bounds.to + margin };
}

/** Longer by `factor` (shorter when it is below 1), with `time` where it was. */
export function zoomed(span: Span, factor: number, time: number, bounds: Span): Span {
  const longest = lengthOf(fitted(bounds)) * 1.5;
  const length = Math.min(Math.max(lengthOf(span) * factor, SHORTEST_MS), Math.max(longest, SHORTEST_MS));
  const share = (time - span.from) / lengthOf(span);
  const from = time - share * length;
  return kept({ from, to: from + length }, bounds);
}

/** @param ms towards later, or when negative towards earlier */
export function panned(span: Span, ms: number, bounds: Span): Span {
  return kept({ from: span.from + ms, to: span.to + ms }, bounds);
}

/** Ends where `now` is, a margin to the right of it. */
export function following(span: Span, now: number): Span {
  const length = lengthOf(span);
  const to = now + length * MARGIN;
  return { from: to - length, to };
}

/** The same when `time` is inside; else moved no more than needed for it to be, not at the very edge. */
export function revealing(span: Span, time: number, bounds: Span): Span {
  const room = lengthOf(span) * LEFT_IN_VIEW;
  if (time < span.from) return panned(span, time - span.from - room, bounds);
  if (time > span.to) return panned(span, time - span.to + room, bounds);
  return span;
}

/** From two ends in any order, as a brush leaves them; undefined when they are too near to mean anything. */
export function brushed(a: number, b: number, shortest: number): Span | undefined {
  const span = { from: Math.min(a, b), to: Math.max(a, b) };
  return lengthOf(span) < Math.max(shortest, SHORTEST_MS) ? undefined : span;
}

/** Pushed back so that something of what there is stays in view. */
function kept(span: Span, bounds: Span): Span {
  const room = lengthOf(span) * LEFT_IN_VIEW;
  if (span.to < bounds.from + room) return moved(span, bounds.from + room - span.to);
  if (span.from > bounds.to - room) return moved(span, bounds.to - room - span.from);
  return span;
}

function moved(span: Span, ms: number): Span {
  return { from: span.from + ms, to: span.to + ms };
}
