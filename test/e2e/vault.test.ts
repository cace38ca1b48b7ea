import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { openPlace, place } from './place.ts';
import { KEY, vaultIn } from './vaults.ts';

/* `hauki vault` with real gocryptfs on real mounts. */

needs('gocryptfs').describe('hauki vault', () => {
  test('init makes a vault and a key, shows the recovery key once, and never overwrites', async () => {
    const own = place();
    const vault = await vaultIn(own, { made: false });
    const keyFile = join(own.folder, 'made.key');
    const init = ['vault', 'init', '--cipher', vault.cipher, '--key-file', keyFile];
    const first = await own.run(init, { env: vault.env });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/recovery key {2}([0-9a-f]{8}-){7}[0-9a-f]{8}\n[^]*shown this once/);
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    const key = readFileSync(keyFile, 'utf8');
    expect(key).toMatch(/^[\w-]{43}\n$/);
    expect(first.stdout).not.toContain(key.trim());
    const config = readFileSync(join(vault.cipher, 'gocryptfs.conf'), 'utf8');
    const second = await own.run([...init, '--json'], { env: vault.env });
    expect(second.code).toBe(75);
    expect(JSON.parse(second.stdout)).toMatchObject({ status: 'denied', code: 'vault_present' });
    const elsewhere = await vault.run('init', ['--cipher', own.site]);
    expect(elsewhere).toMatchObject({ code: 75, stderr: expect.stringContaining('is not empty') as string });
    expect(readFileSync(join(vault.cipher, 'gocryptfs.conf'), 'utf8')).toBe(config);
    const json = await vault.run('init', ['--cipher', join(own.folder, 'other'), '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ status: 'ready', keyMade: false });
  });

  test('mount lays out the nodes, holds ciphertext only, and leaves a bare folder that nobody may use', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const kept = await vault.keep(['--node', 'crm', '--node', 'billing']);
    expect(readdirSync(vault.at('nodes')).toSorted()).toEqual(['billing', 'crm']);
    expect(readdirSync(vault.at('nodes', 'crm')).toSorted()).toEqual(['claimed', 'denied', 'done', 'failed', 'inbox']);
    const names = ['third_strike.task', '🦈 𝓽𝓪𝓼𝓴 with blanks', 'ä'.repeat(127), 'x'.repeat(255), 'quote\'"\n\\'];
    for (const name of names) writeFileSync(vault.at('nodes', 'crm', 'inbox', name), `of ${name}`);
    expect(() => writeFileSync(vault.at('n'.repeat(300)), '')).toThrow(/ENAMETOOLONG/);
    expect(JSON.parse((await vault.run('status', ['--json'])).stdout)).toMatchObject({
      state: 'alive',
      cipher: vault.cipher,
      keeper: { pid: kept.pid, kind: 'mount' },
    });
    kept.child.kill('SIGINT');
    expect(await kept.done).toMatchObject({ code: 0, stderr: '' });
    expect([vault.isMounted(), vault.servers()]).toEqual([false, []]);
    expect(statSync(vault.mount).mode & 0o777).toBe(0);
    expect(readdirSync(vault.mount)).toEqual([]);
    expect((await vault.run('status')).code).toBe(75);
    const below = readdirSync(vault.cipher, { recursive: true }).map(String);
    expect(below.filter((path) => /crm|inbox|strike|nodes/.test(path))).toEqual([]);
    const again = await vault.keep();
    expect(readdirSync(vault.at('nodes', 'crm', 'inbox')).toSorted()).toEqual(names.toSorted());
    for (const name of names) expect(readFileSync(vault.at('nodes', 'crm', 'inbox', name), 'utf8')).toBe(`of ${name}`);
    again.child.kill('SIGTERM');
    expect((await again.done).code).toBe(0);
  });

  test('what kills gocryptfs is noticed, and it is mounted again', async () => {
    const vault = await vaultIn(place());
    const kept = await vault.keep();
    for (let kill = 1; kill <= 3; kill += 1) {
      writeFileSync(vault.at(`file ${kill}`), 'whole');
      const [server = 0] = vault.servers();
      process.kill(server, 'SIGKILL');
      await until(() => vault.isMounted() && vault.servers().some((pid) => pid !== server), 'it is mounted again');
      await until(() => existsSync(vault.at(`file ${kill}`)), 'and what was in it is there');
    }
    // One that is killed while hauki still looks whether it answers "was ended by a signal".
    const told = (): number | undefined => kept.stderr().match(/was ended by (SIGKILL|a signal)/g)?.length;
    await until(() => told() === 3, 'each death is told');
    kept.child.kill('SIGINT');
    expect((await kept.done).code).toBe(0);
    expect(vault.isMounted()).toBe(false);
  });

  test('a killed hauki leaves a mount that status tells of, and that the next one takes over', async () => {
    const vault = await vaultIn(place());
    const first = await vault.keep();
    writeFileSync(vault.at('kept'), 'x');
    first.child.kill('SIGKILL');
    await first.done;
    expect((await vault.run('status')).stdout).toContain('mounted; nobody looks after it');
    const second = await vault.keep();
    expect(second.stderr()).toContain('was left mounted by an earlier run');
    await until(() => vault.servers().length === 1, 'the one before has ended');
    expect(readFileSync(vault.at('kept'), 'utf8')).toBe('x');
    // And with everything killed at once, nothing answers there until the next start.
    const [server = 0] = vault.servers();
    second.child.kill('SIGKILL');
    process.kill(server, 'SIGKILL');
    await second.done;
    await until(() => vault.servers().length === 0, 'nobody serves it');
    expect((await vault.run('status')).stdout).toContain('dead');
    const third = await vault.keep();
    expect(readFileSync(vault.at('kept'), 'utf8')).toBe('x');
    expect((await vault.run('unmount')).code).toBe(0);
    expect((await third.done).code).toBe(0);
  });

  test('one that is in use is not unmounted at once, and who uses it is named', async () => {
    const vault = await vaultIn(place());
    const kept = await vault.keep();
    const user = spawn('sleep', ['1000'], { cwd: vault.mount, stdio: 'ignore' });
    onTestFinished(() => void user.kill('SIGKILL'));
    const denied = await vault.run('unmount', ['--json']);
    expect([denied.code, JSON.parse(denied.stdout)]).toMatchObject([75, { code: 'vault_in_use' }]);
    expect(denied.stdout).toContain(`process ${user.pid} (sleep)`);
    kept.child.kill('SIGINT');
    await until(() => kept.stderr().includes('vault_in_use'), 'it says so');
    expect(kept.stderr()).toContain(`process ${user.pid} (sleep)`);
    writeFileSync(vault.at('still'), 'there');
    kept.child.kill('SIGINT');
    expect((await kept.done).code).toBe(0);
    expect(vault.isMounted()).toBe(false);
  });

  test('what stands in the way of a mount is named, and nothing is left mounted', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const wrong = join(own.folder, 'wrong.key');
    writeFileSync(wrong, 'wrong\n', { mode: 0o600 });
    const file = join(own.folder, 'file');
    writeFileSync(file, '');
    const empty = join(own.folder, 'empty');
    for (const folder of [empty, own.site]) {
      mkdirSync(folder, { recursive: true });
      chmodSync(folder, 0o755);
    }
    const cases: [string[], number, RegExp][] = [
      [['--key-file', wrong], 75, /vault_key_wrong/],
      [['--key-file', wrong, '--mount', empty], 75, /vault_key_wrong/],
      [['--key-file', join(own.folder, 'none.key')], 64, /usage/],
      [['--cipher', join(own.folder, 'none')], 75, /cipher folder .*none.*vault_missing/],
      [['--cipher', own.site], 75, /holds no vault.*vault_missing/],
      [['--mount', own.site], 75, /is not empty \(".*mount_point_unusable/],
      [['--mount', file], 75, /no folder.*mount_point_unusable/],
      [['--mount', join(own.folder, 'no/such')], 75, /ENOENT.*mount_point_unusable/],
      [['--mount', join(vault.cipher, 'inside')], 75, /lies in the cipher folder.*mount_point_unusable/],
      [['--mount', '/proc'], 75, /Something else \(proc\) is mounted on \/proc.*mount_point_unusable/],
      [['--credential', 'vault'], 64, /two keys/],
      [['--node', 'a/b'], 64, /node_invalid/],
    ];
    for (const [more, code, words] of cases) {
      const outcome = await vault.run('mount', more);
      expect([outcome.code, outcome.stderr]).toEqual([code, expect.stringMatching(words)]);
    }
    expect([empty, own.site].map((folder) => statSync(folder).mode & 0o777)).toEqual([0o755, 0o755]);
    chmodSync(vault.keyFile, 0o644);
    expect((await vault.run('mount')).stderr).toMatch(/others may read it/);
    expect([vault.isMounted(), vault.servers()]).toEqual([false, []]);
    const unasked = await own.run(['vault', 'mount', '--cipher', vault.cipher, '--mount', vault.mount], {
      env: vault.env,
    });
    expect(unasked).toMatchObject({ code: 64, stderr: expect.stringContaining('no terminal to ask at') as string });
  });

  test('a mount has one keeper; a vault may have many mounts, and they see one another', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const kept = await vault.keep();
    const twice = await vault.run('mount');
    expect(twice).toMatchObject({
      code: 75,
      stderr: expect.stringMatching(/Process \d+ looks after.*vault_in_use/) as string,
    });
    const link = join(own.folder, 'link');
    symlinkSync(own.folder, link);
    expect((await vault.run('mount', ['--mount', join(link, 'vault')])).stderr).toContain(`Process ${kept.pid}`);
    // With everything in its name that a table of mounts has to write in another way.
    const other = await vaultIn(own, { made: false, name: 'an other\n\\ \t🦈, two' });
    const second = await other.keep();
    for (let round = 0; round < 20; round += 1) {
      const [from, to] = round % 2 === 0 ? [vault, other] : [other, vault];
      writeFileSync(from.at('.heartbeat.json.new'), `${'x'.repeat(round * 700)}${round}`);
      renameSync(from.at('.heartbeat.json.new'), from.at('heartbeat.json'));
      expect(readFileSync(to.at('heartbeat.json'), 'utf8')).toBe(`${'x'.repeat(round * 700)}${round}`);
    }
    for (const one of [kept, second]) one.child.kill('SIGTERM');
    expect([(await kept.done).code, (await second.done).code]).toEqual([0, 0]);
  });

  test('is written to in the bare folder by nobody in silence', async () => {
    const vault = await vaultIn(place());
    const kept = await vault.keep(['--node', 'crm']);
    kept.child.kill('SIGINT');
    await kept.done;
    // The folders of a node are in the vault alone.
    expect(() => writeFileSync(vault.at('nodes', 'crm', 'inbox', 'x.task'), '')).toThrow(/ENOENT|EACCES/);
    if (process.getuid?.() !== 0) return;
    // Root can, if it goes to some length; then it is told.
    mkdirSync(vault.at('nodes'));
    expect((await vault.run('status')).stdout).toContain('in the clear: nodes');
    expect((await vault.run('mount')).stderr).toMatch(/is not empty \("nodes"\).*mount_point_unusable/);
    rmSync(vault.at('nodes'), { recursive: true });
    const again = await vault.keep();
    again.child.kill('SIGINT');
    await again.done;
  });
});

