import type { MutationView } from '../../src/wire/http.ts';
import { hashOf } from '../route.ts';
import { duration, lookOf } from '../words.ts';
import { StageBadge } from './badge.tsx';
import { Rows } from './rows.tsx';
import { Time, Words } from './text.tsx';

/** Mutations as rows, each leading to its own page. */
export function MutationList({ mutations }: { readonly mutations: readonly MutationView[] }) {
  return <Rows all={mutations} row={(mutation) => <MutationRow key={mutation.mutation} mutation={mutation} />} />;
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
