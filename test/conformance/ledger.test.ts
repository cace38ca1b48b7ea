import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { emptyDisk, memoryLedger } from '../../src/ledger/memory/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';
import { ledgerConformance } from './ledger.ts';

ledgerConformance('memory', () => {
  let disk = emptyDisk();
  return {
    open: () => {
      // A restart sees what is on the disk, nothing that was shared in memory.
      disk = structuredClone(disk);
      return memoryLedger(disk);
    },
    destroy: () => undefined,
  };
});

ledgerConformance('sqlite', () => {
  const home = mkdtempSync(join(tmpdir(), 'hauki-ledger-'));
  return { open: () => openSqliteLedger(home), destroy: () => rmSync(home, { recursive: true, force: true }) };
});
