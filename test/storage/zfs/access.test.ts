import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { expect, onTestFinished, test, vi } from 'vitest';

import { zfsStorage } from '../../../src/storage/zfs/zfs.ts';
import { needs } from '../../needs.ts';
import { temporaryFolder } from '../real/ground.ts';

needs('root').describe('as root', () => {
  test('that channel programs did not work once is not held against a pool', async () => {
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    onTestFinished(() => void vi.unstubAllEnvs());
    const [zfs, programs] = [join(folder.path, 'zfs'), join(folder.path, 'programs')];
    writeFileSync(zfs, `#!/bin/sh\n[ "$1" = program ] && cat >>${programs} && echo >>${programs}\nexit 1\n`);
    chmodSync(zfs, 0o755);
    writeFileSync(programs, '');
    vi.stubEnv('PATH', `${folder.path}${delimiter}${process.env['PATH']}`);
    const storage = zfsStorage({ home: join(folder.path, 'home') });
    const plan = () => storage.plan({ dataset: 'tank/a', driver: 'zfs', name: 'tank/a@PRE_x', guid: '1' });
    for (const times of [1, 2]) {
      expect(await plan()).toMatchObject({ ok: false });
      expect(readFileSync(programs, 'utf8').match(/return zfs\.sync\.snapshot ~= nil/g)).toHaveLength(times);
    }
  });
});
