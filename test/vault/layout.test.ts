import { mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { layOut } from '../../src/vault/layout.ts';
import { mountAt } from '../../src/vault/mounted.ts';
import { needs } from '../needs.ts';
import { smallDisk } from '../small-disk.ts';

needs('root').describe('the folders of a node in a vault', () => {
  const mount = smallDisk(2 * 1024 * 1024);
  const device = (): string => mountAt(mount)?.device ?? '';

  test('are made, and found there again', async () => {
    await layOut(mount, device(), 'crm');
    await layOut(mount, device(), 'crm');
    expect(readdirSync(join(mount, 'nodes/crm')).toSorted()).toEqual(['claimed', 'denied', 'done', 'failed', 'inbox']);
  });

  test.each(['nodes', 'nodes/crm', 'nodes/crm/inbox', 'nodes/crm/denied'])(
    'are not gone into where somebody put a link in the place of %s',
    async (which) => {
      await layOut(mount, device(), 'crm');
      const elsewhere = join(mount, 'elsewhere');
      mkdirSync(elsewhere, { recursive: true });
      renameSync(join(mount, which), join(mount, 'aside'));
      symlinkSync(elsewhere, join(mount, which));
      await expect(layOut(mount, device(), 'crm')).rejects.toThrow(`${which} is no folder of the vault`);
      expect(readdirSync(elsewhere)).toEqual([]);
      renameSync(join(mount, which), join(mount, `link-${which.replaceAll('/', '-')}`));
      renameSync(join(mount, 'aside'), join(mount, which));
    },
  );
});
