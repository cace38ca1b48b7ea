import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

/** Rows drawn at once: nobody reads ten thousand, and a phone should not have to draw them. */
const ROWS = 50;

/** As many rows of all as somebody asks for. */
export function Rows<T>({ all, row }: { readonly all: readonly T[]; readonly row: (one: T) => ComponentChildren }) {
  const [shown, setShown] = useState(ROWS);
  return (
    <>
      <ul class="rows">{all.slice(0, shown).map(row)}</ul>
      {all.length > shown ? (
        <button type="button" class="button quiet" onClick={() => setShown(shown + 4 * ROWS)}>
          Show more of {all.length.toLocaleString('en')}
        </button>
      ) : null}
    </>
  );
}
