import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { needs } from '../needs.ts';
import { buildExecutable } from './executable.ts';
import { place, ROOT } from './place.ts';

/* The Debian package: what is in it, that it runs, and what dpkg makes of it in an empty root. Under systemd it is tried in the lab. */

const ARCHITECTURE = process.arch === 'x64' ? 'amd64' : process.arch;
const DEB = join(ROOT, `exe/hauki_${manifest.version}-1_${ARCHITECTURE}.deb`);

let folder: string;
/** The package, unpacked. */
let tree: string;

function run(program: string, ...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 1e8 });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

function succeed(program: string, ...args: readonly string[]): string {
  const { code, stdout, stderr } = run(program, ...args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

needs('executable', 'dpkg-deb', 'root').describe('the Debian package', () => {
  beforeAll(() => {
    buildExecutable();
    succeed('flock', join(ROOT, 'tools/bun/package.json'), process.execPath, join(ROOT, 'scripts/build-deb.mjs'));
    folder = mkdtempSync(join(tmpdir(), 'hauki-deb-'));
    tree = join(folder, 'tree');
    succeed('dpkg-deb', '--raw-extract', DEB, tree);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is root’s alone to change, and lists its settings and its sums', () => {
    const listed = succeed('dpkg-deb', '--contents', DEB).trim().split('\n');
    expect(listed.filter((line) => !/^(l|[d-]rw.r-.r-.) root\/root /.test(line) && !line.startsWith('l'))).toEqual([]);
    expect(readFileSync(join(tree, 'DEBIAN/conffiles'), 'utf8')).toBe(
      '/etc/default/hauki-controller\n/etc/default/hauki-node\n',
    );
    const sums = spawnSync('md5sum', ['--check', '--quiet', 'DEBIAN/md5sums'], { cwd: tree, encoding: 'utf8' });
    expect([sums.status, sums.stdout]).toEqual([0, '']);
  });

  test('has both units, which run what is in it with the options of its files', () => {
    const units = join(tree, 'usr/lib/systemd/system');
    expect(readdirSync(units).toSorted()).toEqual(['hauki-controller.service', 'shadow-writer.service']);
    for (const name of readdirSync(units)) {
      const text = readFileSync(join(units, name), 'utf8');
      const [, program = ''] = /^ExecStart=(\S+) .*\$HAUKI_OPTIONS$/m.exec(text) ?? [];
      expect(existsSync(join(tree, program)) && program !== '').toBe(true);
      const [, settings = ''] = /^EnvironmentFile=-(.*)$/m.exec(text) ?? [];
      expect(readFileSync(join(tree, settings), 'utf8')).toMatch(/^HAUKI_OPTIONS=""$/m);
    }
  });

  test('runs as a controller where there is a Node, and as the executable where there is none or an old one', async () => {
    const lib = join(tree, 'usr/lib/hauki');
    const launcher = join(folder, 'hauki');
    const text = readFileSync(join(tree, 'usr/bin/hauki'), 'utf8').replace(/^lib=.*$/m, `lib=${lib}`);
    writeFileSync(launcher, text);
    chmodSync(launcher, 0o755);
    const own = place();
    const withNode = { program: launcher, env: { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` } };
    expect((await own.guard('echo two > config', [], withNode)).code).toBe(0);
    expect((await own.guard('rm config; exit 3', [], withNode)).code).toBe(3);
    expect(readFileSync(join(own.site, 'config'), 'utf8')).toBe('two\n');

    // Nothing but a shell, and then a Node too old besides.
    const path = join(folder, 'bin');
    mkdirSync(path);
    symlinkSync('/bin/sh', join(path, 'sh'));
    const without = { program: launcher, env: { PATH: path } };
    expect((await own.run(['--version'], without)).stdout).toBe(`${manifest.version}\n`);
    expect((await own.run(['doctor'], without)).stderr).toContain('native_missing');
    writeFileSync(join(path, 'node'), '#!/bin/sh\necho v18.20.4\n', { mode: 0o755 });
    expect((await own.run(['doctor'], without)).stderr).toContain('native_missing');
    // What it would bring to a container.
    expect(succeed(join(lib, `exe/hauki-linux-${process.arch}`), '--version')).toBe(`${manifest.version}\n`);
  });

  test('is installed, upgraded, removed and purged; settings outlive an upgrade, data all of it', () => {
    const root = join(folder, 'root');
    const admin = join(root, 'var/lib/dpkg');
    for (const name of ['info', 'updates', 'triggers']) mkdirSync(join(admin, name), { recursive: true });
    for (const name of ['status', 'available']) writeFileSync(join(admin, name), '');
    const forced = ['--force-depends', '--force-script-chrootless', '--force-confdef', '--log=/dev/null'];
    const dpkg = (...args: readonly string[]): string => {
      const { code, stdout, stderr } = run('dpkg', `--root=${root}`, ...forced, ...args);
      expect([code, stderr]).toEqual([0, expect.anything()]);
      return stdout + stderr;
    };
    const settings = join(root, 'etc/default/hauki-controller');
    const wanted = join(root, 'etc/systemd/system/multi-user.target.wants/hauki-controller.service');

    dpkg('--install', DEB);
    expect(existsSync(dirname(wanted))).toBe(false);
    expect(existsSync(join(root, 'var/lib/hauki'))).toBe(false);

    // What an administrator and a controller leave.
    writeFileSync(settings, 'HAUKI_OPTIONS="--port 7000"\n');
    mkdirSync(dirname(wanted), { recursive: true });
    symlinkSync('/nonexistent/hauki-controller.service', wanted);
    mkdirSync(join(root, 'var/lib/hauki/ledger'), { recursive: true });

    const control = join(tree, 'DEBIAN/control');
    writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, '$&.1'));
    appendFileSync(join(tree, 'DEBIAN/postinst'), `echo "upgraded from $2"\n`);
    const newer = join(folder, 'newer.deb');
    succeed('dpkg-deb', '--root-owner-group', '-Znone', '--build', tree, newer);
    expect(dpkg('--install', newer)).toContain(`upgraded from ${manifest.version}-1`);
    expect(readFileSync(settings, 'utf8')).toContain('7000');

    dpkg('--remove', 'hauki');
    expect([existsSync(settings), existsSync(wanted) || existsSync(join(root, 'usr/lib/hauki'))]).toEqual([
      true,
      false,
    ]);

    expect(dpkg('--purge', 'hauki')).toContain('hauki: /var/lib/hauki stays');
    const left = readdirSync(root, { recursive: true, encoding: 'utf8' });
    expect(left.filter((path) => path.includes('hauki'))).toEqual(['var/lib/hauki', 'var/lib/hauki/ledger']);
  });
});
