import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { StorageDriver } from '../../src/ports/storage.ts';
import { needs } from '../needs.ts';
import { fingerprint, fingerprintAs } from '../storage/real/fingerprint.ts';
import { makeNasty, wreck } from '../storage/real/nasty.ts';
import { freeze, freshMutation, type RealGround, rollbackRequest, valueOf } from './storage-ground.ts';
import { killedConformance } from './storage-killed.ts';

const NOTHING = { added: [], modified: [], removed: [] };

/**
 * What a restore has to bring back and to leave alone, on real file systems, with real deaths.
 *
 * @param options.byFiles false where going back is the storage's own work, and not done file by file
 */
export function restoreConformance(name: string, open: () => RealGround, { byFiles = true } = {}): void {
  const fileTest = byFiles ? test : undefined;
  describe(`${name} restores`, () => {
    let ground: RealGround;
    let storage: StorageDriver;
    beforeAll(() => {
      ground = open();
      storage = ground.open();
    });
    afterAll(() => ground.close());

    killedConformance(() => ground);

    needs('xattr', 'acl').describe('a tree of everything', () => {
      test('byte for byte, and keeps it as it failed', async () => {
        const folder = ground.folder();
        makeNasty(folder);
        const before = fingerprint(folder);
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        expect(fingerprint(folder)).toEqual(before);
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual(NOTHING);
        wreck(folder);
        const failed = fingerprint(folder);
        expect(failed).not.toEqual(before);

        const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(fingerprint(folder)).toEqual(before);
        expect(fingerprintAs(evidence.path, folder)).toEqual(failed);
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual(NOTHING);
      });

      test('again and again, each time from another state', async () => {
        const folder = ground.folder();
        makeNasty(folder);
        const before = fingerprint(folder);
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        for (const attempt of [1, 2, 3]) {
          if (attempt === 2)
            for (const path of ['a', 'plain', 'sparse']) rmSync(join(folder, path), { recursive: true });
          else wreck(folder);
          valueOf(await storage.rollback(rollbackRequest(snapshot, mutation, attempt)));
          expect(fingerprint(folder)).toEqual(before);
        }
      });

      test('when a second snapshot shares files with the first', async () => {
        const folder = ground.folder();
        makeNasty(folder);
        const [one, two] = [freshMutation(), freshMutation()];
        const first = { of: fingerprint(folder), taken: await freeze(storage, ground.nameOf(folder), one) };
        wreck(folder);
        const second = { of: fingerprint(folder), taken: await freeze(storage, ground.nameOf(folder), two) };
        execFileSync('sh', ['-c', 'rm -rf a; echo third > plain; chmod 600 large'], { cwd: folder });
        valueOf(await storage.rollback(rollbackRequest(second.taken, two)));
        expect(fingerprint(folder)).toEqual(second.of);
        valueOf(await storage.rollback(rollbackRequest(first.taken, one)));
        expect(fingerprint(folder)).toEqual(first.of);
      });

      test('and tells what changed by readable paths', async () => {
        const folder = ground.folder();
        makeNasty(folder);
        const snapshot = await freeze(storage, ground.nameOf(folder));
        wreck(folder);
        const { added, modified, removed } = valueOf(await storage.diff(snapshot, 'live'));
        expect(added).toEqual(
          expect.arrayContaining(['.hidden', 'a/fifo', 'new', 'other\nname', 'pair-extra', 'renamed']),
        );
        expect(modified).toEqual(
          expect.arrayContaining(['a', 'a/b', 'a/b/inherits', 'hard-1', 'large', 'plain', 'sparse', 'to-file', 'link']),
        );
        expect(removed).toEqual(
          expect.arrayContaining([
            ' blanks ',
            '*?[a]\\\\',
            'hole',
            'to-file/inside',
            'with\nnewline/and\n\nmore\n',
            'ünïcode 🦉',
          ]),
        );
        expect([...added, ...modified, ...removed]).not.toContain('n\\xff\\xfe\\x80\\\\');
        expect(added).toEqual(added.toSorted());
      });

      test('sparse files stay sparse', async () => {
        const folder = ground.folder();
        makeNasty(folder);
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        rmSync(join(folder, 'sparse'));
        const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(existsSync(join(evidence.path, 'sparse'))).toBe(false);
        expect(statSync(join(folder, 'sparse')).blocks * 512).toBeLessThan(1024 * 1024);
      });
    });

    describe('in place', () => {
      test('the directory and what is unchanged in it stay the same inodes', async () => {
        const folder = ground.folder();
        for (const path of ['kept', 'changed']) writeFileSync(join(folder, path), path);
        mkdirSync(join(folder, 'sub'));
        const inodes = () => ['.', 'kept', 'sub'].map((path) => statSync(join(folder, path)).ino);
        const before = inodes();
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        writeFileSync(join(folder, 'changed'), 'failed');
        writeFileSync(join(folder, 'sub/new'), 'failed');
        valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(inodes()).toEqual(before);
      });

      test('a process standing in it goes on, and sees the state as it was', async () => {
        const folder = ground.folder();
        writeFileSync(join(folder, 'file'), 'before');
        const shell = spawn('sh', ['-c', 'read line; cat file; ls'], {
          cwd: folder,
          stdio: ['pipe', 'pipe', 'inherit'],
        });
        try {
          const mutation = freshMutation();
          const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
          writeFileSync(join(folder, 'file'), 'failed');
          writeFileSync(join(folder, 'other'), 'failed');
          const plan = valueOf(await storage.plan(snapshot));
          expect(plan.openFiles).toContainEqual({ pid: shell.pid, command: 'sh', path: folder });
          valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
          let said = '';
          shell.stdout.on('data', (chunk: Buffer) => void (said += chunk.toString()));
          shell.stdin.end('go\n');
          await new Promise((resolve) => shell.on('close', resolve));
          expect(said).toBe('beforefile\n');
        } finally {
          shell.kill();
        }
      });

      needs('root').describe('with mounts', () => {
        test('a bind mount of the dataset shows the state as it was', async () => {
          const folder = ground.folder();
          const mount = join(ground.outside, 'bind');
          mkdirSync(mount, { recursive: true });
          writeFileSync(join(folder, 'file'), 'before');
          execFileSync('mount', ['--bind', folder, mount]);
          try {
            const mutation = freshMutation();
            const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
            writeFileSync(join(mount, 'file'), 'failed');
            valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
            expect(readFileSync(join(mount, 'file'), 'utf8')).toBe('before');
          } finally {
            execFileSync('umount', [mount]);
          }
        });

        test.each(['tmpfs', 'bind'])('a %s mount inside is left alone', async (kind) => {
          const folder = ground.folder();
          const other = join(ground.outside, `other-${kind}`);
          const mount = join(folder, 'sub/mount point');
          for (const path of [other, mount]) mkdirSync(path, { recursive: true });
          execFileSync('mount', kind === 'bind' ? ['--bind', other, mount] : ['-t', 'tmpfs', 'tmpfs', mount]);
          try {
            writeFileSync(join(mount, 'inside'), 'before');
            writeFileSync(join(folder, 'file'), 'before');
            const mutation = freshMutation();
            const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
            writeFileSync(join(mount, 'inside'), 'not ours');
            writeFileSync(join(mount, 'new'), 'not ours');
            writeFileSync(join(folder, 'file'), 'failed');
            expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({ ...NOTHING, modified: ['file'] });
            const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
            expect(readFileSync(join(mount, 'inside'), 'utf8')).toBe('not ours');
            expect(existsSync(join(mount, 'new'))).toBe(true);
            expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('before');
            expect(existsSync(join(evidence.path, 'sub/mount point/inside'))).toBe(false);
          } finally {
            execFileSync('umount', [mount]);
          }
        });

        fileTest?.('a mount that came after the snapshot forbids the rollback, by name', async () => {
          const folder = ground.folder();
          const mount = join(folder, 'came-later');
          mkdirSync(mount);
          writeFileSync(join(mount, 'hidden'), 'before');
          const mutation = freshMutation();
          const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
          execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', mount]);
          try {
            writeFileSync(join(mount, 'inside'), 'not ours');
            const plan = valueOf(await storage.plan(snapshot));
            expect(plan.blockers).toMatchObject([{ kind: 'mount', name: mount }]);
            const refused = await storage.rollback(rollbackRequest(snapshot, mutation));
            expect(refused).toMatchObject({
              ok: false,
              error: { code: 'rollback_failed', message: expect.stringContaining('came-later') as string },
            });
            expect(readFileSync(join(mount, 'inside'), 'utf8')).toBe('not ours');
          } finally {
            execFileSync('umount', [mount]);
          }
          valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        });

        fileTest?.('what cannot be written is named, and can be tried again', async () => {
          const folder = ground.folder();
          writeFileSync(join(folder, 'file'), 'before');
          const mutation = freshMutation();
          const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
          writeFileSync(join(folder, 'file'), 'failed');
          execFileSync('chattr', ['+i', join(folder, 'file')]);
          const request = rollbackRequest(snapshot, mutation);
          try {
            const refused = await storage.rollback(request);
            expect(refused).toMatchObject({
              ok: false,
              error: { code: 'rollback_failed', evidence: { path: 'file', errno: 'EPERM' } },
            });
            expect(!refused.ok && refused.error.message).toContain('chattr');
          } finally {
            execFileSync('chattr', ['-i', join(folder, 'file')]);
          }
          valueOf(await storage.rollback(request));
          expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('before');
        });
      });

      test('a symlink in the place of a directory is not followed', async () => {
        const folder = ground.folder();
        const outside = join(ground.outside, 'precious');
        mkdirSync(outside, { recursive: true });
        mkdirSync(join(folder, 'etc'));
        for (const place of [outside, join(folder, 'etc')]) writeFileSync(join(place, 'passwd'), place);
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        rmSync(join(folder, 'etc'), { recursive: true });
        symlinkSync(outside, join(folder, 'etc'));
        valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(readFileSync(join(outside, 'passwd'), 'utf8')).toBe(outside);
        expect(readFileSync(join(folder, 'etc/passwd'), 'utf8')).toBe(join(folder, 'etc'));
      });

      fileTest?.('a dataset that was removed altogether is there again', async () => {
        const folder = ground.folder();
        writeFileSync(join(folder, 'file'), 'before');
        const mutation = freshMutation();
        const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
        const before = fingerprint(folder);
        renameSync(folder, `${folder}-away`);
        valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(fingerprint(folder)).toEqual(before);
        expect(await storage.locate(folder)).toMatchObject({ ok: true, value: { driver: storage.driver } });
      });
    });

    test('10,000 files, while others are answered', async () => {
      const folder = ground.folder();
      execFileSync(
        'sh',
        ['-c', 'for d in $(seq 100); do mkdir d$d; for f in $(seq 100); do echo $d-$f > d$d/f$f; done; done'],
        { cwd: folder },
      );
      const before = fingerprint(folder, { xattrs: false });
      const delay = monitorEventLoopDelay({ resolution: 5 });
      delay.enable();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
      execFileSync('sh', ['-c', 'rm -rf d1?; for f in d2*/*; do echo failed > $f; done; cp -r d3 new'], {
        cwd: folder,
      });
      delay.reset();
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      delay.disable();
      expect(fingerprint(folder, { xattrs: false })).toEqual(before);
      expect(delay.max / 1e6).toBeLessThan(500);
    });

    test('a temporary file of a restore that was broken off goes with the next one', async () => {
      const folder = ground.folder();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
      writeFileSync(join(folder, '.hauki-new-1-0'), 'rest');
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      expect(lstatSync(join(folder, '.hauki-new-1-0'), { throwIfNoEntry: false })).toBeUndefined();
    });

    test('a link out of the dataset is a link, and not what it leads to', async () => {
      const folder = ground.folder();
      const outside = join(ground.outside, 'far');
      mkdirSync(outside, { recursive: true });
      symlinkSync(outside, join(folder, 'out'));
      const mutation = freshMutation();
      const snapshot = await freeze(storage, ground.nameOf(folder), mutation);
      writeFileSync(join(folder, 'out/file'), 'outside');
      expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual(NOTHING);
      rmSync(join(folder, 'out'));
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      expect(readlinkSync(join(folder, 'out'))).toBe(outside);
      expect(existsSync(join(outside, 'file'))).toBe(true);
    });
  });
}
