import { spawnSync } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';

import { vaultRemount, vaultUnmount } from '../../src/bin/commands/vault-mounted.ts';
import { takeMount } from '../../src/vault/lock.ts';
import { mountAt } from '../../src/vault/mounted.ts';
import { orThrow } from '../../src/vault/vault.ts';
import { needs } from '../needs.ts';

needs('root').describe('what is mounted and is no vault', () => {
  let mount = '';
  beforeEach(() => {
    mount = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-mounted-')));
    vi.stubEnv('HAUKI_NODE_HOME', mount);
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    spawnSync('umount', [mount]);
    rmSync(mount, { recursive: true });
  });

  test.each([false, true])('is not taken off, whoever looks after the folder; force: %s', async (force) => {
    if (spawnSync('mount', ['-t', 'tmpfs', 'hauki-test', mount]).status !== 0) throw new Error('nothing is mounted');
    const refused = { refusal: { code: 'mount_point_unusable', message: expect.stringContaining('tmpfs') as string } };
    await expect(vaultUnmount({ mount, force })).rejects.toMatchObject(refused);
    const release = orThrow(await takeMount(mount, 'mount'));
    onTestFinished(release);
    await expect(vaultRemount({ mount, force })).rejects.toMatchObject(refused);
    expect(mountAt(mount)?.fsType).toBe('tmpfs');
  });
});