needs('gocryptfs').describe('the key of a vault', () => {
  /** Programs that write down how they were called, and with which environment, before they run. */
  function watched(folder: string): { readonly path: string; readonly seen: () => string } {
    const bin = join(folder, 'bin');
    const log = join(folder, 'seen');
    mkdirSync(bin);
    for (const name of ['gocryptfs', 'gocryptfs-xray', 'fusermount3', 'fusermount', 'stat', 'sshfs'])
      writeFileSync(
        join(bin, name),
        `#!/bin/sh\n{ echo "$0 $*"; tr '\\0' '\\n' < /proc/$$/environ; } >> '${log}'\nexec "/usr/bin/${name}" "$@"\n`,
        { mode: 0o755 },
      );
    return { path: `${bin}:${process.env['PATH']}`, seen: () => readFileSync(log, 'utf8') };
  }

  test('is on no command line, in no environment, no log, and on the disk where it was put alone', async () => {
    const own = place();
    const vault = await vaultIn(own, { made: false });
    const { path, seen } = watched(own.folder);
    const env = { PATH: path, OTHER_SECRET: 'not for children' };
    const init = await vault.run('init', [], { env });
    const recovery = /recovery key {2}(\S+)/.exec(init.stdout)?.[1] ?? '';
    const kept = await vault.keep(['--node', 'crm'], { env });
    expect((await vault.run('rotate', [], { env })).code).toBe(0);
    const rotated = readFileSync(vault.keyFile, 'utf8').trim();
    process.kill(vault.servers()[0] ?? 0, 'SIGKILL');
    await until(() => vault.servers().length === 1 && vault.isMounted(), 'it is mounted with the new key');
    expect((await vault.run('fsck', [], { env })).code).toBe(0);
    kept.child.kill('SIGINT');
    expect((await kept.done).code).toBe(0);
    expect(seen()).toMatch(
      /gocryptfs -init[^]*gocryptfs-xray[^]*gocryptfs -fg[^]*gocryptfs -passwd[^]*gocryptfs -fsck/,
    );
    expect(seen()).not.toContain('OTHER_SECRET');
    const secrets = [KEY, rotated, recovery, recovery.replaceAll('-', '')];
    const files = readdirSync(own.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const entry of files) {
      const file = join(entry.parentPath, entry.name);
      const text = readFileSync(file, 'latin1');
      const found = secrets.filter((secret) => text.includes(Buffer.from(secret).toString('latin1')));
      expect([file, found]).toEqual([file, file === vault.keyFile ? [rotated] : []]);
    }
  });

  test('comes as a credential of systemd, or from the terminal, unseen', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const credentials = join(own.folder, 'credentials');
    mkdirSync(credentials);
    // As systemd has them where an ACL lets the service's user in.
    writeFileSync(join(credentials, 'vault'), KEY, { mode: 0o440 });
    const base = ['vault', 'fsck', '--cipher', vault.cipher];
    const env = { ...vault.env, CREDENTIALS_DIRECTORY: credentials };
    expect((await own.run([...base, '--credential', 'vault'], { env })).code).toBe(0);
    expect((await own.run([...base, '--credential', '../vault.key'], { env })).code).toBe(64);
    expect((await own.run([...base, '--credential', 'vault'], { env: vault.env })).stderr).toContain(
      'CREDENTIALS_DIRECTORY is not set',
    );
  });
});

