import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Changes, Inspection } from '../../src/ports/storage.ts';
import { directoryStorage } from '../../src/storage/directory/directory.ts';
import { needs } from '../needs.ts';
import type { Order } from '../storage/real/child.ts';
import { fingerprint } from '../storage/real/fingerprint.ts';
import { mounted, temporaryFolder } from '../storage/real/ground.ts';
import { bundleChild, runChild } from '../storage/real/process.ts';
import { freeze, freshMutation, properties, rollbackRequest, valueOf } from './storage-ground.ts';

const NOBODY = 65_534;
const MIB = 1024 * 1024;

needs('root').describe('the directory driver on a small disk', () => {
  let disk: ReturnType<typeof mounted>;
  const data = () => join(disk.path, 'data');
  const home = () => join(disk.path, 'home');
  const open = (reserve?: number) =>
    directoryStorage({
      store: join(home(), 'store'),
      home: home(),
      ...(reserve === undefined ? {} : { reserve: () => reserve }),
    });
  const used = () => Number(execFileSync('du', ['-s', '-B1', home()]).toString().split('\t')[0]);

  beforeAll(() => {
    disk = mounted('ext4', 64);
    for (const path of [data(), home()]) mkdirSync(path);
    for (let file = 0; file < 20; file++) writeFileSync(join(data(), `file-${file}`), Buffer.alloc(MIB, String(file)));
  });
  afterAll(() => disk.remove());

  test('denies a snapshot there is no room for, with the numbers, before it begins', async () => {
    const mutation = freshMutation();
    const request = {
      mutation,
      snapshots: [{ dataset: data(), name: `${data()}@PRE_${mutation}` }],
      properties: properties(mutation),
    };
    const refused = await open(30 * MIB).snapshot(request);
    expect(refused).toMatchObject({ ok: false, error: { code: 'low_space', evidence: { reserveBytes: 30 * MIB } } });
    expect(!refused.ok && Number(refused.error.evidence?.['neededBytes'])).toBeGreaterThan(20 * MIB);
    expect(used()).toBeLessThan(MIB);
  });

  test('that runs full in the middle of one leaves nothing of it behind', async () => {
    const mutation = freshMutation();
    const request = {
      mutation,
      snapshots: [{ dataset: data(), name: `${data()}@PRE_${mutation}` }],
      properties: properties(mutation),
    };
    // Room is promised that is not there: somebody else fills the disk meanwhile.
    const filler = join(disk.path, 'filler');
    writeFileSync(filler, Buffer.alloc(25 * MIB, 'x'));
    const full = await open(-1000 * MIB).snapshot(request);
    expect(full).toMatchObject({ ok: false, error: { code: 'low_space' } });
    expect(used()).toBeLessThan(MIB);
    rmSync(filler);
    expect(await open(0).list()).toEqual([]);
    valueOf(await open(0).snapshot(request));
    valueOf(await open(0).discard(mutation));
  });

  test('keeps the reserve for rollbacks', async () => {
    const mutation = freshMutation();
    const snapshot = await freeze(open(0), data(), mutation);
    const before = fingerprint(data());
    writeFileSync(join(data(), 'file-3'), Buffer.alloc(2 * MIB, 'failed'));
    const free = statfsFree(disk.path);
    valueOf(await open(free).rollback(rollbackRequest(snapshot, mutation)));
    expect(fingerprint(data())).toEqual(before);
  });

  test('with no room for the evidence changes nothing, says so, and goes on when there is', async () => {
    const mutation = freshMutation();
    const snapshot = await freeze(open(0), data(), mutation);
    const before = fingerprint(data());
    writeFileSync(join(data(), 'file-4'), Buffer.alloc(4 * MIB, 'failed'));
    const filler = join(disk.path, 'filler');
    writeFileSync(filler, Buffer.alloc(Math.max(0, statfsFree(disk.path) - MIB), 'x'));
    const failed = fingerprint(data());
    const refused = await open(0).rollback(rollbackRequest(snapshot, mutation));
    expect(refused).toMatchObject({ ok: false, error: { code: 'rollback_failed', evidence: { cause: 'low_space' } } });
    expect(fingerprint(data())).toEqual(failed);
    rmSync(filler);
    valueOf(await open(0).rollback(rollbackRequest(snapshot, mutation)));
    expect(fingerprint(data())).toEqual(before);
  });
});

