import { join } from 'node:path';

import { DatabaseSync } from '@photostructure/sqlite';
import { expect, test } from 'vitest';

import { Client } from '../../src/client/client.ts';
import type { LedgerPage } from '../../src/wire/ledger.ts';
import { ask, socketOf } from './http.ts';
import { place, type Place } from './place.ts';

/* The ledger over HTTP, of a controller that writes it meanwhile. */

const clientOf = ({ home }: Place): Client =>
  new Client({ name: 'the controller', socketPath: join(home, 'controller.sock') });

test('is told by size and head, and verified while the controller runs', async () => {
  const own = place();
  await own.controller();
  const client = clientOf(own);
  expect((await own.guard('echo new > new')).code).toBe(0);
  const before = await client.ledger();
  expect(before).toMatchObject({ verifying: false, records: (await client.status()).ledger.records });
  expect(before.head).toMatch(/^[0-9a-f]{64}$/);
  expect(before.bytes).toBeGreaterThan(4_096);
  expect(before.verification).toBeUndefined();

  const [one, two] = await Promise.all([client.verifyLedger(), client.verifyLedger()]);
  expect(one).toMatchObject({ ok: true, records: before.records, notes: [] });
  expect(two).toEqual(one);
  expect((await client.ledger()).verification).toEqual(one);

  // What somebody changed behind the controller's back.
  const database = new DatabaseSync(join(own.home, 'ledger/ledger.db'));
  database.exec("UPDATE records SET body = replace(body, 'test', 'tost') WHERE body LIKE '%\"intent\":\"test\"%'");
  database.close();
  const after = await client.verifyLedger();
  expect(after).toMatchObject({ ok: false, brokenAt: expect.any(Number) as number });
  expect(after.problem).toBeTruthy();
  expect((await client.ledger()).verification).toEqual(after);
});

test('is read page by page, the newest first, without a gap', async () => {
  const own = place();
  await own.controller();
  expect((await own.guard('true')).code).toBe(0);
  const client = clientOf(own);
  const { records: count } = await client.ledger();
  const pages: LedgerPage[] = [];
  for (let before: number | undefined = count + 1; before !== undefined; before = pages.at(-1)?.next) {
    const answer = await ask(socketOf(own), 'GET', `/v1/ledger/records?limit=3&before=${before}`);
    pages.push(answer.json as LedgerPage);
  }
  const seqs = pages.flatMap(({ records }) => records.map(({ seq }) => seq));
  expect(seqs).toEqual(Array.from({ length: count }, (_, index) => count - index));
  expect((await client.ledgerRecords()).records.map(({ seq }) => seq)).toEqual(seqs);
  expect(await client.ledgerRecords(1)).toEqual({ records: [] });
  expect(await ask(socketOf(own), 'GET', '/v1/ledger/records?limit=0')).toMatchObject({ status: 400 });
});
