import type { Hit } from './hit.ts';
import { OUTCOMES } from './mutation.ts';
import { Shape } from './shape.tsx';
import { lastingWords, OUTCOME_WORDS, timeWords } from './words.ts';

/** Its widest, px: the style sheet says the same. */
const WIDTH_PX = 280;

interface TipProps {
  readonly hit: Exclude<Hit, undefined>;
  readonly x: number;
  readonly y: number;
  readonly across: number;
  readonly now: number;
}

/** What is under the mouse. Keys and screen readers have the options of the list box for it. */
export function Tip({ hit, x, y, across, now }: TipProps) {
  const left = Math.max(4, Math.min(x + 14, across - WIDTH_PX - 4));
  return (
    <div class="timeline-tip" style={{ left: `${left}px`, top: `${y + 18}px` }} aria-hidden="true">
      {hit.kind === 'mutation' ? (
        <>
          <strong>
            <bdi>{hit.item.intent}</bdi>
          </strong>
          <span class="timeline-outcome">
            <Shape outcome={hit.item.outcome} />
            {OUTCOME_WORDS[hit.item.outcome]}
            {hit.item.critical ? ', critical' : ''}
            {lastingWords(hit.item, now) === undefined ? '' : ` · ${lastingWords(hit.item, now) ?? ''}`}
          </span>
          <span class="timeline-soft">
            <bdi>{hit.item.node}</bdi> · {timeWords(hit.item.start)}
          </span>
        </>
      ) : (
        <>
          <strong>{hit.cluster.items.length} mutations</strong>
          {OUTCOMES.map((outcome, index) => ({ outcome, count: hit.cluster.counts[index] ?? 0 }))
            .filter(({ count }) => count > 0)
            .map(({ outcome, count }) => (
              <span key={outcome} class="timeline-outcome">
                <Shape outcome={outcome} />
                {count} {OUTCOME_WORDS[outcome]}
              </span>
            ))}
          <span class="timeline-soft">Click to zoom in</span>
        </>
      )}
    </div>
  );
}
