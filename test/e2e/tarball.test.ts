import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import manifest from '../../package.json' with { type: 'json' };
import { needs } from '../needs.ts';
import { place, type RunOptions, ROOT } from './place.ts';

/* What `npm publish` would send, installed by npm where there is nothing but Node: no checkout, no cache, an empty HOME. */

let folder: string;
/** Files of the tarball. */
let packed: readonly string[];

/** As npm is told by this machine where its registry is; all else of the machine stays outside. */
function machineOfItsOwn(): NodeJS.ProcessEnv {
  const setting = (name: string): string => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim();
  const named = ['globalconfig', 'userconfig'].map((name) => [`npm_config_${name}`, setting(name)]);
  const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
  return { ...(Object.fromEntries(named) as NodeJS.ProcessEnv), HOME: join(folder, 'empty'), PATH: path };
}

/** A copy of this checkout as git has or would take it, ready to be built. @returns its folder */
function checkout(): string {
  const copy = join(folder, 'checkout');
  const git = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const files = execFileSync('git', git, { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of new Set(files)) cpSync(join(ROOT, file), join(copy, file), { recursive: true, force: true });
  // Link by link: should anything install in there, it replaces links, and not what we run on.
  const modules = join(copy, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  return copy;
}

needs('registry', 'git').describe('the npm package', () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hauki-tarball-'));
    mkdirSync(join(folder, 'empty'));
    const cwd = checkout();
    // With the hook that builds it anew.
    execFileSync('npm', ['pack', '--silent', '--pack-destination', folder], { cwd, stdio: 'pipe' });
    const tarball = join(folder, `hauki-${manifest.version}.tgz`);
    packed = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
    const install = ['install', '--global', '--prefix', join(folder, 'prefix'), '--no-audit', '--no-fund', tarball];
    execFileSync('npm', install, { cwd: folder, env: machineOfItsOwn(), stdio: 'pipe' });
  }, 240_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  test('has what runs and what is read, and nothing else', () => {
    expect(packed).toEqual(expect.arrayContaining(['package/dist/hauki.cjs', 'package/dist/types/bin/library.d.ts']));
    expect(packed).toContain('package/dist/NOTICES.txt');
    expect(packed).toEqual(expect.arrayContaining(['package/docs/install.md', 'package/README.md', 'package/LICENSE']));
    expect(packed.filter((path) => /^package\/(src|test|scripts|lab|exe|node_modules)\//.test(path))).toEqual([]);
    expect(packed.filter((path) => /\.(tsx?|map)$/.test(path) && !path.endsWith('.d.ts'))).toEqual([]);
  });

  test('brings its two native packages and what they need, no more', () => {
    const modules = join(folder, 'prefix/lib/node_modules/hauki/node_modules');
    const installed = readdirSync(modules).filter((name) => !name.startsWith('.'));
    expect(installed).toEqual(expect.arrayContaining(['@photostructure', 'koffi']));
    expect(installed.filter((name) => name in manifest.devDependencies)).toEqual([]);
    expect(installed.length).toBeLessThan(10);
  });

  test('runs: it guards, undoes what fails, and proves its ledger', async () => {
    const own = place();
    const options: RunOptions = {
      program: join(folder, 'prefix/bin/hauki'),
      env: { HOME: join(folder, 'empty'), PATH: `${dirname(process.execPath)}:/usr/bin:/bin` },
    };
    expect((await own.run(['--version'], options)).stdout).toBe(`${manifest.version}\n`);
    const worked = await own.guard('echo two > config', [], options);
    expect([worked.code, worked.stderr]).toEqual([0, expect.stringContaining('Lock secured.')]);
    expect((await own.guard('rm config; exit 3', [], options)).code).toBe(3);
    expect(readFileSync(join(own.site, 'config'), 'utf8')).toBe('two\n');
    expect((await own.run(['audit', 'verify'], options)).code).toBe(0);
  });
});