needs('root').describe('the directory driver as an ordinary user', () => {
  let ground: ReturnType<typeof temporaryFolder>;
  let program: string;
  const data = () => join(ground.path, 'data');
  const home = () => join(ground.path, 'home');
  beforeAll(async () => {
    ground = temporaryFolder();
    chmodSync(ground.path, 0o755);
    program = await bundleChild();
  });
  afterAll(() => {
    ground.remove();
    rmSync(program, { force: true });
  });

  /** Runs a script in the dataset as nobody. */
  function asNobody(script: string): void {
    execFileSync('sh', ['-e', '-c', script], {
      cwd: data(),
      uid: NOBODY,
      gid: NOBODY,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  async function call<T>(order: Order['call']): Promise<T> {
    const { answer, stderr } = await runChild(
      program,
      { driver: 'directory', home: home(), call: order },
      { uid: NOBODY },
    );
    if (answer === undefined) throw new Error(stderr);
    return answer as T;
  }

  function fresh(): void {
    for (const path of [data(), home()]) {
      rmSync(path, { recursive: true, force: true });
      mkdirSync(path);
      execFileSync('chown', [`${NOBODY}:${NOBODY}`, path]);
    }
  }

  test('restores what the user closed to himself, and leaves it closed', async () => {
    fresh();
    asNobody(`echo plain > plain; echo secret > closed-file; chmod 000 closed-file; mkdir -p closed/inner read-only
      echo deep > closed/inner/file; chmod 000 closed/inner closed; echo x > read-only/x; chmod 444 read-only/x; chmod 555 read-only
      ln plain hard; ln -s /etc/shadow link; mkfifo fifo; setfattr -n user.a -v b plain; setfacl -m u:0:r plain`);
    const before = fingerprint(data());
    const mutation = freshMutation();
    const name = `${data()}@PRE_n_x_20260101_000000_000`;
    const request = { mutation, snapshots: [{ dataset: data(), name }], properties: properties(mutation) };
    const taken = await call<{ ok: true; value: [ReturnType<typeof rollbackRequest>['snapshot']] }>({
      kind: 'snapshot',
      request,
    });
    expect(taken).toMatchObject({ ok: true });
    const [snapshot] = taken.value;
    expect(fingerprint(data())).toEqual(before);
    const rollback = rollbackRequest(snapshot, mutation);
    expect(await call<{ value: Changes }>({ kind: 'diff', request: rollback })).toMatchObject({
      value: { added: [], modified: [], removed: [] },
    });

    asNobody(`chmod 700 closed closed/inner; rm closed/inner/file; mkdir closed/new; chmod 000 closed/new closed
      chmod 755 read-only; rm -f read-only/x; mkdir read-only/y; chmod 000 read-only; chmod 600 closed-file; echo failed > closed-file; chmod 200 closed-file
      rm hard; echo failed > hard; mkdir deep; mkdir deep/er; echo x > deep/er/x; chmod 000 deep/er deep`);
    const failed = fingerprint(data());
    const kept = await call<{ ok: true; value: { path: string } }>({ kind: 'rollback', request: rollback });
    expect(kept).toMatchObject({ ok: true });
    expect(fingerprint(data())).toEqual(before);
    expect(readFileSync(join(kept.value.path, 'closed-file'), 'utf8')).toBe('failed\n');
    expect(existsSync(join(kept.value.path, 'closed/new'))).toBe(true);
    expect(failed).not.toEqual(before);
    // Also what it closed in the store can be removed by it.
    expect(await call({ kind: 'destroy', request: rollback })).toMatchObject({ ok: true });
    expect(readdirSync(join(home(), 'store/trash'))).toEqual([]);
    expect(readdirSync(join(home(), 'store/snapshots'))).toEqual([]);
  });

  test('killed while something is open for copying, closes it the next time', async () => {
    fresh();
    asNobody('mkdir closed; for f in $(seq 60); do echo $f > closed/$f; chmod 000 closed/$f; done; chmod 000 closed');
    const before = fingerprint(data());
    const order = (mutation: string): Order => {
      const name = `${data()}@PRE_${mutation}`;
      const request = { mutation, snapshots: [{ dataset: data(), name }], properties: properties(mutation) };
      return { driver: 'directory', home: home(), call: { kind: 'snapshot', request } };
    };
    const { ms } = await runChild(program, order(freshMutation()), { uid: NOBODY });
    for (let kill = 1; kill <= 6; kill++) {
      const mutation = freshMutation();
      await runChild(program, order(mutation), { uid: NOBODY, killAfterMs: (ms * kill) / 7 });
      const { answer } = await runChild(program, order(mutation), { uid: NOBODY });
      expect(answer).toMatchObject({ ok: true });
      expect(fingerprint(data())).toEqual(before);
    }
  });

  test('denies what it cannot read, and names it', async () => {
    fresh();
    writeFileSync(join(data(), 'of-root'), 'secret', { mode: 0o600 });
    const mutation = freshMutation();
    const request = {
      mutation,
      snapshots: [{ dataset: data(), name: `${data()}@PRE_x` }],
      properties: properties(mutation),
    };
    const refused = await call({ kind: 'snapshot', request });
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'snapshot_failed', message: expect.stringContaining('of-root') as string },
    });
  });

  test('says what it cannot do', async () => {
    fresh();
    const inspection = await call<Inspection>({ kind: 'inspect' });
    expect(inspection.available).toBe(true);
    expect(inspection.limits.map(({ what }) => what).join()).toContain('ordinary user');
    expect(statSync(join(home(), 'store')).mode & 0o777).toBe(0o700);
  });
});

describe('the directory driver next to a writer outside hauki', () => {
  test('takes what holds still as of one moment, and the rest as it comes', async () => {
    const ground = temporaryFolder();
    try {
      const [data, home] = [join(ground.path, 'data'), join(ground.path, 'home')];
      for (const path of [data, home]) mkdirSync(path);
      for (let file = 0; file < 200; file++) writeFileSync(join(data, `file-${file}`), 'still');
      const storage = directoryStorage({ store: join(home, 'store'), home });
      let writes = 0;
      const writer = setInterval(
        () => writeFileSync(join(data, `log-${++writes % 7}`), `line ${writes}\n`.repeat(writes % 50)),
        1,
      );
      const mutation = freshMutation();
      try {
        const snapshot = await freeze(storage, data, mutation);
        clearInterval(writer);
        const changes = valueOf(await storage.diff(snapshot, 'live'));
        expect(
          [...changes.added, ...changes.modified, ...changes.removed].every(
            (path) => path.startsWith('log-') || path === '.',
          ),
        ).toBe(true);
        valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({ added: [], modified: [], removed: [] });
      } finally {
        clearInterval(writer);
      }
    } finally {
      ground.remove();
    }
  });
});

function statfsFree(path: string): number {
  const [free = '0'] = execFileSync('df', ['--output=avail', '-B1', path]).toString().trim().split('\n').slice(1);
  return Number(free);
}
