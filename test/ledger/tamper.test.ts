import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { RefusedError } from '../../src/base/refusal.ts';
import type { Mutation } from '../../src/core/mutation/mutation.ts';
import { type Verdict, verify, type VerifyOptions } from '../../src/ledger/audit.ts';
import { GENESIS, link, recordOf, type StoredRecord } from '../../src/ledger/chain.ts';
import { exportLines } from '../../src/ledger/export.ts';
import { ledgerHome } from '../../src/ledger/home.ts';
import { readSavedHead } from '../../src/ledger/saved-head.ts';
import { passingSigner } from '../../src/ledger/signing.ts';
import { Database } from '../../src/ledger/sqlite/database.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';
import type { Head } from '../../src/ports/ledger.ts';
import { sampleId, sampleMutation, Scribe } from './sample.ts';

let home = '';
let paths = ledgerHome('');

/** Twelve records in six batches, closed. */
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'hauki-tamper-'));
  paths = ledgerHome(home);
  await grow(1, 6);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

async function grow(from: number, to: number): Promise<void> {
  const ledger = openSqliteLedger(home);
  const scribe = new Scribe(ledger);
  for (let n = from; n <= to; n++) await scribe.end(sampleMutation(n));
  await ledger.close();
}

/** What somebody with write access to the file, but without the key, can do. */
function tamper(sql: string): void {
  const database = new Database(paths.database);
  database.exec(sql);
  database.close();
}

const setHead = ({ seq, hash, signature }: Head) =>
  tamper(`UPDATE head SET seq = ${seq}, hash = '${hash}', signature = '${signature}'`);

async function firstBroken(options?: VerifyOptions): Promise<Verdict['firstBroken']> {
  const verdict = await verify(home, options);
  expect(verdict.ok).toBe(false);
  return verdict.firstBroken;
}

function refusalOfOpening(): { code: string; message: string; hint: string } {
  try {
    void openSqliteLedger(home).close();
  } catch (error) {
    if (error instanceof RefusedError) return error.refusal;
    throw error;
  }
  throw new Error('it opened');
}

describe('an untouched ledger', () => {
  test('verifies, also beside a running controller and with an older head as witness', async () => {
    const old = readSavedHead(paths.savedHead);
    if (old === undefined) throw new Error('no saved head');
    const ledger = openSqliteLedger(home);
    await new Scribe(ledger).end(sampleMutation(7));
    expect(await verify(home, { witness: old })).toEqual({
      ok: true,
      records: 14,
      head: await ledger.head(),
      notes: [],
    });
    await ledger.close();
    expect((await verify(home)).ok).toBe(true);
  });

  test('an empty home verifies as an empty ledger, and stays empty', async () => {
    const nowhere = join(home, 'nowhere');
    expect(await verify(nowhere)).toEqual({ ok: true, records: 0, notes: [] });
  });

  test('exports JSON lines from which the chain can be checked', async () => {
    const lines: string[] = [];
    for await (const line of exportLines(home)) lines.push(line);
    expect(lines).toHaveLength(12);
    let prev = GENESIS;
    for (const [i, line] of lines.entries()) {
      const { seq, event, hash, ...rest } = JSON.parse(line) as ReturnType<typeof recordOf> & {
        at: number;
        type: string;
        mutation: string;
      };
      expect({ seq, hash }).toEqual({ seq: i + 1, hash: link(prev, seq, event).record.hash });
      expect(rest).toEqual({ at: event.at, type: event.type, mutation: sampleId(Math.floor(i / 2) + 1), prev });
      prev = hash;
    }
    const tail: string[] = [];
    for await (const line of exportLines(home, 10)) tail.push(line);
    expect(tail).toEqual(lines.slice(10));
  });
});

