import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { bundle } from '../../ledger/process/bundle.ts';
import { until } from '../../until.ts';

const KILLS = 50;

const folder = mkdtempSync(join(tmpdir(), 'hauki-beat-'));
const path = join(folder, 'heartbeat.json');
let program = '';

beforeAll(async () => {
  program = await bundle('beater', 'test/node/process');
}, 30_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(program, { force: true });
});

interface Beat {
  readonly boot: number;
  readonly seq: number;
  readonly last: number;
}

/** @throws when it is not whole */
function read(): Beat | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const beat = JSON.parse(text) as Beat;
  if (beat.last !== beat.seq) throw new Error('half a heartbeat');
  return beat;
}

test(
  `killed with SIGKILL ${KILLS} times while it writes: every reader always sees one whole heartbeat`,
  { timeout: 120_000 },
  async () => {
    let reads = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'ignore', 'inherit'] });
      const closed = once(child, 'close');
      await until(() => read()?.boot === child.pid, 'it writes');
      const end = performance.now() + Math.random() * 40;
      let seq = 0;
      while (performance.now() < end) {
        const beat = read();
        expect(beat?.seq).toBeGreaterThanOrEqual(seq);
        seq = beat?.seq ?? 0;
        reads += 1;
        // So that both get a turn.
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.kill('SIGKILL');
      await closed;
      expect(read()?.seq).toBeGreaterThanOrEqual(seq);
    }
    expect(reads).toBeGreaterThan(KILLS);
  },
);
