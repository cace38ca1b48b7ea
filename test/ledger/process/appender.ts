// A process that appends to the ledger of the HAUKI_HOME in argv[2] as fast as it can, and prints the last seq of each acknowledged
// batch on a line of its own. To be killed.
import { writeSync } from 'node:fs';

import { openSqliteLedger } from '../../../src/ledger/sqlite/open.ts';
import { sampleMutation, Scribe } from '../sample.ts';

const home = process.argv[2] ?? '';
const ledger = openSqliteLedger(home);
const scribe = new Scribe(ledger);
const start = (await ledger.head())?.seq ?? 0;

for (let n = start + 1; ; n += 3) {
  const records = await scribe.request(sampleMutation(n), sampleMutation(n + 1), sampleMutation(n + 2));
  // Straight to the pipe: what was printed had been acknowledged, also when the next instruction is the last.
  writeSync(1, `${records.at(-1)?.seq}\n`);
}
