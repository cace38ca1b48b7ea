import type { ComponentChildren } from 'preact';

import type { DiffView, MutationDetail } from '../../src/wire/http.ts';
import { useAsking } from '../actions/asking.ts';
import { useMay } from '../actions/scopes.ts';
import { get, mutationPath } from '../api.ts';
import { RecordList } from '../ledger/record-list.tsx';
import { useAsked, useLive, useObserved } from '../live/hooks.ts';
import { Diff } from '../mutation/diff.tsx';
import { lifeOf } from '../mutation/life.ts';
import { TaskLog } from '../mutation/task-log.tsx';
import { StageBadge } from '../parts/badge.tsx';
import { Loading, Notice, RefusalNotice } from '../parts/notice.tsx';
import { Fact, Facts, Time, Until, Words } from '../parts/text.tsx';
import { duration, lookOf } from '../words.ts';

/** One mutation: what was meant, who, what came of it, and the proof. */
export function MutationPage({ id }: { readonly id: string }) {
  const live = useLive();
  // What the history was told of it last; it is another object after each change of it.
  const listed = useObserved(live.history.state).mutations.find(({ mutation }) => mutation === id);
  const { value, error } = useAsked((signal) => get<MutationDetail>(mutationPath(id), signal), [id], listed);
  if (error !== undefined && value?.mutation !== id) {
    return (
      <>
        <h1>Change</h1>
        <RefusalNotice error={error} />
      </>
    );
  }
  if (value?.mutation !== id) return <Loading what="this change" />;
  return <Detail mutation={value} />;
}

function Detail({ mutation: detail }: { readonly mutation: MutationDetail }) {
  const { mutation, intent, stage, reason, records, evidence, node, task } = detail;
  return (
    <article class={`mutation look-${lookOf(stage)}`}>
      <header class="mutation-head">
        <p class="soft">
          Change by <Words>{node}</Words>
        </p>
        <h1>
          <Words>{intent}</Words>
        </h1>
        <div class="mutation-standing">
          <StageBadge stage={stage} />
          {detail.mode === 'critical' ? <span class="tag">critical</span> : null}
          {detail.recursive === true ? <span class="tag">recursive</span> : null}
          {detail.hold === true ? <span class="tag">holds the mesh</span> : null}
          {detail.pinned ? <span class="tag">pinned</span> : null}
          {detail.rebuilt === true ? <span class="tag warning">rebuilt from the storage</span> : null}
          <Actions mutation={detail} />
        </div>
      </header>

      {reason === undefined ? null : (
        <Notice kind={stage === 'quarantined' ? 'warning' : 'info'} title={reason.message}>
          {reason.hint} <code>{reason.code}</code>
        </Notice>
      )}

      <Life records={records} />

      <div class="columns">
        <Part id="facts" title="Facts">
          <FactsOf mutation={detail} />
        </Part>
        <Part id="diff" title="What it changed">
          <DiffOf mutation={detail} />
        </Part>
      </div>

      {evidence.length === 0 ? null : (
        <Part id="evidence" title="Evidence">
          <p class="soft">The failed state, kept for looking at:</p>
          <ul class="plain">
            {evidence.map(({ name, path }) => (
              <li key={name}>
                <Words mono>{path}</Words>
              </li>
            ))}
          </ul>
        </Part>
      )}
      {task === undefined ? null : (
        <Part id="log" title="Log">
          <TaskLog key={mutation} node={node} task={task} mutation={mutation} />
        </Part>
      )}
      <Part id="records" title="Ledger records">
        <RecordList records={records} linked={false} />
      </Part>
      <p class="soft">
        Mutation <code>{mutation}</code>
      </p>
    </article>
  );
}

function Part({
  id,
  title,
  children,
}: {
  readonly id: string;
  readonly title: string;
  readonly children: ComponentChildren;
}) {
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </section>
  );
}

