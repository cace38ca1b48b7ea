import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { checkVault, initVault } from '../../src/vault/gocryptfs.ts';
import { orThrow } from '../../src/vault/vault.ts';
import { needs } from '../needs.ts';

needs('gocryptfs').describe('checks of vaults', () => {
  test(
    'that go on at once leave each other alone, and clear away what a killed one left',
    { timeout: 60_000 },
    async () => {
      const home = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-checks-')));
      onTestFinished(() => rmSync(home, { recursive: true }));
      const folder = join(home, 'fsck');
      const ended = spawnSync('true').pid;
      for (const left of [`fsck-${ended}-left`, 'fsck-before']) {
        mkdirSync(join(folder, left, 'gocryptfs.fsck.left'), { recursive: true });
        writeFileSync(join(folder, left, 'output'), '');
      }
      const another = `fsck-${process.ppid}-another`;
      mkdirSync(join(folder, another));
      const ciphers = [join(home, 'a'), join(home, 'b')];
      for (const cipher of ciphers) orThrow(await initVault(cipher, 'key'));
      const checks = ciphers.map(async (cipher, index) => {
        await new Promise((resolve) => setTimeout(resolve, index * 300));
        return checkVault(cipher, { key: 'key' }, folder);
      });
      for (const report of await Promise.all(checks))
        expect(report).toMatchObject({ ok: true, value: { healthy: true } });
      expect(readdirSync(folder)).toEqual([another]);
    },
  );
});