describe('verify names the record that was', () => {
  test('edited', async () => {
    tamper(`UPDATE records SET body = replace(body, 'change number 3', 'change number 4') WHERE seq = 5`);
    expect(await firstBroken()).toMatchObject({
      seq: 5,
      problem: expect.stringContaining('Record 5 was edited') as string,
    });
  });

  test('given another hash', async () => {
    tamper(`UPDATE records SET hash = '${'0'.repeat(64)}' WHERE seq = 5`);
    expect(await firstBroken()).toMatchObject({
      seq: 5,
      problem: expect.stringContaining('its hash was changed') as string,
    });
  });

  test('dropped', async () => {
    tamper('DELETE FROM records WHERE seq = 5');
    expect(await firstBroken()).toMatchObject({
      seq: 5,
      problem: expect.stringContaining('Record 5 is missing') as string,
    });
  });

  test('swapped with another', async () => {
    tamper(
      'UPDATE records SET seq = -1 WHERE seq = 4; UPDATE records SET seq = 4 WHERE seq = 9; UPDATE records SET seq = 9 WHERE seq = -1;',
    );
    expect(await firstBroken()).toMatchObject({ seq: 4, problem: 'Record 4 was moved: it stands at 9 now.' });
  });

  test('cut off at the end, the head left as it was', async () => {
    tamper('DELETE FROM records WHERE seq > 9');
    expect(await firstBroken()).toEqual({
      seq: 10,
      problem: 'Records 10 to 12 were cut off: The signed head is at 12, and the ledger ends at 9.',
    });
  });

  test('cut off at the end, the head adjusted without the key', async () => {
    const { hash } = row(9);
    tamper('DELETE FROM records WHERE seq > 9');
    setHead(passingSigner().sign(9, hash));
    // Record 9 carries the forged signature; that there was more, the saved head knows.
    expect(await firstBroken()).toMatchObject({
      seq: 9,
      problem: expect.stringContaining("without a signature by the controller's key") as string,
    });
  });

  test('cut off at the end, with a genuine older head put back', async () => {
    const old = readSavedHead(paths.savedHead);
    if (old === undefined) throw new Error('no saved head');
    await grow(7, 8);
    tamper('DELETE FROM records WHERE seq > 12');
    setHead(old);
    expect(await firstBroken()).toMatchObject({
      seq: 13,
      problem: expect.stringContaining('The saved head is at 16') as string,
    });
  });

  test('cut off, the saved head put back too: only a head kept elsewhere knows', async () => {
    const file = readFileSync(paths.savedHead);
    const old = readSavedHead(paths.savedHead);
    await grow(7, 8);
    const witness = readSavedHead(paths.savedHead);
    if (old === undefined || witness === undefined) throw new Error('no saved head');
    tamper('DELETE FROM records WHERE seq > 12');
    setHead(old);
    writeFileSync(paths.savedHead, file);
    expect((await verify(home)).ok).toBe(true);
    expect(await firstBroken({ witness })).toMatchObject({
      seq: 13,
      problem: expect.stringContaining('The head given is at 16') as string,
    });
  });

  test('lost when the whole file was replaced by an older copy', async () => {
    cpSync(paths.database, `${paths.database}.old`);
    await grow(7, 8);
    cpSync(`${paths.database}.old`, paths.database);
    expect(await firstBroken()).toMatchObject({ seq: 13, problem: expect.stringContaining('cut off') as string });
  });

  test('lost when the file was removed', async () => {
    rmSync(paths.database);
    expect(await firstBroken()).toMatchObject({ seq: 1 });
  });

  test('edited with the whole chain computed anew, but without the key', async () => {
    const last = rewriteFrom(5);
    expect(await firstBroken()).toMatchObject({
      seq: 12,
      problem: expect.stringContaining('not the one the controller signed') as string,
    });
    setHead(passingSigner().sign(12, last));
    expect(await firstBroken()).toMatchObject({ seq: 12 });
  });

  test('edited with the whole chain computed anew: an older head narrows down where', async () => {
    const witness = readSavedHead(paths.savedHead);
    await grow(7, 8);
    if (witness === undefined) throw new Error('no saved head');
    rewriteFrom(5);
    expect(await firstBroken({ witness })).toMatchObject({ seq: 12 });
    expect(await firstBroken()).toMatchObject({ seq: 16 });
  });

  test('added without the key', async () => {
    const { hash } = row(12);
    const { record, body } = link(hash, 13, { type: 'pinned', at: 1, mono: 1, mutation: sampleId(1), pinned: true });
    tamper(`INSERT INTO records (seq, body, prev, hash) VALUES (13, '${body}', '${record.prev}', '${record.hash}')`);
    expect(await firstBroken()).toMatchObject({
      seq: 13,
      problem: expect.stringContaining('added by somebody else') as string,
    });
  });

  test('left without its signed head', async () => {
    tamper('DELETE FROM head');
    expect(await firstBroken()).toMatchObject({ seq: 12, problem: expect.stringContaining('signed head') as string });
  });

  test('never provable, because the public key is gone; noted, because the saved head is', async () => {
    rmSync(paths.publicKey);
    expect(await firstBroken()).toMatchObject({
      seq: 1,
      problem: expect.stringContaining('controller.pub is missing') as string,
    });
    rmSync(paths.savedHead);
    expect((await verify(home)).notes).toHaveLength(1);
  });
});

describe('verify compares the stored mutations with what follows from the records', () => {
  const replay =
    (changes: Partial<Mutation> = {}) =>
    () =>
      new Map([1, 2, 3, 4, 5, 6].map((n) => [sampleId(n), { ...ended(n), ...(n === 4 ? changes : {}) }]));

  test('all agree', async () => {
    expect((await verify(home, { replay: replay() })).firstBroken).toBeUndefined();
  });

  test('one that was edited is named with its fields, at its first record', async () => {
    expect(await firstBroken({ replay: replay({ intent: 'x', pinned: true }) })).toEqual({
      seq: 7,
      problem: `Mutation ${sampleId(4)} is stored otherwise than the records say: intent, pinned.`,
    });
  });

  test('so is one that is missing on either side, and a stage that only the index lies about', async () => {
    const extra = () => new Map([...replay()(), [sampleId(9), ended(9)]]);
    expect(await firstBroken({ replay: extra })).toMatchObject({
      problem: expect.stringContaining('not stored') as string,
    });
    expect(await firstBroken({ replay: () => new Map() })).toMatchObject({
      seq: 1,
      problem: expect.stringContaining('no record') as string,
    });
    tamper(`UPDATE mutations SET stage = 'denied' WHERE seq = 7`);
    expect(await firstBroken({ replay: replay() })).toMatchObject({
      seq: 7,
      problem: expect.stringMatching(/: stage\.$/) as string,
    });
  });
});

