import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { verify } from '../../src/ledger/audit.ts';
import { exportLines } from '../../src/ledger/export.ts';
import type { Head } from '../../src/ports/ledger.ts';
import { bundle } from './process/bundle.ts';

const home = mkdtempSync(join(tmpdir(), 'hauki-live-'));
let program = '';
let child: ChildProcess | undefined;

beforeAll(async () => {
  program = await bundle('appender');
}, 30_000);

afterAll(() => {
  child?.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
  rmSync(program, { force: true });
});

test('verify and export work beside a process that appends as fast as it can', { timeout: 60_000 }, async () => {
  child = spawn(process.execPath, [program, home], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('no stdout');
  await once(child.stdout, 'data');
  child.stdout.resume();

  let witness: Head | undefined;
  let records = 0;
  // On a busy machine the other process may not get a turn between two looks: then this looks again, until the test's time is up.
  for (let grown = 0; grown < 20;) {
    const verdict = await verify(home, witness === undefined ? {} : { witness });
    expect(verdict).toMatchObject({ ok: true, notes: [] });
    expect(verdict.records).toBeGreaterThanOrEqual(records);
    if (verdict.records > records) grown += 1;
    ({ records, head: witness } = verdict);
    await sleep(20);
  }
  let lines = 0;
  for await (const line of exportLines(home)) lines += line.length > 0 ? 1 : 0;
  expect(lines).toBeGreaterThanOrEqual(records);
});
