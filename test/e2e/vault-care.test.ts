import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { place } from './place.ts';
import { KEY, vaultIn } from './vaults.ts';

/* Keys that change, disks that rot or fill up, snapshots that come back. */

needs('gocryptfs').describe('rotate', () => {
  test('puts a new key in the place of the old one; killed in between, it is ended by the next call', async () => {
    const own = place();
    const vault = await vaultIn(own);
    expect((await vault.run('rotate')).stdout).toContain(`The new key in ${vault.keyFile} opens`);
    const second = readFileSync(vault.keyFile, 'utf8');
    expect(second).not.toContain(KEY);
    expect((await vault.run('fsck')).code).toBe(0);
    // Killed after the vault knew the new key, before the file was put in place.
    writeFileSync(join(own.folder, 'old'), second, { mode: 0o600 });
    expect((await vault.run('rotate')).code).toBe(0);
    renameSync(vault.keyFile, `${vault.keyFile}.new`);
    renameSync(join(own.folder, 'old'), vault.keyFile);
    expect((await vault.run('fsck')).stderr).toContain('vault_key_wrong');
    const third = readFileSync(`${vault.keyFile}.new`, 'utf8');
    expect((await vault.run('rotate')).code).toBe(0);
    expect([readFileSync(vault.keyFile, 'utf8'), existsSync(`${vault.keyFile}.new`)]).toEqual([third, false]);
    // Killed before the vault knew it.
    writeFileSync(`${vault.keyFile}.new`, 'not yet\n', { mode: 0o600 });
    expect((await vault.run('rotate')).code).toBe(0);
    expect(readFileSync(vault.keyFile, 'utf8')).toBe('not yet\n');
    expect((await vault.run('fsck')).code).toBe(0);
    const wrong = join(own.folder, 'wrong');
    writeFileSync(wrong, 'wrong\n', { mode: 0o600 });
    const made = join(own.folder, 'made');
    const refused = await vault.run('rotate', ['--key-file', wrong, '--new-key-file', made]);
    expect([refused.code, existsSync(made)]).toEqual([75, false]);
    expect(readdirSync(vault.cipher).toSorted()).toEqual(['gocryptfs.conf', 'gocryptfs.diriv']);
  });

  test('by the recovery key, when the key is lost, and never by a wrong one', async () => {
    const own = place();
    const vault = await vaultIn(own, { made: false });
    const { recoveryKey } = JSON.parse((await vault.run('init', ['--json'])).stdout) as { recoveryKey: string };
    const recovery = join(own.folder, 'recovery');
    const again = ['--recovery-key-file', recovery, '--new-key-file', join(own.folder, 'new.key')];
    writeFileSync(recovery, recoveryKey, { mode: 0o600 });
    expect((await vault.run('rotate', again)).stderr).toContain('nothing can tell whether');
    const kept = await vault.keep();
    writeFileSync(vault.at('precious'), 'x');
    kept.child.kill('SIGINT');
    await kept.done;
    const config = readFileSync(join(vault.cipher, 'gocryptfs.conf'), 'utf8');
    for (const wrong of [recoveryKey.replaceAll(/[0-9]/g, '7'), 'short', KEY]) {
      writeFileSync(recovery, wrong, { mode: 0o600 });
      const refused = await vault.run('rotate', again);
      expect([refused.code, refused.stderr]).toEqual([75, expect.stringContaining('vault_key_wrong')]);
    }
    expect(readFileSync(join(vault.cipher, 'gocryptfs.conf'), 'utf8')).toBe(config);
    writeFileSync(recovery, recoveryKey, { mode: 0o600 });
    expect((await vault.run('rotate', again)).code).toBe(0);
    expect(readdirSync(vault.cipher).filter((name) => name.endsWith('.bak'))).toEqual([]);
    expect((await vault.run('fsck')).stderr).toContain('vault_key_wrong');
    expect((await vault.run('fsck', ['--key-file', join(own.folder, 'new.key')])).code).toBe(0);
  });
});

