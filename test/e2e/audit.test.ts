import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { Database } from '../../src/ledger/sqlite/database.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { place, type Place } from './place.ts';

/* The ledger of a real run, proven from outside; and what happens when somebody has been at it. */

const database = ({ home }: Place): string => join(home, 'ledger/ledger.db');

/** A run with a bit of everything, its controller stopped. */
async function run(own: Place): Promise<void> {
  await own.guard('true');
  await own.guard('exit 1');
  await stopped(own);
}

async function stopped(own: Place): Promise<void> {
  const pid = own.controllerPid();
  if (pid !== undefined) process.kill(pid, 'SIGTERM');
  await until(
    () => own.controllerPid() === undefined && !existsSync(join(own.home, 'controller.sock')),
    'the controller has stopped',
  );
}

function tamper(own: Place, sql: string): void {
  const db = new Database(database(own));
  try {
    // Whoever can write the file can drop what protects it.
    const triggers = db.prepare<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'trigger'`).all();
    for (const { name } of triggers) db.exec(`DROP TRIGGER "${name}"`);
    db.exec(sql);
  } finally {
    db.close();
  }
}

describe('audit verify', () => {
  test('proves a whole ledger, while a controller runs and afterwards; its head is a witness', async () => {
    const own = place();
    await own.guard('true');
    const running = await own.run(['audit', 'verify']);
    expect(running).toMatchObject({ code: 0 });
    expect(running.stdout).toContain('the ledger is whole');
    const first = await own.run(['audit', 'verify', '--json']);
    expect(JSON.parse(first.stdout)).toMatchObject({ ok: true, head: { seq: expect.any(Number) as number } });
    const witness = join(own.folder, 'head.json');
    writeFileSync(witness, first.stdout);
    await own.guard('exit 1');
    await stopped(own);
    expect((await own.run(['audit', 'verify', '--head', witness])).code).toBe(0);
    expect((await own.run(['audit', 'verify', '--head', join(own.folder, 'missing')])).code).toBe(64);
  });

  test('while work goes on: again and again, never a false alarm', async () => {
    const own = place();
    await own.controller();
    const guards = Promise.all(Array.from({ length: 6 }, (_, index) => own.guard(`exit ${index % 2}`)));
    for (let look = 0; look < 4; look += 1) expect(await own.run(['audit', 'verify'])).toMatchObject({ code: 0 });
    await guards;
    expect((await own.run(['audit', 'verify'])).code).toBe(0);
  });

  test.each([
    [
      'an edited record',
      `UPDATE records SET body = replace(body, '"intent":"test"', '"intent":"nice"') WHERE seq = 2`,
      2,
    ],
    ['a dropped record', 'DELETE FROM records WHERE seq = 3', 3],
    ['a cut-off end', 'DELETE FROM records WHERE seq > 5', 6],
    ['an edited projection', `UPDATE mutations SET stage = 'committed'`, undefined],
  ])('names %s, with exit code 1', async (_what, sql, seq) => {
    const own = place();
    await run(own);
    tamper(own, sql);
    const verdict = await own.run(['audit', 'verify', '--json']);
    expect(verdict.code).toBe(1);
    const { ok, firstBroken } = JSON.parse(verdict.stdout) as {
      ok: boolean;
      firstBroken: { seq: number; problem: string };
    };
    expect(ok).toBe(false);
    expect(firstBroken.problem).not.toBe('');
    expect(seq === undefined ? firstBroken.seq : seq).toBe(firstBroken.seq);
    const told = await own.run(['audit', 'verify']);
    expect(told.code).toBe(1);
    expect(told.stdout).toContain(`BROKEN at record ${firstBroken.seq}`);
  });

  test('a ledger with its end cut off is not written on: guard 75, nothing executed', async () => {
    const own = place();
    await run(own);
    tamper(own, 'DELETE FROM records WHERE seq > 5');
    const done = await own.guard('touch ran');
    expect(done.code).toBe(75);
    expect(done.stderr).toContain('ledger_broken');
    expect(existsSync(join(own.site, 'ran'))).toBe(false);
  });
});

describe('audit export', () => {
  test('writes JSON lines, whole or after a record', async () => {
    const own = place();
    await run(own);
    const all = (await own.run(['audit', 'export'])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number });
    expect(all.map(({ seq }) => seq)).toEqual(Array.from({ length: all.length }, (_, index) => index + 1));
    const rest = (await own.run(['audit', 'export', '--after', '4'])).stdout.trimEnd().split('\n');
    expect(rest.length).toBe(all.length - 4);
    expect((await own.run(['audit', 'export', '--after', 'x'])).code).toBe(64);
  });
});

describe('a ledger that this version cannot use', () => {
  test('from a later version: guard 75 ledger_future, nothing executed, the file untouched', async () => {
    const own = place();
    await run(own);
    const db = new Database(database(own));
    db.exec('PRAGMA user_version = 99');
    db.close();
    const before = fingerprint(database(own));
    const done = await own.guard('touch ran');
    expect(done.code).toBe(75);
    expect(done.stderr).toContain('ledger_future');
    expect(existsSync(join(own.site, 'ran'))).toBe(false);
    expect((await own.run(['up', '--port', '0'])).code).toBe(75);
    expect((await own.run(['status'])).code).toBe(75);
    expect(fingerprint(database(own))).toBe(before);
  });

  test('without its key: 75, and no new key is made in its stead', async () => {
    const own = place();
    await run(own);
    const key = join(own.home, 'controller.key');
    const saved = readFileSync(key);
    await own.run(['-f', key], { program: 'rm' });
    const done = await own.guard('touch ran');
    expect(done.code).toBe(75);
    expect(existsSync(key)).toBe(false);
    writeFileSync(key, saved, { mode: 0o600 });
    expect((await own.guard('true')).code).toBe(0);
  });

  test('nothing there at all: verify says so without making one', async () => {
    const own = place();
    mkdirSync(own.home);
    const { code, stderr } = await own.run(['audit', 'verify']);
    expect(stderr).not.toContain('    at ');
    expect([0, 75]).toContain(code);
    expect(existsSync(database(own))).toBe(false);
  });
});
