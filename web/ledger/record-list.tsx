import type { RecordView } from '../../src/wire/http.ts';
import { Time, Words } from '../parts/text.tsx';
import { hashOf } from '../route.ts';
import { recordMutation, recordWords } from './record-words.ts';

/** Records of the ledger as a chain: each opens to show all that it says. */
export function RecordList({ records, linked }: { readonly records: readonly RecordView[]; readonly linked: boolean }) {
  return (
    <ol class="records">
      {records.map((record) => (
        <Record key={record.seq} record={record} linked={linked} />
      ))}
    </ol>
  );
}

function Record({ record, linked }: { readonly record: RecordView; readonly linked: boolean }) {
  const { seq, at, type, hash, event } = record;
  const mutation = linked ? recordMutation(event) : undefined;
  return (
    <li>
      <details>
        <summary>
          <span class="seq">{seq}</span>
          <span class="record-words">
            <Words>{recordWords(type, event)}</Words>
          </span>
          <span class="record-when">
            <Time at={at} />
          </span>
          <code class="hash" title={hash}>
            {hash.slice(0, 10)}
          </code>
        </summary>
        <div class="record-whole">
          {mutation === undefined ? null : <a href={hashOf({ page: 'mutation', id: mutation })}>To this change</a>}
          <pre tabIndex={0} aria-label={`Record ${seq}`}>
            {JSON.stringify({ seq, type, at, hash, event }, undefined, 2)}
          </pre>
        </div>
      </details>
    </li>
  );
}