needs('gocryptfs').describe('the ciphertext', () => {
  test('that rotted is found by fsck and named, and everything else can be read', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const kept = await vault.keep(['--node', 'crm']);
    writeFileSync(vault.at('good'), 'good');
    const before = new Set(readdirSync(vault.cipher));
    writeFileSync(vault.at('bad 🦈'), 'bad'.repeat(5_000));
    const cipherFile = readdirSync(vault.cipher).find((name) => !before.has(name)) ?? '';
    kept.child.kill('SIGINT');
    await kept.done;
    expect((await vault.run('fsck')).stdout).toMatch(/^Everything in .* can be read\.\n$/);
    const bytes = readFileSync(join(vault.cipher, cipherFile));
    bytes.writeUInt8(bytes.readUInt8(9_000) ^ 1, 9_000);
    writeFileSync(join(vault.cipher, cipherFile), bytes);
    writeFileSync(join(vault.cipher, 'stranger'), '');
    const found = await vault.run('fsck');
    expect(found.code).toBe(1);
    expect(found.stdout).toMatch(/the file ".*" cannot be decrypted/);
    expect(found.stdout).toContain('the folder at the top has an entry whose name cannot be decrypted: "stranger"');
    const json = JSON.parse((await vault.run('fsck', ['--json'])).stdout) as { status: string; damaged: string[] };
    expect([json.status, json.damaged.length]).toEqual(['damaged', 2]);
    expect(readdirSync(join(own.folder, 'node/vault/fsck'))).toEqual([]);
    const again = await vault.keep();
    expect(readFileSync(vault.at('good'), 'utf8')).toBe('good');
    expect(() => readFileSync(vault.at('bad 🦈'))).toThrow(/EIO/);
    again.child.kill('SIGINT');
    await again.done;
  });

  test('comes back with a rollback, opens, and has lost nothing', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const kept = await vault.keep(['--node', 'crm']);
    for (let index = 0; index < 20; index += 1) writeFileSync(vault.at(`nodes/crm/inbox/${index}`), `task ${index}`);
    kept.child.kill('SIGINT');
    await kept.done;
    // Unmounted: the change mounts, destroys and unmounts.
    const guard = (line: string) =>
      own.run(['guard', '--intent', 'break it', '--path', vault.cipher, '--', 'sh', '-c', line]);
    expect((await guard(`rm -rf '${vault.cipher}'/* && echo x > '${vault.cipher}/gocryptfs.conf'; exit 3`)).code).toBe(
      3,
    );
    expect((await vault.run('fsck')).code).toBe(0);
    // Mounted: the change goes through the vault, and is undone below it.
    const second = await vault.keep();
    const inbox = vault.at('nodes/crm/inbox');
    const changed = await guard(`rm '${inbox}/0'; echo other > '${inbox}/1'; echo new > '${inbox}/new'; exit 4`);
    expect([changed.code, changed.stderr]).toEqual([4, expect.stringContaining('rolled back')]);
    expect((await vault.run('remount')).code).toBe(0);
    expect(readdirSync(inbox).toSorted()).toEqual(Array.from({ length: 20 }, (_, index) => String(index)).toSorted());
    for (let index = 0; index < 20; index += 1)
      expect(readFileSync(join(inbox, String(index)), 'utf8')).toBe(`task ${index}`);
    second.child.kill('SIGINT');
    await second.done;
    expect((await vault.run('fsck')).code).toBe(0);
  });
});

needs('gocryptfs', 'root').describe('a disk that is full', () => {
  test('is an error of who writes; the vault stays, and goes on when there is space', async () => {
    const own = place();
    const disk = join(own.folder, 'disk');
    mkdirSync(disk);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'hauki-test', disk]).status).toBe(0);
    onTestFinished(() => void spawnSync('umount', ['-l', disk]));
    const vault = await vaultIn(own, { cipher: join(disk, 'cipher') });
    const kept = await vault.keep(['--node', 'crm']);
    writeFileSync(vault.at('whole'), 'whole');
    expect(() => writeFileSync(vault.at('big'), Buffer.alloc(4_000_000))).toThrow(/ENOSPC/);
    // To the last page.
    const filler = join(disk, 'filler');
    expect(() => {
      for (;;) appendFileSync(filler, Buffer.alloc(4_096));
    }).toThrow(/ENOSPC/);
    expect((await vault.run('status')).code).toBe(0);
    const full = await vault.run('rotate');
    expect(readFileSync(vault.at('whole'), 'utf8')).toBe('whole');
    rmSync(filler);
    rmSync(vault.at('big'));
    writeFileSync(vault.at('more'), 'more');
    kept.child.kill('SIGINT');
    expect([(await kept.done).code, full.code]).toEqual([0, 75]);
    expect((await vault.run('fsck')).stdout).toMatch(/^Everything/);
    // The one that came to nothing is ended now.
    expect((await vault.run('rotate')).code).toBe(0);
    expect((await vault.run('fsck')).stdout).toMatch(/^Everything/);
  });
});
