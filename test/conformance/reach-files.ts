import { randomBytes } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { containing, type Tried } from './reach-ground.ts';

/** Files that are brought there and fetched. */
export function filesTests(at: Tried): void {
  const { hear, fresh } = at;

  describe('files', () => {
    const names = ['plain', '-rf', ' ', "it's", 'new\nline', '$(id) `id` *', '🦉', 'a'.repeat(255)];

    test.each(names)('%j comes back as it was put', async (name) => {
      const [path, bytes] = [`${at.folder}/${name}`, randomBytes(70_000)];
      expect(await at.reach.put(path, bytes, 0o640)).toEqual({ ok: true, value: undefined });
      const back = await at.reach.get(path);
      expect(back.ok && back.value.equals(bytes)).toBe(true);
      expect((await hear(['stat', '-c', '%a', path])).text).toBe('640\n');
    });

    test('an empty one, and an old one that is replaced', async () => {
      const path = fresh();
      for (const bytes of [Buffer.from('old'), Buffer.alloc(0), Buffer.from('new')]) {
        expect(await at.reach.put(path, bytes, 0o4755)).toMatchObject({ ok: true });
        expect(await at.reach.get(path)).toEqual({ ok: true, value: bytes });
      }
      expect((await hear(['stat', '-c', '%a', path])).text).toBe('4755\n');
    });

    test('nothing else is left behind', async () => {
      const inside = fresh();
      await hear(['mkdir', inside]);
      await at.reach.put(`${inside}/file`, Buffer.from('x'), 0o600);
      await at.reach.put(inside, Buffer.from('x'), 0o600);
      await at.reach.put(`${inside}/none/file`, Buffer.from('x'), 0o600);
      expect((await hear(['ls', '-A', inside])).text).toBe('file\n');
    });

    test('no file, no folder for it, a folder, a relative path: refused', async () => {
      const failed = (why: RegExp): object => ({
        ok: false,
        error: { code: 'file_failed', message: containing(why) },
      });
      const bytes = Buffer.from('x');
      expect(await at.reach.get(`${at.folder}/none`)).toMatchObject(
        failed(/No such file|no such file|cannot open|can't open/),
      );
      expect(await at.reach.put(`${at.folder}/none/file`, bytes, 0o600)).toMatchObject(
        failed(/o such file|cannot create|can't create|nonexistent/),
      );
      expect(await at.reach.get(at.folder)).toMatchObject(failed(/is a folder/));
      expect(await at.reach.put(at.folder, bytes, 0o600)).toMatchObject(failed(/is a folder/));
      expect(await at.reach.put(`${at.folder}/none/`, bytes, 0o600)).toMatchObject(failed(/names a folder/));
      expect(await at.reach.put('relative', bytes, 0o600)).toMatchObject(failed(/not absolute/));
      expect(await at.reach.get('relative')).toMatchObject(failed(/not absolute/));
    });

    test('a full disk leaves the old one whole', async ({ skip }) => {
      const disk = fresh();
      await hear(['mkdir', disk]);
      const mounted = await hear(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'hauki', disk]);
      if (mounted.ended?.code !== 0) skip(`needs root: no tmpfs can be mounted (${mounted.errors.trim()})`);
      try {
        const old = randomBytes(100_000);
        expect(await at.reach.put(`${disk}/file`, old, 0o600)).toMatchObject({ ok: true });
        const refused = await at.reach.put(`${disk}/file`, randomBytes(400_000), 0o600);
        expect(refused).toMatchObject({
          ok: false,
          error: { code: 'file_failed', message: containing(/space/) },
        });
        expect(await at.reach.get(`${disk}/file`)).toEqual({ ok: true, value: old });
        expect((await hear(['ls', '-A', disk])).text).toBe('file\n');
      } finally {
        await hear(['umount', disk]);
      }
    });
  });
}
