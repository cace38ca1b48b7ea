import type { Hit } from './hit.ts';
import type { Scene } from './scene.ts';
import { brushed, lengthOf } from './span.ts';

/** A pointer that moved less than this has clicked. */
const CLICK_PX = 5;
const WITHIN_PX = { mouse: 4, touch: 14 };
/** One notch of a wheel, as a factor of the zoom. */
const NOTCH = 1.0018;

export interface Heard {
  /** @param x where, in px from the left of the chart */
  click(hit: Hit, x: number): void;
  hover(hit: Hit, x: number, y: number): void;
  /** A stretch is being brushed, in px from the left; undefined when it is over. */
  brush(stretch: { readonly from: number; readonly to: number } | undefined): void;
}

/**
 * Mouse, pen and fingers on the chart: drag to pan, two fingers to zoom, Shift and drag to brush, Ctrl and the wheel to zoom. The wheel
 * alone scrolls the page, as everywhere.
 *
 * @returns what ends it
 */
export function listenToPointers(element: HTMLElement, scene: Scene, heard: Heard): () => void {
  const { view } = scene;
  const down = new Map<number, { x: number; readonly begin: number; readonly y: number }>();
  let brush: number | undefined;
  let moved = false;
  let fingers = 0;

  const place = (event: PointerEvent | WheelEvent): { x: number; y: number } => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const within = (event: PointerEvent): number => (event.pointerType === 'touch' ? WITHIN_PX.touch : WITHIN_PX.mouse);
  const msPerPx = (): number => lengthOf(view.span) / scene.across;

  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    const { x, y } = place(event);
    down.set(event.pointerId, { x, begin: x, y });
    fingers = Math.max(fingers, down.size);
    if (down.size > 1) return;
    moved = false;
    fingers = 1;
    brush = event.shiftKey ? x : undefined;
  };

  const move = (event: PointerEvent): void => {
    const { x, y } = place(event);
    const pointer = down.get(event.pointerId);
    if (pointer === undefined) {
      if (event.pointerType !== 'touch') heard.hover(scene.hitAt(x, y, within(event)), x, y);
      return;
    }
    if (!moved && down.size === 1 && Math.abs(x - pointer.begin) < CLICK_PX) return;
    if (!moved) {
      moved = true;
      // Only now: a pointer that is held takes the double click from what is below it.
      element.setPointerCapture(event.pointerId);
      heard.hover(undefined, x, y);
    }
    if (brush !== undefined) {
      heard.brush({ from: Math.min(brush, x), to: Math.max(brush, x) });
      return;
    }
    const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
    if (other === undefined) {
      view.pan((pointer.x - x) * msPerPx());
    } else {
      const factor = Math.max(Math.abs(pointer.x - other.x), 8) / Math.max(Math.abs(x - other.x), 8);
      view.zoom(factor, scene.timeAt(other.x));
    }
    pointer.x = x;
  };

  const lift = (event: PointerEvent): void => {
    const pointer = down.get(event.pointerId);
    if (pointer === undefined) return;
    down.delete(event.pointerId);
    const { x, y } = place(event);
    const begin = brush;
    brush = undefined;
    if (begin !== undefined) {
      heard.brush(undefined);
      const stretch = brushed(scene.timeAt(begin), scene.timeAt(x), CLICK_PX * msPerPx());
      if (stretch !== undefined && event.type === 'pointerup') view.show(stretch);
      if (stretch !== undefined) return;
    }
    if (!moved && fingers === 1 && event.type === 'pointerup') heard.click(scene.hitAt(x, y, within(event)), x);
  };

  const leave = (event: PointerEvent): void => heard.hover(undefined, event.clientX, event.clientY);

  const wheel = (event: WheelEvent): void => {
    const across = event.shiftKey && event.deltaX === 0 ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      view.zoom(NOTCH ** event.deltaY, scene.timeAt(place(event).x));
    } else if (Math.abs(across) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      view.pan(across * msPerPx());
    }
  };

  const twice = (event: MouseEvent): void => {
    const { left } = element.getBoundingClientRect();
    view.zoom(1 / 3, scene.timeAt(event.clientX - left));
  };

  const over = new AbortController();
  const { signal } = over;
  element.addEventListener('pointerdown', press, { signal });
  element.addEventListener('pointermove', move, { signal });
  element.addEventListener('pointerup', lift, { signal });
  element.addEventListener('pointercancel', lift, { signal });
  element.addEventListener('pointerleave', leave, { signal });
  element.addEventListener('wheel', wheel, { passive: false, signal });
  element.addEventListener('dblclick', twice, { signal });
  return () => over.abort();
}