needs('gocryptfs', 'script').describe('the key of a vault at a terminal', () => {
  test('is asked for, and not shown', async () => {
    const own = place();
    const vault = await vaultIn(own);
    const line = `exec '${join(import.meta.dirname, '../../hauki')}' vault fsck --cipher '${vault.cipher}'`;
    const asked = own.start(['-qec', line, '/dev/null'], { program: 'script', input: 'open', env: vault.env });
    await until(() => asked.stdout().includes('Key of the vault: '), 'it asks');
    asked.child.stdin?.write(`x\u007f${KEY}\r`);
    const { code, stdout } = await asked.done;
    expect([code, stdout]).toEqual([0, expect.stringContaining('can be read')]);
    expect(stdout).not.toContain('horse');
  });
});

describe('without gocryptfs', () => {
  test('what to install is said', async () => {
    const own = openPlace();
    onTestFinished(own.close);
    const bin = join(own.folder, 'bin');
    mkdirSync(bin);
    for (const name of ['sh', 'readlink', 'dirname', 'env', 'uname'])
      symlinkSync(['/usr/bin', '/bin'].map((dir) => join(dir, name)).find(existsSync) ?? '', join(bin, name));
    symlinkSync(process.execPath, join(bin, 'node'));
    const keyFile = join(own.folder, 'key');
    const { code, stderr } = await own.run(
      ['vault', 'init', '--cipher', join(own.folder, 'c'), '--key-file', keyFile],
      { env: { PATH: bin, HAUKI_NODE_HOME: join(own.folder, 'node') } },
    );
    expect([code, stderr]).toEqual([
      75,
      expect.stringMatching(/gocryptfs is not installed[^]*apt-get install gocryptfs/),
    ]);
  });
});
