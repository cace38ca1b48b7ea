import { useMemo, useState } from 'preact/hooks';

import type { MutationView, StatusView } from '../../src/wire/http.ts';
import { useLive, useObserved, useResource } from '../live/hooks.ts';
import { MUTATIONS_MAX } from '../live/history.ts';
import { BarrierPanel } from '../parts/barrier.tsx';
import { MutationList } from '../parts/mutation-list.tsx';
import { Empty, Loading, Notice, RefusalNotice } from '../parts/notice.tsx';
import { Words } from '../parts/text.tsx';
import { hashOf } from '../route.ts';
import { count, type Look, lookOf, stageWords } from '../words.ts';
import { Lanes } from './lanes.tsx';

/** What happened and what is happening: the counts, the lanes, the list. */
export function TimelinePage() {
  const live = useLive();
  const { value: status } = useResource(live.status);
  const past = useObserved(live.history.state);
  const { mutations, known, loading, error } = past;
  const { value: barriers } = useResource(live.barriers);

  return (
    <>
      <h1>Timeline</h1>
      {status === undefined ? null : <Standing status={status} />}
      <Attention mutations={mutations} {...(status === undefined ? {} : { status })} />
      {barriers?.barriers.map((barrier) => (
        <BarrierPanel key={barrier.epoch} barrier={barrier} />
      ))}
      {error === undefined ? null : <RefusalNotice error={error} />}
      {known && mutations.length > 0 ? <Lanes mutations={mutations} /> : null}
      {known ? <Changes mutations={mutations} loading={loading} /> : error === undefined && <Loading what="changes" />}
    </>
  );
}

function Standing({ status: { open, queued, outcomes, ledger } }: { readonly status: StatusView }) {
  const undecided = open.filter(({ stage }) => stage === 'quarantined').length;
  const figures: readonly [string, number, Look | undefined][] = [
    ['open', open.length - undecided, 'cleared'],
    ['waiting', queued, 'queued'],
    ['to decide', undecided, 'quarantined'],
    ['committed', outcomes.committed ?? 0, 'committed'],
    ['rolled back', outcomes.rolled_back ?? 0, 'rolled_back'],
    ['denied', outcomes.denied ?? 0, 'denied'],
    ['records', ledger.records, undefined],
  ];
  return (
    <dl class="figures" aria-label="How things stand">
      {figures.map(([name, figure, look]) => (
        <div key={name} class={look === undefined || figure === 0 ? undefined : `look-${look}`}>
          <dt>{name}</dt>
          <dd>{figure.toLocaleString('en')}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What somebody has to look at before anything else. */
function Attention({
  mutations,
  status,
}: {
  readonly mutations: readonly MutationView[];
  readonly status?: StatusView;
}) {
  const undecided = mutations.filter(({ stage }) => stage === 'quarantined');
  const { unknown, missing } = status?.findings ?? { unknown: { count: 0 }, missing: { count: 0 } };
  return (
    <>
      {undecided.length === 0 ? null : (
        <Notice kind="warning" title={`${count(undecided.length, 'change')} for somebody to decide about`}>
          {undecided.slice(0, 5).map(({ mutation, intent }) => (
            <a key={mutation} class="notice-link" href={hashOf({ page: 'mutation', id: mutation })}>
              <Words>{intent}</Words>
            </a>
          ))}
        </Notice>
      )}
      {missing.count === 0 ? null : (
        <Notice
          kind="warning"
          title={`${count(missing.count, 'snapshot')} that the ledger relies on ${missing.count === 1 ? 'is' : 'are'} gone`}
        >
          Found when the controller started: hauki status names them.
        </Notice>
      )}
      {unknown.count === 0 ? null : (
        <Notice kind="info" title={`${count(unknown.count, 'snapshot')} of hauki that the ledger does not know`}>
          Found when the controller started: hauki status names them.
        </Notice>
      )}
    </>
  );
}

function Changes({ mutations, loading }: { readonly mutations: readonly MutationView[]; readonly loading: boolean }) {
  const [words, setWords] = useState('');
  const [look, setLook] = useState<Look | ''>('');
  const [node, setNode] = useState('');
  const nodes = useMemo(() => [...new Set(mutations.map((one) => one.node))].toSorted(), [mutations]);
  const found = useMemo(() => {
    const wanted = words.trim().toLowerCase();
    return mutations.filter(
      (one) =>
        (look === '' || lookOf(one.stage) === look) &&
        (node === '' || one.node === node) &&
        (wanted === '' || textOf(one).includes(wanted)),
    );
  }, [mutations, words, look, node]);

  return (
    <section aria-labelledby="changes">
      <h2 id="changes">Changes</h2>
      <form class="filter" role="search" aria-label="Changes" onSubmit={(event) => event.preventDefault()}>
        <label>
          <span>Search</span>
          <input
            type="search"
            value={words}
            placeholder="intent, node, dataset"
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Outcome</span>
          <select value={look} onChange={(event) => setLook(event.currentTarget.value as Look | '')}>
            <option value="">all</option>
            {LOOKS.map((one) => (
              <option key={one} value={one}>
                {one === 'cleared' ? 'Under way' : stageWords(one)}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span>Node</span>
          <select value={node} onChange={(event) => setNode(event.currentTarget.value)}>
            <option value="">all</option>
            {nodes.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </form>
      {mutations.length === 0 ? (
        <Empty title="Nothing has been changed yet.">
          Guard a first change: <code>hauki guard --intent "…" --path DIR -- COMMAND</code>
        </Empty>
      ) : found.length === 0 ? (
        <Empty title="No change fits." />
      ) : (
        <MutationList mutations={found} />
      )}
      {loading ? <Loading what="older changes" /> : null}
      {mutations.length < MUTATIONS_MAX ? null : (
        <p class="soft">Only the newest {MUTATIONS_MAX.toLocaleString('en')} are shown; hauki log has all.</p>
      )}
    </section>
  );
}

const LOOKS = ['cleared', 'queued', 'quarantined', 'committed', 'rolled_back', 'denied', 'cancelled'] as const;

function textOf({ intent, node, datasets, mutation, task }: MutationView): string {
  return [intent, node, mutation, task ?? '', ...datasets.map(({ name }) => name)].join('\n').toLowerCase();
}
