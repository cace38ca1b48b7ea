import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { verify } from '../../src/ledger/audit.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';
import { bundle } from './process/bundle.ts';

const KILLS = 12;

const home = mkdtempSync(join(tmpdir(), 'hauki-kill-'));
let program = '';

beforeAll(async () => {
  program = await bundle('appender');
}, 30_000);

afterAll(() => {
  rmSync(home, { recursive: true, force: true });
  rmSync(program, { force: true });
});

test(
  `killed with SIGKILL ${KILLS} times while appending: no acknowledged record is lost and the ledger verifies`,
  { timeout: 60_000 },
  async () => {
    let acknowledged = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      // From before the second append of a run to some hundred appends later.
      acknowledged = Math.max(acknowledged, await appendUntilKilled(Math.random() * 250));

      const verdict = await verify(home);
      expect(verdict.firstBroken).toBeUndefined();
      expect(verdict.records).toBeGreaterThanOrEqual(acknowledged);
      // Batches of three: one that was not acknowledged may be there, but whole.
      expect(verdict.records % 3).toBe(0);
    }
    expect(acknowledged).toBeGreaterThan(KILLS);

    const ledger = openSqliteLedger(home);
    const { mutations } = await ledger.load();
    expect(mutations.size).toBe((await ledger.head())?.seq);
    await ledger.close();
  },
);

/** @returns the last seq it acknowledged, 0 when none */
async function appendUntilKilled(afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [program, home], { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  setTimeout(() => child.kill('SIGKILL'), afterMs);
  await closed;
  expect(child.signalCode).toBe('SIGKILL');
  // The last line may be torn.
  return Number(printed.slice(0, printed.lastIndexOf('\n')).split('\n').at(-1));
}
