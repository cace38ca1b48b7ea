import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

import { listenToPointers } from './gestures.ts';
import type { Hit } from './hit.ts';
import type { Lane } from './lanes.ts';
import type { Band, Item } from './mutation.ts';
import { Scene } from './scene.ts';
import { lengthOf } from './span.ts';
import { type Step, stepFrom } from './steps.ts';
import { Tip } from './tip.tsx';
import type { Viewport } from './viewport.ts';
import { itemWords } from './words.ts';

const STEPS: Readonly<Record<string, Step>> = {
  ArrowLeft: 'earlier',
  ArrowRight: 'later',
  ArrowUp: 'above',
  ArrowDown: 'below',
  Home: 'first',
  End: 'last',
};
/** One press of a zoom key or button. */
export const ZOOM_STEP = 1.6;
/** What Shift and an arrow key pan by, as a share of the view. */
const PAN_SHARE = 0.2;
/** Options beside the one with the focus: a screen reader looks no further ahead. */
const NEIGHBOURS = 3;

interface ChartProps {
  readonly lanes: readonly Lane[];
  readonly bands: readonly Band[];
  readonly now: number;
  readonly view: Viewport;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

interface Hovered {
  readonly hit: Exclude<Hit, undefined>;
  readonly x: number;
  readonly y: number;
}

/**
 * The lanes. For eyes it is a canvas; for keys and screen readers a list box, whose options are made only around the one that has the
 * focus, since nobody needs ten thousand elements to hear one of them.
 */
export function Chart({ lanes, bands, now, view, selected, onSelect }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const scene = useRef<Scene>(undefined);
  const select = useRef(onSelect);
  select.current = onSelect;
  const [tall, setTall] = useState(0);
  const [focused, setFocused] = useState(false);
  const [cursor, setCursor] = useState<string>();
  const [hovered, setHovered] = useState<Hovered>();
  const [brush, setBrush] = useState<{ readonly from: number; readonly to: number }>();

  useLayoutEffect(() => {
    if (box.current === null || canvas.current === null) return undefined;
    const drawn = new Scene(box.current, canvas.current, view, setTall);
    scene.current = drawn;
    const quiet = listenToPointers(box.current, drawn, {
      click: (hit) => {
        if (hit?.kind === 'mutation') {
          setCursor(hit.item.id);
          select.current(hit.item.id);
        } else if (hit?.kind === 'cluster') {
          const { from, to } = hit.cluster;
          const room = Math.max((to - from) * 0.15, 20);
          view.show({ from: from - room, to: to + room });
        }
      },
      hover: (hit, x, y) => {
        const id = hit?.kind === 'mutation' ? hit.item.id : hit?.cluster.items[0]?.id;
        if (drawn.hover(id)) setHovered(hit === undefined ? undefined : { hit, x, y });
      },
      brush: setBrush,
    });
    return () => {
      quiet();
      drawn.end();
    };
  }, [view]);

  useLayoutEffect(() => {
    scene.current?.show({ lanes, bands, now, selected, cursor: focused ? cursor : undefined });
  });

  // What was chosen elsewhere, by a link or in the list, is brought into view here.
  useEffect(() => {
    const item = lanes.flatMap(({ items }) => items).find(({ id }) => id === selected);
    if (item === undefined) return;
    setCursor(item.id);
    view.reveal(item.start);
    scene.current?.revealLane(item.node);
    // Only when another one is chosen, not whenever there is news.
  }, [selected]);

  const goTo = (item: Item | undefined): void => {
    if (item === undefined) return;
    setCursor(item.id);
    view.reveal(item.start);
    scene.current?.revealLane(item.node);
  };

  const press = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = STEPS[event.key];
    const pan = { ArrowLeft: -PAN_SHARE, ArrowRight: PAN_SHARE }[event.key];
    if (event.shiftKey && pan !== undefined) view.pan(pan * lengthOf(view.span));
    else if (step !== undefined) goTo(stepFrom(lanes, cursor ?? selected, step));
    else if (event.key === '+' || event.key === '=') view.zoom(1 / ZOOM_STEP, aim());
    else if (event.key === '-') view.zoom(ZOOM_STEP, aim());
    else if (event.key === '0') view.fit();
    else if (event.key === 'f') view.follow(!view.follows);
    else if ((event.key === 'Enter' || event.key === ' ') && cursor !== undefined) onSelect(cursor);
    else return;
    event.preventDefault();
  };

  /** Keys zoom about the mutation they have come to, when it is in view. */
  const aim = (): number => {
    const item = lanes.flatMap(({ items }) => items).find(({ id }) => id === cursor);
    const { from, to } = view.span;
    return item !== undefined && item.start >= from && item.start <= to ? item.start : view.middle;
  };

  const lane = lanes.find(({ items }) => items.some(({ id }) => id === cursor));
  const index = lane?.items.findIndex(({ id }) => id === cursor) ?? -1;
  const from = Math.max(0, index - NEIGHBOURS);
  const options = lane?.items.slice(from, index + NEIGHBOURS + 1) ?? lanes.flatMap(({ items }) => items.slice(-1));

  return (
    <div class="timeline-chart">
      <div
        class="timeline-lanes"
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label="Mutations by node and time"
        aria-describedby="timeline-keys"
        aria-activedescendant={index >= 0 ? optionId(cursor) : undefined}
        onKeyDown={press}
        onFocus={() => {
          setFocused(true);
          if (cursor === undefined) setCursor(selected ?? stepFrom(lanes, undefined, 'last')?.id);
        }}
        onBlur={() => setFocused(false)}
      >
        <div class="timeline-tall" role="presentation" style={{ height: `${tall}px` }}>
          <canvas ref={canvas} class="timeline-canvas" aria-hidden="true" />
          <div class="timeline-unseen" role="presentation">
            {options.map((item, at) => (
              <div
                key={item.id}
                id={optionId(item.id)}
                role="option"
                aria-selected={item.id === selected}
                aria-setsize={lane?.items.length ?? options.length}
                aria-posinset={lane === undefined ? at + 1 : from + at + 1}
              >
                {itemWords(item, now)}
              </div>
            ))}
          </div>
        </div>
      </div>
      {brush !== undefined && (
        <div
          class="timeline-stretch"
          style={{ left: `${brush.from}px`, width: `${brush.to - brush.from}px` }}
          aria-hidden="true"
        />
      )}
      {hovered !== undefined && (
        <Tip hit={hovered.hit} x={hovered.x} y={hovered.y} across={box.current?.clientWidth ?? 0} now={now} />
      )}
    </div>
  );
}

function optionId(id: string | undefined): string {
  return `timeline-option-${id ?? ''}`;
}
