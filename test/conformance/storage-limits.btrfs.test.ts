import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { btrfsStorage } from '../../src/storage/btrfs/btrfs.ts';
import { directoryStorage } from '../../src/storage/directory/directory.ts';
import { storageRegistry } from '../../src/storage/registry.ts';
import { needs } from '../needs.ts';
import { mounted } from '../storage/real/ground.ts';
import { freeze, freshMutation, properties, rollbackRequest, valueOf } from './storage-ground.ts';

const NOTHING = { added: [], modified: [], removed: [] };

needs('btrfs').describe('the btrfs driver', () => {
  let disk: ReturnType<typeof mounted>;
  let counter = 0;
  const open = (reserve = 0) => btrfsStorage({ home: '/nowhere/hauki-limits', reserve: () => reserve });
  const subvolume = (path = join(disk.path, `s${++counter}`)): string => {
    execFileSync('btrfs', ['-q', 'subvolume', 'create', path]);
    return path;
  };
  beforeAll(() => {
    disk = mounted('btrfs', 512);
  });
  afterAll(() => disk.remove());

  test('guards the root of a file system, without its own store in it', async () => {
    const inner = subvolume();
    const other = mounted('btrfs', 128);
    try {
      writeFileSync(join(other.path, 'file'), 'before');
      const mutation = freshMutation();
      expect(await open().locate(other.path)).toMatchObject({ ok: true, value: { name: other.path } });
      const snapshot = await freeze(open(), other.path, mutation);
      await freeze(open(), other.path);
      expect(valueOf(await open().diff(snapshot, 'live'))).toEqual(NOTHING);
      writeFileSync(join(other.path, 'file'), 'failed');
      const evidence = valueOf(await open().rollback(rollbackRequest(snapshot, mutation)));
      expect(readFileSync(join(other.path, 'file'), 'utf8')).toBe('before');
      expect(valueOf(await open().diff(snapshot, evidence))).toEqual({ ...NOTHING, modified: ['file'] });
      expect(await open().list()).toHaveLength(3);
    } finally {
      other.remove();
    }
    expect(existsSync(inner)).toBe(true);
  });

  test('a directory of the name of its store elsewhere is a directory like any other', async () => {
    const folder = subvolume();
    mkdirSync(join(folder, '.hauki'));
    const snapshot = await freeze(open(), folder);
    writeFileSync(join(folder, '.hauki/file'), 'new');
    expect(valueOf(await open().diff(snapshot, 'live'))).toEqual({ ...NOTHING, added: ['.hauki/file'] });
  });

  test('leaves a subvolume inside alone, and names one that came later as a blocker', async () => {
    const folder = subvolume();
    const inner = subvolume(join(folder, 'inner'));
    writeFileSync(join(inner, 'file'), 'before');
    writeFileSync(join(folder, 'file'), 'before');
    const mutation = freshMutation();
    const snapshot = await freeze(open(), folder, mutation);
    writeFileSync(join(inner, 'file'), 'not ours');
    writeFileSync(join(folder, 'file'), 'failed');
    valueOf(await open().rollback(rollbackRequest(snapshot, mutation)));
    expect([inner, folder].map((path) => readFileSync(join(path, 'file'), 'utf8'))).toEqual(['not ours', 'before']);

    const later = subvolume(join(folder, 'later'));
    expect(valueOf(await open().plan(snapshot)).blockers).toMatchObject([{ kind: 'subvolume', name: later }]);
    expect(await open().rollback(rollbackRequest(snapshot, mutation, 2))).toMatchObject({
      ok: false,
      error: { code: 'rollback_failed' },
    });
    expect(existsSync(later)).toBe(true);
  });

  test('does not call sealed what a process can still write to', async () => {
    const folder = subvolume();
    writeFileSync(join(folder, 'log'), '');
    const fd = openSync(join(folder, 'log'), 'a');
    const refused = await open().seal(folder, true);
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'seal_failed', evidence: { processes: [{ pid: process.pid, path: join(folder, 'log') }] } },
    });
    writeFileSync(join(folder, 'other'), 'still writable');
    closeSync(fd);
    valueOf(await open().seal(folder, true));
    expect(() => writeFileSync(join(folder, 'other'), 'no')).toThrow(/EROFS/);
    valueOf(await open().seal(folder, false));
  });

  test('a rollback of what is sealed is refused, and says so', async () => {
    const folder = subvolume();
    writeFileSync(join(folder, 'file'), 'before');
    const mutation = freshMutation();
    const snapshot = await freeze(open(), folder, mutation);
    writeFileSync(join(folder, 'file'), 'failed');
    valueOf(await open().seal(folder, true));
    expect(await open().rollback(rollbackRequest(snapshot, mutation))).toMatchObject({
      ok: false,
      error: { code: 'rollback_failed', evidence: { errno: 'EROFS' } },
    });
    valueOf(await open().seal(folder, false));
    valueOf(await open().rollback(rollbackRequest(snapshot, mutation)));
  });

  test('freezes across two file systems, or nowhere', async () => {
    const other = mounted('btrfs', 128);
    try {
      const [one, two] = [subvolume(), subvolume(join(other.path, 's'))];
      const request = (datasets: readonly string[]) => {
        const mutation = freshMutation();
        const snapshots = datasets.map((dataset) => ({ dataset, name: `${dataset}@PRE_${mutation}` }));
        return { mutation, snapshots, properties: properties(mutation) };
      };
      expect(valueOf(await open().snapshot(request([one, two])))).toHaveLength(2);
      const refused = request([one, two, join(other.path, 'none')]);
      expect((await open().snapshot(refused)).ok).toBe(false);
      expect((await open().list()).filter(({ mutation }) => mutation === refused.mutation)).toEqual([]);
      for (const root of [disk.path, other.path])
        expect(readdirSync(join(root, '.hauki/snapshots'))).not.toContain(refused.mutation);
    } finally {
      other.remove();
    }
  });

  test('the rest of a set that was broken off is not listed, and replaced when asked again', async () => {
    const [one, two] = [subvolume(), subvolume()];
    const mutation = freshMutation();
    const snapshots = [one, two].map((dataset) => ({ dataset, name: `${dataset}@PRE_${mutation}` }));
    const request = { mutation, snapshots, properties: properties(mutation) };
    valueOf(await open().snapshot(request));
    const folder = join(disk.path, '.hauki/snapshots', mutation);
    const [first = ''] = readdirSync(folder);
    execFileSync('btrfs', ['-q', 'subvolume', 'delete', join(folder, first, 'tree')]);
    expect((await open().list()).filter((stored) => stored.mutation === mutation)).toHaveLength(1);
    expect(valueOf(await open().snapshot(request))).toHaveLength(2);
    valueOf(await open().discard(mutation));
    expect(existsSync(folder)).toBe(false);
  });

  test('denies a snapshot when the disk is low, with the numbers', async () => {
    const folder = subvolume();
    const mutation = freshMutation();
    const request = {
      mutation,
      snapshots: [{ dataset: folder, name: `${folder}@PRE_x` }],
      properties: properties(mutation),
    };
    expect(await open(2 ** 40).snapshot(request)).toMatchObject({
      ok: false,
      error: { code: 'low_space', evidence: { reserveBytes: 2 ** 40 } },
    });
  });

  test("leaves plain directories to the directory driver, and protects what is hauki's", async () => {
    const folder = subvolume();
    await freeze(open(), folder);
    const plain = join(folder, 'plain');
    mkdirSync(plain);
    const btrfs = btrfsStorage({ home: join(folder, 'home') });
    const registry = storageRegistry([
      btrfs,
      directoryStorage({ store: join(disk.path, 'home/store'), home: join(disk.path, 'home') }),
    ]);
    expect(await registry.locate(plain)).toMatchObject({ ok: true, value: { driver: 'directory' } });
    expect(await registry.locate(subvolume())).toMatchObject({ ok: true, value: { driver: 'btrfs' } });
    mkdirSync(join(folder, 'home'));
    expect(await btrfs.locate(folder)).toMatchObject({ ok: false, error: { code: 'dataset_protected' } });
    const [stored] = await open().list();
    expect(await open().locate(stored?.path ?? '')).toMatchObject({ ok: false, error: { code: 'dataset_protected' } });
  });

  test('keeps two controllers of one host apart', async () => {
    const folder = subvolume();
    const mutation = freshMutation();
    const snapshot = await freeze(open(), folder, mutation);
    const other = btrfsStorage({ home: '/nowhere/other' });
    expect(await other.list()).toEqual([]);
    expect(await other.plan(snapshot)).toMatchObject({ ok: false, error: { code: 'snapshot_gone' } });
    valueOf(await other.discard(mutation));
    valueOf(await open().plan(snapshot));
  });

  test('the store is closed to others', () => {
    expect(
      execFileSync('stat', ['-c', '%a', join(disk.path, '.hauki')])
        .toString()
        .trim(),
    ).toBe('700');
  });
});
