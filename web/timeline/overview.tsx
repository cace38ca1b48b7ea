import { useLayoutEffect, useRef } from 'preact/hooks';

import { binsOf } from './detail.ts';
import type { Item } from './mutation.ts';
import { OUTCOMES } from './mutation.ts';
import { paletteOf } from './palette.ts';
import { brushed, fitted, lengthOf, SHORTEST_MS, type Span, timeAt, xOf } from './span.ts';
import { timeWords } from './words.ts';
import type { Viewport } from './viewport.ts';

const BIN_PX = 3;
const HANDLE_PX = 10;
/** What an arrow key moves a handle by, as a share of everything. */
const KEY_SHARE = 0.02;

interface OverviewProps {
  readonly items: readonly Item[];
  readonly view: Viewport;
}

/** All of time in one strip, and a brush that says which part of it the chart shows. */
export function Overview({ items, view }: OverviewProps) {
  const strip = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const brush = useRef<HTMLDivElement>(null);
  const ends = [useRef<HTMLDivElement>(null), useRef<HTMLDivElement>(null)] as const;

  useLayoutEffect(() => {
    const box = strip.current;
    const paper = canvas.current;
    if (box === null || paper === null) return undefined;
    let asked: number | undefined;
    let drawn = '';
    const draw = (): void => {
      asked = undefined;
      const width = box.clientWidth;
      const whole = fitted(view.bounds);
      const palette = paletteOf(box);
      // The brush moves with every frame; what lies below it changes when time goes on or something happened.
      const key = `${width} ${box.clientHeight} ${Math.round(whole.from)} ${Math.round(whole.to)} ${palette.line}`;
      if (key !== drawn) drawBins(paper, items, whole, palette, box);
      drawn = key;
      placeBrush(view, whole, brush.current, ends[0].current, ends[1].current);
    };
    const again = (): void => void (asked ??= requestAnimationFrame(draw));
    const sizes = new ResizeObserver(again);
    sizes.observe(box);
    const colours = matchMedia('(prefers-color-scheme: dark)');
    colours.addEventListener('change', again);
    const quiet = view.listen(again);
    const still = listenToBrush(box, view);
    draw();
    return () => {
      quiet();
      still();
      sizes.disconnect();
      colours.removeEventListener('change', again);
      if (asked !== undefined) cancelAnimationFrame(asked);
    };
  }, [items, view]);

  const key = (end: 'from' | 'to') => (event: KeyboardEvent) => {
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (sign === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const whole = fitted(view.bounds);
    const time = view.span[end] + sign * KEY_SHARE * lengthOf(whole);
    const inside = Math.min(Math.max(time, whole.from), whole.to);
    const next = { ...view.span, [end]: inside };
    if (next.to - next.from >= SHORTEST_MS) view.show(next);
  };

  return (
    <div class="timeline-overview" ref={strip}>
      <canvas ref={canvas} aria-hidden="true" />
      <div class="timeline-brush" ref={brush}>
        <div
          class="timeline-handle"
          ref={ends[0]}
          role="slider"
          tabIndex={0}
          aria-label="Begin of what is shown"
          onKeyDown={key('from')}
        />
        <div
          class="timeline-handle timeline-handle-end"
          ref={ends[1]}
          role="slider"
          tabIndex={0}
          aria-label="End of what is shown"
          onKeyDown={key('to')}
        />
      </div>
    </div>
  );
}

function drawBins(
  canvas: HTMLCanvasElement,
  items: readonly Item[],
  whole: Span,
  palette: ReturnType<typeof paletteOf>,
  box: HTMLElement,
): void {
  const { clientWidth: width, clientHeight: height } = box;
  const ratio = Math.min(devicePixelRatio, 3);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext('2d');
  if (context === null || width === 0) return;
  context.scale(ratio, ratio);
  const bins = Math.max(1, Math.floor(width / BIN_PX));
  const counts = binsOf(items, whole.from, whole.to, bins);
  const totals = Array.from({ length: bins }, (_, bin) =>
    OUTCOMES.reduce((sum, outcome) => sum + (counts.get(outcome)?.[bin] ?? 0), 0),
  );
  const most = Math.max(1, ...totals);
  for (const [bin, total] of totals.entries()) {
    if (total === 0) continue;
    // By the root: a single one can be seen beside a busy hour.
    const tall = Math.max(3, (height - 8) * Math.sqrt(total / most));
    let bottom = height - 3;
    for (const outcome of OUTCOMES) {
      const count = counts.get(outcome)?.[bin] ?? 0;
      if (count === 0) continue;
      const part = Math.max(1, (tall * count) / total);
      context.fillStyle = palette.outcomes[outcome];
      context.fillRect(bin * BIN_PX, bottom - part, BIN_PX - 0.75, part);
      bottom -= part;
    }
  }
}

function placeBrush(
  view: Viewport,
  whole: Span,
  brush: HTMLElement | null,
  begin: HTMLElement | null,
  end: HTMLElement | null,
): void {
  if (brush === null || begin === null || end === null) return;
  const left = Math.min(Math.max(xOf(whole, 100, view.span.from), 0), 99.5);
  const right = Math.max(Math.min(xOf(whole, 100, view.span.to), 100), left + 0.5);
  brush.style.left = `${left}%`;
  brush.style.width = `${right - left}%`;
  for (const [handle, share, time] of [
    [begin, left, view.span.from],
    [end, right, view.span.to],
  ] as const) {
    handle.setAttribute('aria-valuenow', String(Math.round(share)));
    handle.setAttribute('aria-valuetext', timeWords(time));
  }
}

/** Drag the brush to pan, its ends to resize it, anywhere else to draw a new one; click to go there. */
function listenToBrush(box: HTMLElement, view: Viewport): () => void {
  let grip: { kind: 'move' | 'from' | 'to' | 'new'; begin: number; span: Span; whole: Span } | undefined;
  const place = (event: PointerEvent): number => event.clientX - box.getBoundingClientRect().left;

  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const x = place(event);
    const whole = fitted(view.bounds);
    const { span } = view;
    const [left, right] = [xOf(whole, box.clientWidth, span.from), xOf(whole, box.clientWidth, span.to)];
    const near = { from: Math.abs(x - Math.max(left, 0)), to: Math.abs(x - Math.min(right, box.clientWidth)) };
    let kind: 'move' | 'from' | 'to' | 'new' = x > left && x < right ? 'move' : 'new';
    if (Math.min(near.from, near.to) <= HANDLE_PX) kind = near.from < near.to ? 'from' : 'to';
    grip = { kind, begin: x, span, whole };
    box.setPointerCapture(event.pointerId);
  };

  const move = (event: PointerEvent): void => {
    if (grip === undefined) return;
    const x = place(event);
    const { kind, begin, span, whole } = grip;
    const width = box.clientWidth;
    const time = timeAt(whole, width, Math.min(Math.max(x, 0), width));
    const shortest = (2 * lengthOf(whole)) / width;
    if (kind === 'move') {
      const ms = timeAt(whole, width, x) - timeAt(whole, width, begin);
      view.show({ from: span.from + ms, to: span.to + ms });
      return;
    }
    const fixed = { from: span.to, to: span.from, new: timeAt(whole, width, begin) }[kind];
    const next = brushed(fixed, time, shortest);
    if (next !== undefined && (kind !== 'new' || Math.abs(x - begin) > 4)) view.show(next);
  };

  const lift = (event: PointerEvent): void => {
    if (grip === undefined) return;
    const x = place(event);
    const { kind, begin, span, whole } = grip;
    grip = undefined;
    if (kind !== 'new' || Math.abs(x - begin) > 4 || event.type !== 'pointerup') return;
    const time = timeAt(whole, box.clientWidth, x);
    view.show({ from: time - lengthOf(span) / 2, to: time + lengthOf(span) / 2 });
  };

  const all = (): void => view.fit();
  const over = new AbortController();
  const { signal } = over;
  box.addEventListener('pointerdown', press, { signal });
  box.addEventListener('pointermove', move, { signal });
  box.addEventListener('pointerup', lift, { signal });
  box.addEventListener('pointercancel', lift, { signal });
  box.addEventListener('dblclick', all, { signal });
  return () => over.abort();
}
