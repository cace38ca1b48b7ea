import { useEffect, useState } from 'preact/hooks';

import type { LedgerPage as RecordPage, LedgerView, VerificationView } from '../../src/wire/ledger.ts';
import { get, type Refused, send } from '../api.ts';
import { extended, joined } from '../ledger/held.ts';
import { RecordList } from '../ledger/record-list.tsx';
import { useAsked, useLive, useObserved } from '../live/hooks.ts';
import { LookIcon } from '../parts/icons.tsx';
import { Empty, Loading, Notice, RefusalNotice } from '../parts/notice.tsx';
import { Fact, Facts, Time } from '../parts/text.tsx';
import { size } from '../../src/base/size.ts';
import { count, duration } from '../words.ts';

const PAGE = 50;

/** The record of everything, and whether it is proven whole. */
export function LedgerPage() {
  const latest = useObserved(useLive().latest);
  const [verified, setVerified] = useState(0);
  const ledger = useAsked((signal) => get<LedgerView>('/v1/ledger', signal), [verified], latest?.id);
  return (
    <>
      <h1>Ledger</h1>
      {ledger.error === undefined ? null : <RefusalNotice error={ledger.error} />}
      {ledger.value === undefined ? (
        ledger.error === undefined && <Loading what="the ledger" />
      ) : (
        <Standing ledger={ledger.value} verified={() => setVerified(verified + 1)} />
      )}
      <section aria-labelledby="records">
        <h2 id="records">Records, newest first</h2>
        <Records newest={latest?.id} />
      </section>
    </>
  );
}

function Standing({ ledger, verified }: { readonly ledger: LedgerView; readonly verified: () => void }) {
  const [verifying, setVerifying] = useState(false);
  const [error, setError] = useState<Refused>();
  const verify = async (): Promise<void> => {
    setVerifying(true);
    setError(undefined);
    try {
      await send<VerificationView>('POST', '/v1/ledger/verify', {});
    } catch (problem) {
      setError(problem as Refused);
    }
    setVerifying(false);
    verified();
  };
  const busy = verifying || ledger.verifying;
  return (
    <section class="card" aria-labelledby="proof">
      <header>
        <ProofTitle verification={ledger.verification} />
        <button type="button" class="button" disabled={busy} onClick={() => void verify()}>
          {busy ? 'Verifying …' : 'Verify now'}
        </button>
      </header>
      <div role="status">
        <Proof ledger={ledger} />
      </div>
      {error === undefined ? null : <RefusalNotice error={error} />}
      <Facts>
        <Fact name="records">{ledger.records.toLocaleString('en')}</Fact>
        <Fact name="size">{size(ledger.bytes)}</Fact>
        <Fact name="head">
          <code class="hash whole">{ledger.head === '' ? 'none yet' : ledger.head}</code>
        </Fact>
      </Facts>
    </section>
  );
}

function ProofTitle({ verification }: { readonly verification: VerificationView | undefined }) {
  if (verification === undefined) return <h2 id="proof">Not verified yet</h2>;
  const look = verification.ok ? 'committed' : 'quarantined';
  return (
    <h2 id="proof" class={`look-${look}`}>
      <LookIcon look={look} />
      {verification.ok ? 'Proven whole' : 'Not whole'}
    </h2>
  );
}

function Proof({ ledger: { verification, records } }: { readonly ledger: LedgerView }) {
  if (verification === undefined) {
    return (
      <p class="soft">
        A controller that starts checks the end of its ledger. Verifying walks the whole chain, its signatures, and what
        follows from it.
      </p>
    );
  }
  const { at, ok, records: walked, tookMs, problem, brokenAt, notes } = verification;
  const since = records - walked;
  return (
    <>
      {ok ? (
        <p>
          {count(walked, 'record')} walked in {duration(tookMs)}, at <Time at={at} />
          {since > 0 ? `; ${count(since, 'record')} came since` : ''}.
        </p>
      ) : (
        <Notice kind="problem" title={problem ?? 'Something is wrong.'}>
          {brokenAt === undefined ? '' : `At record ${brokenAt}. `}Trust none of it until somebody has looked:{' '}
          <code>hauki audit verify</code>
        </Notice>
      )}
      {notes.length === 0 ? null : (
        <ul class="plain soft">
          {notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

/** The newest page follows what happens; older ones are asked for one by one. */
function Records({ newest }: { readonly newest: string | undefined }) {
  const first = useAsked((signal) => page(undefined, signal), [], newest);
  const [held, setHeld] = useState<RecordPage>();
  const [error, setError] = useState<Refused>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const { value } = first;
    if (value !== undefined) setHeld((before) => joined(value, before));
  }, [first.value]);
  const more = async (): Promise<void> => {
    setBusy(true);
    setError(undefined);
    try {
      const older = await page(held?.next);
      setHeld((before) => (before === undefined ? older : extended(before, older)));
    } catch (problem) {
      setError(problem as Refused);
    }
    setBusy(false);
  };
  const problem = first.error ?? error;
  const notice = problem === undefined ? null : <RefusalNotice error={problem} />;
  if (held === undefined) return notice ?? <Loading what="the records" />;
  if (held.records.length === 0) return notice ?? <Empty title="Nothing is on record yet." />;
  return (
    <>
      {notice}
      <RecordList records={held.records} linked />
      {held.next === undefined ? null : (
        <button type="button" class="button quiet" disabled={busy} onClick={() => void more()}>
          {busy ? 'Asking …' : 'Show older ones'}
        </button>
      )}
    </>
  );
}

function page(before: number | undefined, signal?: AbortSignal): Promise<RecordPage> {
  const cursor = before === undefined ? '' : `&before=${before}`;
  return get<RecordPage>(`/v1/ledger/records?limit=${PAGE}${cursor}`, signal);
}
