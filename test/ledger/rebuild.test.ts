import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { replay } from '../../src/bin/compose.ts';
import { rebuild } from '../../src/core/rebuild/rebuild.ts';
import type { Remnant } from '../../src/core/rebuild/remnant.ts';
import { verify } from '../../src/ledger/audit.ts';
import { refuseUnlessLost, writeRebuilt } from '../../src/ledger/rebuild.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';

const NOW = Date.UTC(2026, 5, 16);
const MANY = 10_000;

function home(): string {
  const path = mkdtempSync(join(tmpdir(), 'hauki-rebuild-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function remnants(count: number): Remnant[] {
  return Array.from({ length: count }, (_, index) => ({
    kind: 'snapshot',
    driver: 'zfs',
    dataset: `tank/${index % 7}`,
    name: `tank/${index % 7}@PRE_${index}`,
    guid: String(index),
    createdAt: NOW - MANY + index,
    mutation: `m${index}`,
    node: 'n',
    intent: 'x',
    mode: 'standard',
    fence: index + 1,
  }));
}

test('ten thousand mutations are restored, and the ledger is whole', { timeout: 60_000 }, async () => {
  const path = home();
  const { mutations } = rebuild(remnants(MANY), new Map());
  refuseUnlessLost(path);
  expect(await writeRebuilt(path, mutations, MANY, NOW)).toBe(MANY);
  expect(await verify(path, { replay })).toMatchObject({ ok: true, records: MANY });
  const ledger = openSqliteLedger(path);
  expect(await ledger.countByStage()).toEqual({ committed: MANY - 7, quarantined: 7 });
  expect((await ledger.load()).counters.fence).toBe(MANY);
  await ledger.close();
  expect(() => refuseUnlessLost(path)).toThrow('ledger_present');
});

test('tokens go on above those of what could not be restored', async () => {
  const path = home();
  await writeRebuilt(path, rebuild(remnants(3), new Map()).mutations, 40, NOW);
  const ledger = openSqliteLedger(path);
  expect((await ledger.load()).counters.fence).toBe(40);
  await ledger.close();
  expect(await verify(path, { replay })).toMatchObject({ ok: true, records: 4 });
});
