import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { link } from '../../src/ledger/chain.ts';
import { ledgerHome } from '../../src/ledger/home.ts';
import { controllerKey, passingSigner } from '../../src/ledger/signing.ts';
import { Database } from '../../src/ledger/sqlite/database.ts';
import type { Event } from '../../src/core/event.ts';
import { headLine, headsIn } from '../../src/wire/irc/witness.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { ngircd, type Ngircd, person } from './ngircd.ts';
import { openPlace, type Outcome, type Place } from './place.ts';

/* The log of somebody who sat in the channel, held against the ledger: as it is, and after somebody with every key has been at it. */

needs('ngircd').describe('the log of a channel as a witness', () => {
  let own: Place;
  let server: Ngircd;
  /** What a client's log looks like, and the last head announced in it. */
  let log: string;
  let announced: number;

  beforeAll(async () => {
    own = openPlace();
    server = await ngircd(join(own.folder, 'ngircd'));
    await server.start();
    mkdirSync(own.home, { recursive: true });
    writeFileSync(
      join(own.home, 'config.yaml'),
      `irc: { server: 127.0.0.1, port: ${server.port}, tls: false, channel: "#mesh", heads: 10ms, flood: { burst: 50, perSecond: 500 } }\n`,
    );
    const alice = await person(server.port, 'alice', ['#mesh']);
    const controller = await own.controller();
    await alice.heard(/^head /);
    for (const intent of ['one', 'two', 'three']) {
      await own.guard('echo more >> config', ['--intent', intent]);
      await alice.heard(new RegExp(`^Committed: .*"${intent}"`));
    }
    await until(() => headsIn(alice.log()).length >= 3, 'heads are announced');
    controller.child.kill('SIGTERM');
    await controller.done;
    alice.leave();
    log = alice.log();
    announced = Math.max(...headsIn(log).map(({ seq }) => seq));
  });
  afterAll(async () => {
    await server.close();
    await own.close();
  });

  async function witness(text = log, ...options: string[]): Promise<Outcome> {
    const file = join(own.folder, 'channel.log');
    writeFileSync(file, text);
    return own.run(['audit', 'witness', file, ...options]);
  }

  function database<T>(use: (db: Database) => T): T {
    const db = new Database(ledgerHome(own.home).database);
    try {
      for (const { name } of db
        .prepare<{ name: string }>(`SELECT name FROM sqlite_schema WHERE type = 'trigger'`)
        .all())
        db.exec(`DROP TRIGGER "${name}"`);
      return use(db);
    } finally {
      db.close();
    }
  }

  test('vouches for all that was announced', async () => {
    const { code, stdout } = await witness();
    expect(stdout).toMatch(
      new RegExp(`^the channel bears witness to records 1 to ${announced}: \\d+ heads, each in the ledger`),
    );
    expect(code).toBe(0);
    expect(
      await own.json<{ ok: boolean; witness: object }>(['audit', 'witness', join(own.folder, 'channel.log')]),
    ).toMatchObject({
      ok: true,
      witness: { last: announced },
    });
  });

  test('is found in logs of other clients too', async () => {
    for (const [from, to] of [
      [/^12:34 <@(\w+)> /gm, '2026-11-24 12:34:56\t@$1\t'],
      [/^12:34 <@(\w+)> /gm, '[12:34:56] <$1> '],
      [/^12:34 <@(\w+)> /gm, 'Nov 24 12:34:56 <$1>\t'],
    ] as const) {
      expect((await witness(log.replaceAll(from, to), '--from', 'hauki')).code).toBe(0);
    }
  });

  test('says nothing where nothing was announced', async () => {
    expect(await witness('12:34 <alice> hello\n')).toMatchObject({ code: 64 });
    expect(await witness(log, '--from', 'alice')).toMatchObject({ code: 64 });
    expect(await own.run(['audit', 'witness', join(own.folder, 'nowhere')])).toMatchObject({ code: 64 });
  });

  test('is not shaken, but not passed over, when somebody imitates the controller', async () => {
    const forged = headLine(passingSigner().sign(announced + 100, 'ab'.repeat(32)));
    const loud = `${log}\n12:35 <mallory> hauki ${forged}\n`;
    const { code, stdout } = await witness(loud);
    expect(stdout).toMatch(/BROKEN.*line \d+ of the log.*is not signed by the controller's key/s);
    expect(stdout).toContain('--from NICK');
    expect(code).toBe(1);
    expect((await witness(loud, '--from', 'hauki')).code).toBe(0);
  });

  // What follows destroys the ledger a little more each time.

  test('finds a record that was rewritten, with the whole chain computed and signed anew', async () => {
    const signer = controllerKey(own.home);
    database((db) => {
      const rows = db.prepare<{ seq: number; body: string }>('SELECT seq, body FROM records ORDER BY seq').all();
      let prev = '0'.repeat(64);
      for (const { seq, body } of rows) {
        const event = JSON.parse(body.replace('"two"', '"2"')) as Event;
        const { record, body: written } = link(prev, seq, event);
        db.prepare('UPDATE records SET body = ?, prev = ?, hash = ? WHERE seq = ?').run(
          written,
          prev,
          record.hash,
          seq,
        );
        prev = record.hash;
      }
      const head = signer.sign(rows.length, prev);
      db.prepare('UPDATE head SET hash = ?, signature = ?').run(head.hash, head.signature);
      rmSync(ledgerHome(own.home).savedHead);
    });
    const { code, stdout } = await witness();
    expect(stdout).toMatch(
      /Record \d+ is not the one the controller signed: The head in line \d+ of the log has another hash/,
    );
    expect(code).toBe(1);
  });

  test('names the first announced head that is missing from a ledger that was cut, its new end signed', async () => {
    const signer = controllerKey(own.home);
    const heads = headsIn(log)
      .map(({ seq }) => seq)
      .toSorted((a, b) => a - b);
    const cut = (heads[1] ?? 0) - 1;
    database((db) => {
      db.exec(`DELETE FROM records WHERE seq > ${cut}`);
      const last = db.prepare<{ hash: string }>('SELECT hash FROM records ORDER BY seq DESC').get()?.hash ?? '';
      const head = signer.sign(cut, last);
      db.prepare('UPDATE head SET seq = ?, hash = ?, signature = ?').run(cut, head.hash, head.signature);
    });
    const only = log
      .split('\n')
      .filter((line) => headsIn(line).some(({ seq }) => seq > cut))
      .join('\n');
    const { code, stdout } = await witness(only);
    expect(stdout).toMatch(new RegExp(`were cut off|was cut off`));
    expect(stdout).toContain(`first missing of those announced: record ${heads[1]}, `);
    expect(code).toBe(1);
    const json = await own.run(['audit', 'witness', join(own.folder, 'channel.log'), '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, witness: { firstMissing: { seq: heads[1], line: 1 } } });
  });

  test('speaks for a ledger that is gone, keys and all', async () => {
    rmSync(ledgerHome(own.home).folder, { recursive: true });
    expect(await witness()).toMatchObject({ code: 1 });
    rmSync(ledgerHome(own.home).publicKey);
    expect(await witness()).toMatchObject({ code: 1 });
  });
});