function Actions({ mutation }: { readonly mutation: MutationDetail }) {
  const ask = useAsking();
  const { stage, snapshots, clearedAt } = mutation;
  if (!useMay('operate') || clearedAt === undefined || snapshots.length === 0) return null;
  return (
    <span class="actions">
      {stage === 'committed' || stage === 'cleared' ? (
        <button type="button" class="button danger" onClick={() => ask({ kind: 'rollback', mutation })}>
          Roll back …
        </button>
      ) : null}
      {stage === 'quarantined' ? (
        <button type="button" class="button primary" onClick={() => ask({ kind: 'resolve', mutation })}>
          Decide …
        </button>
      ) : null}
      <button type="button" class="button" onClick={() => ask({ kind: 'pin', mutation })}>
        {mutation.pinned ? 'Unpin …' : 'Pin …'}
      </button>
    </span>
  );
}

function Life({ records }: { readonly records: MutationDetail['records'] }) {
  const steps = lifeOf(records);
  return (
    <ol class="life" aria-label="How it went">
      {steps.map(({ type, words, at, afterMs }, index) => (
        <li key={`${type} ${at} ${index}`} class={`step-${type}`}>
          <strong>{words}</strong>
          <span class="soft">{index === 0 ? <Time at={at} /> : `+ ${duration(afterMs)}`}</span>
        </li>
      ))}
    </ol>
  );
}

function FactsOf({ mutation: detail }: { readonly mutation: MutationDetail }) {
  const { node, task, requestedAt, clearedAt, endedAt, expiresAt, fence, datasets, snapshots, participants } = detail;
  return (
    <Facts>
      <Fact name="node">
        <Words>{node}</Words>
      </Fact>
      {task === undefined ? null : (
        <Fact name="task">
          <Words mono>{task}</Words>
        </Fact>
      )}
      <Fact name="asked">
        <Time at={requestedAt} />
      </Fact>
      {clearedAt === undefined ? null : (
        <Fact name="cleared">
          <Time at={clearedAt} />
        </Fact>
      )}
      {endedAt === undefined ? null : (
        <Fact name="ended">
          <Time at={endedAt} />
        </Fact>
      )}
      {detail.stage === 'cleared' && expiresAt !== undefined ? (
        <Fact name="lease ends">
          <Until at={expiresAt} over="now" />
        </Fact>
      ) : null}
      {fence === undefined ? null : <Fact name="fence">{fence}</Fact>}
      <Fact name="should its holder die">{detail.onExpiry === 'rollback' ? 'roll back' : 'quarantine'}</Fact>
      <Fact name={datasets.length === 1 ? 'dataset' : 'datasets'}>
        <ul class="plain">
          {datasets.map(({ name, driver }) => (
            <li key={name}>
              <Words mono>{name}</Words> <span class="soft">{driver}</span>
            </li>
          ))}
        </ul>
      </Fact>
      {participants === undefined ? null : <Fact name="halted">{participants.join(', ') || 'nobody'}</Fact>}
      {snapshots.length === 0 ? null : (
        <Fact name={snapshots.length === 1 ? 'snapshot' : 'snapshots'}>
          <ul class="plain">
            {snapshots.map(({ name, guid, txg }) => (
              <li key={name}>
                <Words mono>{name}</Words>
                {guid === '' ? null : (
                  <span class="soft">
                    {' '}
                    guid {guid}
                    {txg === undefined ? '' : `, txg ${txg}`}
                  </span>
                )}
              </li>
            ))}
          </ul>
        </Fact>
      )}
    </Facts>
  );
}

function DiffOf({ mutation: { mutation, stage, snapshots } }: { readonly mutation: MutationDetail }) {
  const ask =
    snapshots.length === 0
      ? undefined
      : (signal: AbortSignal) => get<DiffView>(`${mutationPath(mutation)}/diff`, signal);
  const { value, error, loading } = useAsked(ask, [mutation, stage]);
  if (snapshots.length === 0) return <p class="soft">Nothing was frozen, and nothing changed under it.</p>;
  if (error !== undefined) return <RefusalNotice error={error} />;
  if (value === undefined) return loading ? <Loading what="what changed" /> : null;
  return <Diff datasets={value.datasets} />;
}
