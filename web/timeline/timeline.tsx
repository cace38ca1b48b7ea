import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

import { Chart, ZOOM_STEP } from './chart.tsx';
import { lanesOf } from './lanes.ts';
import { Listing } from './listing.tsx';
import {
  bandsOf,
  itemOf,
  type Item,
  type Outcome,
  OUTCOMES,
  type TimelineBarrier,
  type TimelineMutation,
} from './mutation.ts';
import { Overview } from './overview.tsx';
import { Shape } from './shape.tsx';
import { Viewport } from './viewport.ts';
import { OUTCOME_WORDS } from './words.ts';
import './timeline.css';

/** The list follows the chart when it has come to rest: with every frame it would hold it up. */
const REST_MS = 150;

export interface TimelineProps {
  /** In the order of their lanes. Nodes that only mutations name come after them. */
  readonly nodes: readonly string[];
  /** In any order; never changed in place, so a changed one is another object. */
  readonly mutations: readonly TimelineMutation[];
  /** Those that stand now. */
  readonly barriers: readonly TimelineBarrier[];
  /** ms since 1970, by the controller's clock as well as the page knows it. Open bars end here. */
  readonly now: number;
  readonly selected?: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** Who changed what when, and what came of it: a lane a node, a bar a mutation, barriers across all of them. */
export function Timeline({ nodes, mutations, barriers, now, selected, onSelect }: TimelineProps) {
  const view = useMemo(() => new Viewport(now), []);
  const items = useMemo(() => mutations.map(itemOf), [mutations]);
  const lanes = useMemo(() => lanesOf(nodes, items), [nodes, items]);
  const bands = useMemo(() => bandsOf(items, barriers), [items, barriers]);
  const earliest = useMemo(
    () => items.reduce<number | undefined>((least, { asked }) => Math.min(least ?? asked, asked), undefined),
    [items],
  );
  const counts = useMemo(() => countsOf(items), [items]);
  const [listed, setListed] = useState(false);
  const [, setRested] = useState(0);
  const [follows, setFollows] = useState(true);

  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    const quiet = view.listen(() => {
      setFollows(view.follows);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setRested((times) => times + 1), REST_MS);
    });
    return () => {
      quiet();
      clearTimeout(timer.current);
    };
  }, [view]);

  // Before the first picture, not after it: nobody is to see it jump.
  useLayoutEffect(() => view.reach(earliest, now), [view, earliest, now]);

  return (
    <section class="timeline" aria-label="Timeline">
      <div class="timeline-bar">
        <div class="timeline-tools" role="toolbar" aria-label="What is shown">
          <Tool label="Zoom in" sign="M3 8h10M8 3v10" onClick={() => view.zoom(1 / ZOOM_STEP, view.middle)} />
          <Tool label="Zoom out" sign="M3 8h10" onClick={() => view.zoom(ZOOM_STEP, view.middle)} />
          <Tool
            label="Show all"
            sign="M2 3v10M14 3v10M4.500 8h7M6.500 6L4.500 8l2 2M9.500 6l2 2l-2 2"
            onClick={() => view.fit()}
          />
          <button type="button" aria-pressed={follows} onClick={() => view.follow(!view.follows)}>
            Follow now
          </button>
          <button type="button" aria-pressed={listed} onClick={() => setListed(!listed)}>
            List
          </button>
        </div>
        <ul class="timeline-legend" aria-label="Outcomes">
          {OUTCOMES.filter((outcome) => (counts.get(outcome) ?? 0) > 0).map((outcome) => (
            <li key={outcome}>
              <Shape outcome={outcome} />
              {OUTCOME_WORDS[outcome]} <b>{(counts.get(outcome) ?? 0).toLocaleString('en')}</b>
            </li>
          ))}
        </ul>
      </div>
      <p class="timeline-unseen" id="timeline-keys">
        Left and right arrow: earlier and later on this node. Up and down arrow: another node. Enter: open. Plus and
        minus: zoom. Shift with an arrow: pan. 0: show all. F: follow now.
      </p>
      <Chart lanes={lanes} bands={bands} now={now} view={view} selected={selected} onSelect={onSelect} />
      <Overview items={items} view={view} />
      {listed && <Listing items={items} span={view.span} now={now} selected={selected} onSelect={onSelect} />}
    </section>
  );
}

function Tool({
  label,
  sign,
  onClick,
}: {
  readonly label: string;
  readonly sign: string;
  readonly onClick: () => void;
}) {
  return (
    <button type="button" class="timeline-tool" aria-label={label} title={label} onClick={onClick}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={sign} />
      </svg>
    </button>
  );
}

function countsOf(items: readonly Item[]): Map<Outcome, number> {
  const counts = new Map<Outcome, number>();
  for (const { outcome } of items) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return counts;
}
