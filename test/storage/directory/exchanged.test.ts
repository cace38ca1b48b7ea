import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import type { Snapshot } from '../../../src/core/snapshot/snapshot.ts';
import { directoryStorage } from '../../../src/storage/directory/directory.ts';
import { type Base, freeze } from '../../../src/storage/directory/freeze.ts';
import { byPath } from '../../../src/storage/tree/access.ts';
import type { Entries } from '../../../src/storage/tree/entry.ts';
import { parseManifest } from '../../../src/storage/tree/manifest.ts';
import { type Syscalls, syscalls } from '../../../src/storage/tree/syscalls.ts';
import { freeze as snapshotOf, freshMutation, rollbackRequest, valueOf } from '../../conformance/storage-ground.ts';
import { needs } from '../../needs.ts';
import { temporaryFolder } from '../real/ground.ts';

const NOBODY = 65_534;
const MINE = 'mine, seventeen\n\n';
const SECRET = 'not for everybody';

/**
 * A directory whose owner, nobody, exchanges `d` in it for another while the superuser copies it, and puts it back before
 * anybody looks again: nothing in it has another ctime then.
 */
needs('root', 'xattr').describe('a directory exchanged while it is copied', () => {
  let ground: ReturnType<typeof temporaryFolder>;
  const path = process.env['PATH'];
  const at = (name: string) => join(ground.path, name);

  beforeEach(() => {
    ground = temporaryFolder();
    for (const name of ['bin', 'away', 'home', 'host', 'site', 'site/d']) mkdirSync(at(name));
    chmodSync(at('host'), 0o700);
    writeFileSync(at('site/d/secret'), MINE);
    writeFileSync(at('host/secret'), SECRET, { mode: 0o600 });
    execFileSync('setfattr', ['-n', 'user.of', '-v', 'host', at('host/secret')]);
  });
  afterEach(() => {
    process.env['PATH'] = path;
    ground.remove();
  });

  function files(count: number): void {
    for (let file = 0; file < count; file++) writeFileSync(at(`site/d/f${file}`), `file ${file}`);
    execFileSync('chown', ['-R', `${NOBODY}:${NOBODY}`, at('site')]);
  }

  /** A cp that runs while `d` is something else. */
  function standIn(): void {
    const exchange = `mv ${at('site/d')} ${at('away/d')}; ln -s ${at('host')} ${at('site/d')}`;
    const back = `rm ${at('site/d')}; mv ${at('away/d')} ${at('site/d')}`;
    const script = `#!/bin/sh\nexec 9>${at('lock')}; flock 9\n${exchange}\nPATH='${path}' cp "$@"; code=$?\n${back}\nexit $code\n`;
    writeFileSync(at('bin/cp'), script, { mode: 0o755 });
    process.env['PATH'] = `${at('bin')}:${path}`;
  }

  async function changedAndRolledBack(snapshot: Snapshot, mutation: string): Promise<string> {
    writeFileSync(at('site/d/secret'), 'changed');
    const storage = directoryStorage({ store: at('home/store'), home: at('home'), reserve: () => 0 });
    valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
    return readFileSync(at('site/d/secret'), 'utf8');
  }

  test.each([
    ['in parts', 100],
    ['in one piece', 3],
  ])('has no file of the host copied, %s', async (_, count) => {
    files(count);
    if (count < 64) {
      // Two names of one file in different parts: all of it is copied in one piece.
      execFileSync('ln', [at('site/d/f0'), at('site/f0')]);
    }
    standIn();
    const storage = directoryStorage({ store: at('home/store'), home: at('home'), reserve: () => 0 });
    const mutation = freshMutation();
    const snapshot = await snapshotOf(storage, at('site'), mutation);
    process.env['PATH'] = path;
    expect(await changedAndRolledBack(snapshot, mutation)).toBe(MINE);
    expect(spawnSync('grep', ['-rlF', SECRET, at('home')], { encoding: 'utf8' }).stdout).toBe('');
  });

  /** Freezes with system calls before which something is done, and after which it is undone. */
  async function frozen(sys: Partial<Syscalls>, base?: Base): Promise<{ entries: Entries; tree: string }> {
    const folder = at(`home/${base === undefined ? 'first' : 'next'}`);
    const own = { ...(await syscalls()), ...sys };
    const taken = await freeze({ root: at('site'), folder, base, journal: at('journal'), reserve: () => 0, sys: own });
    const { manifest } = valueOf(taken);
    return { entries: byPath(await parseManifest(manifest)), tree: join(folder, 'tree') };
  }

  test('has no extended attribute of the host recorded', async () => {
    files(3);
    const real = await syscalls();
    const exchanged = <T>(call: () => T): T => {
      renameSync(at('site/d'), at('away/d'));
      symlinkSync(at('host'), at('site/d'));
      try {
        return call();
      } finally {
        rmSync(at('site/d'));
        renameSync(at('away/d'), at('site/d'));
      }
    };
    const { entries } = await frozen({
      hasXattrs: (where) => exchanged(() => real.hasXattrs(where)),
      llistxattr: (where) => exchanged(() => real.llistxattr(where)),
      lgetxattr: (where, name) => exchanged(() => real.lgetxattr(where, name)),
    });
    expect(entries.get('d/secret')?.xattrs).toBe('');
  });

  /** Another directory of the same tree, closed to the owner of the first, takes its place the first few times that it is opened. */
  async function opensAnother(times: number): Promise<Pick<Syscalls, 'openBeneath'>> {
    const real = await syscalls();
    let left = times;
    return {
      openBeneath: (directory, name) => {
        const ours = readlinkSync(`/proc/self/fd/${directory}`) === at('site') && name.toString() === 'd';
        if (!ours || left-- <= 0) return real.openBeneath(directory, name);
        renameSync(at('site/d'), at('site/e'));
        renameSync(at('host'), at('site/d'));
        try {
          return real.openBeneath(directory, name);
        } finally {
          renameSync(at('site/d'), at('host'));
          renameSync(at('site/e'), at('site/d'));
        }
      },
    };
  }

  test('has nothing copied that lies in the tree and belongs to another', async () => {
    files(10);
    const first = await frozen({});
    writeFileSync(at('site/d/secret'), `${MINE}again`);
    const base = { root: first.tree, entries: first.entries, racySinceMs: Date.now() };
    const { entries, tree } = await frozen(await opensAnother(2), base);
    expect(entries.get('d/secret')).toMatchObject({ uid: NOBODY, xattrs: '' });
    expect(readFileSync(join(tree, 'd/secret'), 'utf8')).toBe(`${MINE}again`);

    writeFileSync(at('site/d/secret'), MINE);
    rmSync(at('home/next'), { recursive: true });
    await expect(frozen(await opensAnother(Number.POSITIVE_INFINITY), base)).rejects.toThrow(
      'write d/secret: something else is in its place by now',
    );
  });
});
