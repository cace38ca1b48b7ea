import { useMemo } from 'preact/hooks';

import type { KeptView, MutationView } from '../../src/wire/http.ts';
import { oneLine } from '../../src/wire/one-line.ts';
import { useAsking } from '../actions/asking.ts';
import { useMay } from '../actions/scopes.ts';
import type { Live } from '../live/live.ts';
import { useLive, useObserved, useResource } from '../live/hooks.ts';
import { Empty, Loading, Notice, RefusalNotice } from '../parts/notice.tsx';
import { Rows } from '../parts/rows.tsx';
import { Time, Words } from '../parts/text.tsx';
import { hashOf } from '../route.ts';
import { type Row, spaceOf } from '../space/space.ts';
import { size } from '../../src/base/size.ts';
import { count } from '../words.ts';

/** What is kept, why, how much it holds, and what letting go would free. */
export function SpacePage() {
  const live = useLive();
  const may = useMay('operate');
  return may ? <WithPrune live={live} /> : <Kept live={live} going={undefined} />;
}

function WithPrune({ live }: { readonly live: Live }) {
  const { value } = useResource(live.prune);
  return <Kept live={live} going={value} />;
}

type Prune = NonNullable<Live['prune']['state']['value']['value']>;

function Kept({ live, going }: { readonly live: Live; readonly going: Prune | undefined }) {
  const ask = useAsking();
  const snapshots = useResource(live.snapshots);
  const evidence = useResource(live.evidence);
  const { mutations } = useObserved(live.history.state);
  const byId = useMemo(() => new Map(mutations.map((one) => [one.mutation, one])), [mutations]);
  const error = snapshots.error ?? evidence.error;
  const kept = [...(snapshots.value?.kept ?? []), ...(evidence.value?.kept ?? [])];
  const rows = spaceOf(kept, going?.going ?? []);
  const leaving = new Set(going?.going.map(({ kind, name }) => `${kind} ${name}`));
  const known = snapshots.value !== undefined && evidence.value !== undefined;
  return (
    <>
      <h1>Snapshots and space</h1>
      {error === undefined ? null : <RefusalNotice error={error} />}
      {!known ? (
        error === undefined && <Loading what="what is kept" />
      ) : kept.length === 0 ? (
        <Empty title="Nothing is kept.">A snapshot is made before each guarded change.</Empty>
      ) : (
        <>
          <section class="card" aria-labelledby="picture">
            <header>
              <h2 id="picture">{total(kept)}</h2>
              {going === undefined ? null : (
                <button
                  type="button"
                  class="button"
                  disabled={going.going.length === 0}
                  onClick={() => ask({ kind: 'prune' })}
                >
                  Let go …
                </button>
              )}
            </header>
            {going === undefined ? null : <Freed going={going} />}
            <ul class="space">
              {rows.map((row) => (
                <SpaceRow key={row.dataset} row={row} />
              ))}
            </ul>
            <p class="legend" aria-hidden="true">
              <span class="key snapshot" /> snapshot <span class="key evidence" /> evidence{' '}
              <span class="key snapshot going" /> would go
            </p>
            {rows.some(({ unknown }) => unknown > 0) ? (
              <p class="soft">
                Where the storage cannot tell a size without reading everything, blocks are drawn alike; what does not
                change is shared between them.
              </p>
            ) : null}
          </section>
          <section aria-labelledby="kept">
            <h2 id="kept">What is kept, and why</h2>
            <Rows
              all={kept.toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1))}
              row={(one) => (
                <KeptRow
                  key={`${one.kind} ${one.name}`}
                  kept={one}
                  going={leaving.has(`${one.kind} ${one.name}`)}
                  whole={byId.get(one.mutation)}
                />
              )}
            />
          </section>
        </>
      )}
    </>
  );
}

function Freed({ going: { going, freesBytes } }: { readonly going: Prune }) {
  if (going.length === 0) return <p class="soft">Retention keeps all of it for now.</p>;
  return (
    <Notice
      kind="info"
      title={`Retention does not keep ${count(going.length, 'of these', 'of these')}${freesBytes === undefined ? '' : `: ${size(freesBytes)} would be free`}`}
    />
  );
}

function SpaceRow({ row }: { readonly row: Row }) {
  const { dataset, blocks, bytes, unknown, goingBytes, share } = row;
  const going = blocks.filter((block) => block.going).length;
  return (
    <li>
      <div class="space-head">
        <Words mono>{dataset}</Words>
        <span class="soft">
          {count(blocks.length, 'state')}
          {bytes > 0 || unknown === 0 ? ` · ${size(bytes)}` : ''}
          {going === 0 ? '' : ` · ${going} would go${goingBytes > 0 ? `, ${size(goingBytes)}` : ''}`}
        </span>
      </div>
      <div class="space-bar" style={{ width: `${(share * 100).toFixed(2)}%` }}>
        {blocks.map((block) => (
          <a
            key={`${block.kept.kind} ${block.kept.name}`}
            class={`${block.kept.kind}${block.going ? ' going' : ''}`}
            href={hashOf({ page: 'mutation', id: block.kept.mutation })}
            style={{ flexGrow: block.share * 1000 }}
            title={titleOf(block.kept, block.going)}
            aria-label={titleOf(block.kept, block.going)}
          />
        ))}
      </div>
    </li>
  );
}

function titleOf({ kind, intent, bytes, createdAt }: KeptView, going: boolean): string {
  const parts = [`${kind}: ${oneLine(intent)}`, createdAt.slice(0, 16).replace('T', ' ')];
  if (bytes !== undefined) parts.push(size(bytes));
  if (going) parts.push('would go');
  return parts.join(' · ');
}

interface KeptRowProps {
  readonly kept: KeptView;
  readonly going: boolean;
  /** The mutation it was kept for, as far as the page holds it. */
  readonly whole: MutationView | undefined;
}

function KeptRow({ kept, going, whole }: KeptRowProps) {
  const ask = useAsking();
  const may = useMay('operate');
  const { kind, name, intent, node, mutation, bytes, createdAt, pinned, path } = kept;
  return (
    <li class={`row ${kind}`}>
      <a class="row-link" href={hashOf({ page: 'mutation', id: mutation })}>
        <Words>{intent}</Words>
      </a>
      <span class="row-tags">
        <span class={`tag ${kind}`}>{kind}</span>
        {pinned ? <span class="tag">pinned</span> : null}
        {going ? <span class="tag warning">would go</span> : null}
        {bytes === undefined ? null : <span class="tag">{size(bytes)}</span>}
      </span>
      <span class="row-more">
        <Words>{node}</Words>
        <span class="clip">
          <Words mono>{path ?? name}</Words>
        </span>
      </span>
      <span class="row-when">
        <Time at={createdAt} />
        {!may || whole === undefined || kind !== 'snapshot' ? null : (
          <button type="button" class="button quiet" onClick={() => ask({ kind: 'pin', mutation: whole })}>
            {whole.pinned ? 'Unpin …' : 'Pin …'}
          </button>
        )}
      </span>
    </li>
  );
}

function total(kept: readonly KeptView[]): string {
  const snapshots = kept.filter(({ kind }) => kind === 'snapshot').length;
  const evidence = kept.length - snapshots;
  const known = kept.filter(({ bytes }) => bytes !== undefined);
  const bytes = known.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  const parts = [
    count(snapshots, 'snapshot'),
    ...(evidence === 0 ? [] : [`evidence of ${count(evidence, 'failure')}`]),
  ];
  return `${parts.join(' and ')}${known.length === 0 ? '' : `, ${size(bytes)}`}`;
}
