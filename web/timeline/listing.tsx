import { useState } from 'preact/hooks';

import { endOf, type Item } from './mutation.ts';
import { Shape } from './shape.tsx';
import type { Span } from './span.ts';
import { lastingWords, OUTCOME_WORDS, timeWords } from './words.ts';

/** So many more at a time: a browser is slow with thousands of rows, and nobody reads them. */
const PAGE = 50;

interface ListingProps {
  readonly items: readonly Item[];
  readonly span: Span;
  readonly now: number;
  readonly selected: string | undefined;
  readonly onSelect: (id: string) => void;
}

/** The same as the chart shows, in words: the newest first. */
export function Listing({ items, span, now, selected, onSelect }: ListingProps) {
  const [most, setMost] = useState(PAGE);
  const seen = items
    .filter((item) => item.asked <= span.to && endOf(item, now) >= span.from)
    .toSorted((a, b) => b.start - a.start);
  if (seen.length === 0) return <p class="timeline-none">No mutations in this part of time.</p>;
  return (
    <div class="timeline-list" role="region" aria-label="The mutations shown, as a list" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Node</th>
            <th scope="col">Intent</th>
            <th scope="col">Outcome</th>
            <th scope="col">Took</th>
          </tr>
        </thead>
        <tbody>
          {seen.slice(0, most).map((item) => (
            <tr key={item.id} class={item.id === selected ? 'timeline-chosen' : undefined}>
              <td>
                <time dateTime={new Date(item.start).toISOString()}>{timeWords(item.start)}</time>
              </td>
              <td>
                <bdi>{item.node}</bdi>
              </td>
              <td>
                <button
                  type="button"
                  class="timeline-intent"
                  aria-current={item.id === selected ? 'true' : undefined}
                  onClick={() => onSelect(item.id)}
                >
                  <bdi>{item.intent}</bdi>
                </button>
              </td>
              <td>
                <span class="timeline-outcome">
                  <Shape outcome={item.outcome} />
                  {OUTCOME_WORDS[item.outcome]}
                  {item.critical ? ', critical' : ''}
                </span>
              </td>
              <td>{lastingWords(item, now) ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {seen.length > most && (
        <button type="button" class="timeline-more" onClick={() => setMost(most + PAGE)}>
          {Math.min(PAGE, seen.length - most)} more of {(seen.length - most).toLocaleString('en')}
        </button>
      )}
    </div>
  );
}
