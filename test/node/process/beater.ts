// A process that writes heartbeats into the file in argv[2] as fast as it can. To be killed.
import { WholeFile } from '../../../src/node/heartbeat/file.ts';

const file = new WholeFile(process.argv[2] ?? '', (error) => {
  throw error;
});
// Long, so that many a write is cut short.
const filling = 'x'.repeat(200_000);
for (let seq = 1; ; seq += 1) {
  file.write(JSON.stringify({ boot: process.pid, seq, filling, last: seq }));
  await file.settled();
}
