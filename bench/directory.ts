import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { directoryStorage } from '../src/storage/directory/directory.ts';
import type { Row } from './row.ts';

const FILES = 10_000;
const ROUNDS = 5;
const TARGET = 1.2;

/**
 * The directory driver on 10,000 small files against `cp -a --reflink=auto`, taken in turns, medians. Nothing is deleted until the
 * end: ext4 looks for a free inode all the longer the more were freed within the last minutes, which would measure the broom.
 */
export async function directoryBench(): Promise<Row[]> {
  const folder = mkdtempSync(join(process.env['HAUKI_BENCH_DIR'] ?? tmpdir(), 'hauki-bench-'));
  try {
    const data = join(folder, 'data');
    for (let file = 0; file < FILES; file++) {
      const sub = join(data, `d${Math.floor(file / 100)}`);
      if (file % 100 === 0) mkdirSync(sub, { recursive: true });
      writeFileSync(join(sub, `f${file}`), Buffer.alloc(1000 + (file % 7) * 500, file));
    }
    execFileSync('sync', ['-f', folder]);
    const times = {
      cp: [] as number[],
      synced: [] as number[],
      first: [] as number[],
      next: [] as number[],
      diff: [] as number[],
      rollback: [] as number[],
    };
    for (let round = 0; round < ROUNDS; round++) {
      times.cp.push(
        await timed(() => execFileSync('cp', ['-a', '--reflink=auto', data, join(folder, `copy-${round}`)])),
      );
      times.synced.push((times.cp.at(-1) ?? 0) + (await timed(() => execFileSync('sync', ['-f', folder]))));
      const home = join(folder, `home-${round}`);
      mkdirSync(home);
      const storage = directoryStorage({ store: join(home, 'store'), home, reserve: () => 0 });
      const freeze = async (mutation: string) => {
        const properties = { mutation, intent: 'bench', node: 'bench', mode: 'standard', fence: 1 } as const;
        const taken = await storage.snapshot({
          mutation,
          snapshots: [{ dataset: data, name: `${data}@PRE_${mutation}` }],
          properties,
        });
        if (!taken.ok || taken.value[0] === undefined) throw new Error(JSON.stringify(taken));
        return { snapshot: taken.value[0], properties, evidenceName: `${data}@FAIL_${mutation}`, attempt: 1 };
      };
      times.first.push(await timed(() => freeze('first')));
      for (let file = 0; file < 100; file++)
        writeFileSync(join(data, `d${file}`, `f${file * 100}`), `${round} ${file}`);
      let request: Awaited<ReturnType<typeof freeze>> | undefined;
      times.next.push(await timed(async () => void (request = await freeze('next'))));
      if (request === undefined) throw new Error('no snapshot');
      const undo = request;
      for (let file = 0; file < 100; file++) writeFileSync(join(data, `d${file}`, `f${file * 100}`), 'failed');
      times.diff.push(await timed(() => storage.diff(undo.snapshot, 'live')));
      times.rollback.push(await timed(() => storage.rollback(undo)));
    }
    const cp = median(times.cp);
    const peer = { name: 'cp -a --reflink=auto', value: cp };
    const against = (name: string, value: number): Row => {
      const ratio = Number((value / cp).toFixed(2));
      return { name, value, unit: 'ms', peer, ratio, target: `≤ ${TARGET} × ${peer.name}`, met: ratio <= TARGET };
    };
    return [
      { name: `${peer.name}, ${FILES} files`, value: cp, unit: 'ms' },
      { name: `${peer.name}, then sync -f: as durable as a snapshot`, value: median(times.synced), unit: 'ms' },
      against(`directory: first snapshot, ${FILES} files, on the disk`, median(times.first)),
      against('directory: next snapshot, 1 % changed, on the disk', median(times.next)),
      { name: 'directory: diff with the live state, 1 % changed', value: median(times.diff), unit: 'ms' },
      {
        name: 'directory: rollback with evidence and verification, 1 % changed',
        value: median(times.rollback),
        unit: 'ms',
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  return Math.round(values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN);
}
