import { expect, test } from 'vitest';

import { type Commands } from '../../../src/storage/zfs/command.ts';
import { lacking } from '../../../src/storage/zfs/delegation.ts';
import { temporaryFolder } from '../real/ground.ts';

const ran = (stdout: string, code = 0) =>
  Promise.resolve({ code, stdout: Buffer.from(stdout), stderr: Buffer.alloc(0) });

/** A host on which nobody was allowed anything, and no pool has hauki's own dataset. @param mounted dataset → mount point */
function host(mounted: Readonly<Record<string, string>>): Commands {
  const rows = Object.entries(mounted).map(([name, path]) => `${name}\tyes\t${path}\n`);
  return {
    zfs: (args: readonly string[]) => {
      if (args.includes('filesystem')) return ran(rows.join(''));
      return args[0] === 'list' ? ran('', 1) : ran('');
    },
    groups: () => ran('users\n'),
  } as unknown as Commands;
}

test('rights are asked for only in pools in which this user has something to guard', async () => {
  const own = temporaryFolder();
  const limits = await lacking(host({ 'tank/alice': own.path, 'lxd/containers': '/nowhere/at/all' }));
  const fixes = limits.map(({ fix }) => fix).join('\n');
  expect(fixes).toMatch(/zfs create \S+ \S+ \S+ \S+ tank\/\.hauki && zfs allow \S+ \S+ tank\/\.hauki$/m);
  expect(fixes).toMatch(/^As root: zfs allow \S+ \S+ tank\/alice$/m);
  expect(fixes).toContain('^mount tank/\\.hauki/');
  expect(fixes).not.toContain('lxd');
  own.remove();
});

test('who has none is told how to get one, and is allowed nothing elsewhere', async () => {
  const limits = await lacking(host({ 'lxd/containers': '/nowhere/at/all' }));
  expect(limits).toHaveLength(1);
  expect(limits[0]?.fix).toMatch(/^As root: zfs create POOL\/\S+ && chown /);
});