describe('opening refuses, and changes nothing', () => {
  test('a database behind the saved head', async () => {
    cpSync(paths.database, `${paths.database}.old`);
    await grow(7, 7);
    cpSync(`${paths.database}.old`, paths.database);
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_broken',
      message: expect.stringContaining('cut off') as string,
      hint: expect.stringContaining('head.json') as string,
    });
    rmSync(paths.savedHead);
    await openSqliteLedger(home).close();
  });

  test('a database that is gone while the saved head is there', () => {
    rmSync(paths.database);
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_broken',
      message: expect.stringContaining('missing or empty') as string,
    });
  });

  test.each([
    ['an edited last record', `UPDATE records SET body = replace(body, 'holder', 'nobody') WHERE seq = 12`],
    ['a missing head', 'DELETE FROM head'],
    ['a forged head', `UPDATE head SET signature = 'AAAA'`],
    [
      'a record after the head',
      `INSERT INTO records (seq, body, prev, hash) SELECT 13, body, prev, hash FROM records WHERE seq = 12`,
    ],
  ])('%s', (_, sql) => {
    tamper(sql);
    expect(refusalOfOpening().code).toBe('ledger_broken');
  });

  test('a ledger whose key is missing', () => {
    rmSync(paths.privateKey);
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_broken',
      message: expect.stringContaining('controller.key') as string,
    });
  });

  test('a ledger of a newer hauki: not a byte is written', async () => {
    tamper('PRAGMA user_version = 2');
    const before = readFileSync(paths.database);
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_future',
      message: expect.stringContaining('format 2') as string,
    });
    await expect(verify(home)).rejects.toMatchObject({ refusal: { code: 'ledger_future' } });
    expect(readFileSync(paths.database).equals(before)).toBe(true);
  });

  test('a file that is no database, and a database of something else', async () => {
    writeFileSync(paths.database, 'this is no database. '.repeat(500));
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_broken',
      message: expect.stringContaining('not a database') as string,
    });
    await expect(verify(home)).rejects.toMatchObject({ refusal: { code: 'ledger_broken' } });
    rmSync(paths.database);
    tamper('CREATE TABLE photos (name TEXT)');
    expect(refusalOfOpening()).toMatchObject({
      code: 'ledger_broken',
      message: expect.stringContaining('not a ledger') as string,
    });
  });

  test('a damaged page', () => {
    const bytes = readFileSync(paths.database);
    // Every page but the first, which says what the file is.
    writeFileSync(paths.database, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xab)]));
    expect(refusalOfOpening().code).toBe('ledger_broken');
  });

  test('but not a saved head of which only the older line is whole', async () => {
    const [older, newer] = readFileSync(paths.savedHead, 'utf8').trimEnd().split('\n');
    writeFileSync(paths.savedHead, `${older}\n${newer?.slice(0, 100)}`);
    expect([11, 12]).toContain(readSavedHead(paths.savedHead)?.seq);
    expect((await verify(home)).ok).toBe(true);
    await openSqliteLedger(home).close();
  });

  test('but not a saved head that a power cut left empty', async () => {
    writeFileSync(paths.savedHead, '');
    await openSqliteLedger(home).close();
    expect(readSavedHead(paths.savedHead)?.seq).toBe(12);
  });
});

/** The n-th mutation as `grow` leaves it. */
function ended(n: number): Mutation {
  const mutation = sampleMutation(n, { stage: 'committed' });
  return { ...mutation, endedAt: mutation.requestedAt + 500 };
}

function row(seq: number): StoredRecord {
  const database = new Database(paths.database, { readOnly: true });
  const found = database.prepare<StoredRecord>('SELECT seq, body, prev, hash FROM records WHERE seq = ?').get(seq);
  database.close();
  if (found === undefined) throw new Error(`no record ${seq}`);
  return found;
}

/** Edits the record and computes all hashes after it anew, as in a ledger without signatures would go unseen. Returns the last hash. */
function rewriteFrom(seq: number): string {
  const database = new Database(paths.database);
  database.exec(`UPDATE records SET body = replace(body, 'change number', 'nothing number') WHERE seq = ${seq}`);
  const rows = database
    .prepare<StoredRecord>('SELECT seq, body, prev, hash FROM records WHERE seq >= ? ORDER BY seq')
    .all(seq);
  let prev = rows[0]?.prev ?? '';
  for (const stored of rows) {
    const { hash } = link(prev, stored.seq, recordOf(stored).event).record;
    database.prepare('UPDATE records SET prev = ?, hash = ? WHERE seq = ?').run(prev, hash, stored.seq);
    prev = hash;
  }
  database.close();
  return prev;
}
