import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Event } from '../src/core/event.ts';
import type { Mutation } from '../src/core/mutation/mutation.ts';
import { EMPTY } from '../src/core/state.ts';
import { verify } from '../src/ledger/audit.ts';
import { Database } from '../src/ledger/sqlite/database.ts';
import { openSqliteLedger } from '../src/ledger/sqlite/open.ts';
import { WRITER_SETTINGS } from '../src/ledger/sqlite/schema.ts';
import type { Ledger } from '../src/ports/ledger.ts';
import type { Row } from './row.ts';

const MUTATIONS = 100_000;
const MEASURE_MS = 2_000;

/** The ledger on this machine's disk: durable appends, then what a ledger of 100,000 ended mutations costs to open and to ask. Takes about a minute. */
export async function ledgerBench(): Promise<Row[]> {
  const home = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  try {
    return [...(await appends(home)), ...(await large(join(home, 'large')))];
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function appends(home: string): Promise<Row[]> {
  const ledger = openSqliteLedger(join(home, 'appends'));
  let n = 0;
  const append = (events: number) => async () => {
    const batch = Array.from({ length: events }, () => mutation(n++, 'committed'));
    await ledger.append(batch.map(requested), batch, EMPTY);
  };
  const database = new Database(join(home, 'peer.db'));
  database.exec(`${WRITER_SETTINGS} CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)`);
  const body = JSON.stringify(requested(mutation(0, 'queued')));
  const rawInsert = async () => void database.prepare('INSERT INTO rows (body) VALUES (?)').run(body);
  const file = openSync(join(home, 'peer.bin'), 'w');
  const page = Buffer.alloc(4_096, 1);
  const rawSync = async () => {
    writeSync(file, page);
    fdatasyncSync(file);
  };

  // Each for a while, one after the other, so that all of them meet the same disk.
  const sync = await perSecond(rawSync);
  const insert = await perSecond(rawInsert);
  const single = await perSecond(append(1));
  const batched = await perSecond(append(32));
  const rows: Row[] = [
    { name: 'write and fdatasync of 4 KiB', value: sync, unit: '1/s' },
    { name: 'SQLite: durable inserts of one row', value: insert, unit: '1/s' },
    {
      name: 'ledger: durable appends of 1 event',
      value: single,
      unit: '1/s',
      peer: { name: 'SQLite insert', value: insert },
      ratio: single / insert,
    },
    {
      name: 'ledger: events in durable appends of 32',
      value: batched * 32,
      unit: '1/s',
      peer: { name: 'SQLite insert', value: insert },
      ratio: (batched * 32) / insert,
    },
  ];
  closeSync(file);
  database.close();
  await ledger.close();
  return rows;
}

async function large(home: string): Promise<Row[]> {
  const filled = openSqliteLedger(home);
  for (let n = 0; n < MUTATIONS; n += 1_000) {
    const batch = Array.from({ length: 1_000 }, (_, i) => mutation(n + i, (n + i) % 50 === 0 ? 'denied' : 'committed'));
    await filled.append(
      batch.flatMap((each) => [requested(each), committed(each)]),
      batch,
      EMPTY,
    );
  }
  const open = Array.from({ length: 20 }, (_, i) => mutation(MUTATIONS + i, 'cleared'));
  await filled.append(open.map(requested), open, EMPTY);
  await filled.close();

  const before = process.memoryUsage().rss;
  const started = performance.now();
  const ledger = openSqliteLedger(home);
  await ledger.load();
  const load = performance.now() - started;

  const last50 = await median(() => ledger.query({ limit: 50 }));
  const filtered = await median(() => ledger.query({ node: 'node-3', outcome: 'denied', limit: 50 }));
  const counted = await median(() => ledger.countByStage());
  const overlapping = await median(() => newestOverlap(ledger));
  const grown = (process.memoryUsage().rss - before) / 1024 / 1024;
  await ledger.close();

  const verifying = performance.now();
  const verdict = await verify(home);
  const verified = verdict.records / ((performance.now() - verifying) / 1_000);
  const atMost = (name: string, value: number, unit: string, limit: number): Row => ({
    name: `${name} (${MUTATIONS} mutations)`,
    value,
    unit,
    target: `≤ ${limit} ${unit}`,
    met: value <= limit,
  });
  return [
    atMost('ledger: open and load', load, 'ms', 500),
    atMost('ledger: query of the last 50', last50, 'ms', 5),
    atMost('ledger: query by node and outcome', filtered, 'ms', 5),
    atMost('ledger: count by stage', counted, 'ms', 10),
    atMost('ledger: newer overlapping', overlapping, 'ms', 5),
    atMost('ledger: memory grown by all that', grown, 'MiB', 20),
    { name: 'ledger: records verified', value: verified, unit: '1/s' },
  ];
}

async function newestOverlap(ledger: Ledger): Promise<unknown> {
  return ledger.newerOverlapping(idOf(MUTATIONS - 5_000), [{ name: 'tank/state/crm-7' }]);
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  for (let i = 0; i < 50; i++) await work();
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < MEASURE_MS) {
    await work();
    count += 1;
  }
  return count / ((performance.now() - started) / 1_000);
}

async function median(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 31; i++) {
    const started = performance.now();
    await work();
    times.push(performance.now() - started);
  }
  return times.toSorted((a, b) => a - b)[15] ?? 0;
}

function idOf(n: number): string {
  return `01890000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** As large as real ones: some 1.2 KB. */
function mutation(n: number, stage: Mutation['stage']): Mutation {
  const dataset = `tank/state/crm-${n % 1_000}`;
  const name = `${dataset}@PRE_node-${n % 10}_deploy_the_new_schema_20260616_162456_789`;
  return {
    id: idOf(n),
    node: `node-${n % 10}`,
    intent: `deploy the new schema, number ${n}: ${'because it has to be done. '.repeat(5)}`,
    datasets: [{ name: dataset, driver: 'btrfs' }],
    mode: 'standard',
    ttlMs: 600_000,
    waitMs: 30_000,
    onExpiry: 'rollback',
    attached: true,
    key: `key-${n}`,
    stage,
    requestedAt: 1_767_225_600_000 + n,
    waitUntilMono: n,
    snapshots: [
      { dataset, driver: 'btrfs', name, guid: '6c1f7d0a-2f4e-4a55-9f0e-1f2d3c4b5a69', txg: String(n), createdAt: n },
    ],
    fence: n,
    attempt: 0,
    evidence: [],
    pinned: false,
  };
}

function requested(of: Mutation): Event {
  const { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached } = of;
  const request = { node, intent, datasets, mode, ttlMs, waitMs, onExpiry, attached };
  return { type: 'requested', at: of.requestedAt, mono: 1, mutation: of.id, request };
}

function committed(of: Mutation): Event {
  return { type: 'committed', at: of.requestedAt, mono: 2, mutation: of.id, by: 'holder' };
}
