import { useState } from 'preact/hooks';

import type { MutationView } from '../../src/wire/http.ts';
import { hashOf } from '../route.ts';
import { duration, lookOf } from '../words.ts';
import { StageBadge } from './badge.tsx';
import { Time, Words } from './text.tsx';

/** Rows drawn at once: nobody reads ten thousand, and a phone should not have to draw them. */
const ROWS = 50;

/** Mutations as rows, each leading to its own page. */
export function MutationList({ mutations }: { readonly mutations: readonly MutationView[] }) {
  const [shown, setShown] = useState(ROWS);
  return (
    <>
      <ul class="rows">
        {mutations.slice(0, shown).map((mutation) => (
          <MutationRow key={mutation.mutation} mutation={mutation} />
        ))}
      </ul>
      {mutations.length > shown ? (
        <button type="button" class="button quiet" onClick={() => setShown(shown + 4 * ROWS)}>
          Show more of {mutations.length.toLocaleString('en')}
        </button>
      ) : null}
    </>
  );
}

function MutationRow({ mutation: view }: { readonly mutation: MutationView }) {
  const { mutation, intent, node, stage, requestedAt, datasets, mode, pinned } = view;
  return (
    <li class={`row look-${lookOf(stage)}`}>
      <a class="row-link" href={hashOf({ page: 'mutation', id: mutation })}>
        <Words>{intent}</Words>
      </a>
      <StageBadge stage={stage} />
      <span class="row-more">
        <Words>{node}</Words>
        {datasets.length === 0 ? null : (
          <span class="clip">
            <Words mono>{datasets.map(({ name }) => name).join(', ')}</Words>
          </span>
        )}
        {mode === 'critical' ? <span class="tag">critical</span> : null}
        {pinned ? <span class="tag">pinned</span> : null}
      </span>
      <span class="row-when">
        <Time at={requestedAt} />
        {took(view)}
      </span>
    </li>
  );
}

function took({ clearedAt, endedAt }: MutationView): string {
  if (clearedAt === undefined || endedAt === undefined) return '';
  return ` · ${duration(Date.parse(endedAt) - Date.parse(clearedAt))}`;
}
