import type { LockList } from '../../src/wire/http.ts';
import { useAsking } from '../actions/asking.ts';
import { useMay } from '../actions/scopes.ts';
import { useLive, useNow, useResource } from '../live/hooks.ts';
import { StageBadge } from '../parts/badge.tsx';
import { Empty, Loading, RefusalNotice } from '../parts/notice.tsx';
import { Ago, Fact, Facts, Until, Words } from '../parts/text.tsx';
import { hashOf } from '../route.ts';
import { count, lookOf } from '../words.ts';

type Lock = LockList['locks'][number];

/** Who holds what, and who waits for it. */
export function LocksPage() {
  const live = useLive();
  const { value, error } = useResource(live.locks);
  const locks = value?.locks ?? [];
  const holding = locks.filter(({ stage }) => stage !== 'queued');
  const waiting = locks.filter(({ stage }) => stage === 'queued');
  const byId = new Map(locks.map((lock) => [lock.mutation, lock]));
  return (
    <>
      <h1>Locks and queue</h1>
      {error === undefined ? null : <RefusalNotice error={error} />}
      {value === undefined ? (
        error === undefined && <Loading what="the locks" />
      ) : (
        <>
          <section aria-labelledby="held">
            <h2 id="held">Held</h2>
            {holding.length === 0 ? (
              <Empty title="Nothing is locked.">Whoever asks for clearance now gets it at once.</Empty>
            ) : (
              <ul class="cards wide">
                {holding.map((lock) => (
                  <HeldCard
                    key={lock.mutation}
                    lock={lock}
                    waiting={waiting.filter(({ blockedBy }) => blockedBy.includes(lock.mutation)).length}
                  />
                ))}
              </ul>
            )}
          </section>
          <section aria-labelledby="queue">
            <h2 id="queue">Waiting, first come first served</h2>
            {waiting.length === 0 ? (
              <Empty title="Nobody waits." />
            ) : (
              <ol class="queue">
                {waiting.map((lock) => (
                  <QueueRow key={lock.mutation} lock={lock} byId={byId} />
                ))}
              </ol>
            )}
          </section>
        </>
      )}
    </>
  );
}

function HeldCard({ lock, waiting }: { readonly lock: Lock; readonly waiting: number }) {
  const ask = useAsking();
  const may = useMay('operate');
  const { mutation, intent, node, stage, mode, datasets, requestedAt, clearedAt, expiresAt, fence } = lock;
  return (
    <li class={`card look-${lookOf(stage)}`}>
      <header>
        <h3>
          <a href={hashOf({ page: 'mutation', id: mutation })}>
            <Words>{intent}</Words>
          </a>
        </h3>
        <StageBadge stage={stage} />
      </header>
      {clearedAt === undefined || expiresAt === undefined || stage !== 'cleared' ? null : (
        <Lease from={clearedAt} until={expiresAt} />
      )}
      <Facts>
        <Fact name="node">
          <Words>{node}</Words>
        </Fact>
        <Fact name={mode === 'critical' ? 'holds everything, freezes' : 'holds'}>
          <ul class="plain">
            {datasets.map(({ name }) => (
              <li key={name}>
                <Words mono>{name}</Words>
              </li>
            ))}
          </ul>
        </Fact>
        <Fact name="asked">
          <Ago at={requestedAt} />
        </Fact>
        {stage !== 'cleared' || expiresAt === undefined ? null : (
          <Fact name="lease ends">
            <Until at={expiresAt} over="now" />
          </Fact>
        )}
        {fence === undefined ? null : <Fact name="fence">{fence}</Fact>}
        <Fact name="waiting for it">{waiting === 0 ? 'nobody' : count(waiting, 'change')}</Fact>
      </Facts>
      {!may || (stage !== 'cleared' && stage !== 'quarantined') ? null : (
        <footer>
          {stage === 'quarantined' ? (
            <button type="button" class="button primary" onClick={() => ask({ kind: 'resolve', mutation: lock })}>
              Decide …
            </button>
          ) : (
            <button type="button" class="button danger" onClick={() => ask({ kind: 'rollback', mutation: lock })}>
              Roll back …
            </button>
          )}
        </footer>
      )}
    </li>
  );
}

/** How much of a lease is left. It is renewed while its holder works. */
function Lease({ from, until }: { readonly from: string; readonly until: string }) {
  const now = useNow();
  const [begun, ends] = [Date.parse(from), Date.parse(until)];
  const left = Math.max(0, Math.min(1, (ends - now) / Math.max(1, ends - begun)));
  return (
    <div class="lease" aria-hidden="true">
      <div style={{ width: `${(left * 100).toFixed(1)}%` }} />
    </div>
  );
}

function QueueRow({ lock, byId }: { readonly lock: Lock; readonly byId: ReadonlyMap<string, Lock> }) {
  const { mutation, intent, node, requestedAt, datasets, blockedBy } = lock;
  return (
    <li class="row look-queued">
      <a class="row-link" href={hashOf({ page: 'mutation', id: mutation })}>
        <Words>{intent}</Words>
      </a>
      <StageBadge stage="queued" />
      <span class="row-more">
        <Words>{node}</Words>
        <span class="clip">
          <Words mono>{datasets.map(({ name }) => name).join(', ')}</Words>
        </span>
        <span>
          behind{' '}
          {blockedBy.length === 0
            ? 'nobody: its turn is next'
            : blockedBy.map((id, index) => (
                <span key={id}>
                  {index === 0 ? '' : ', '}“<Words>{byId.get(id)?.intent ?? id}</Words>”
                </span>
              ))}
        </span>
      </span>
      <span class="row-when">
        <Ago at={requestedAt} />
      </span>
    </li>
  );
}
