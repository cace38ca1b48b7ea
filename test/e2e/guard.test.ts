import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { KeptList } from '../../src/wire/http.ts';
import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT, WRECK } from './place.ts';

/* The contract of `hauki guard`: what its exit code says, and what is true of the state then. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
});
afterAll(() => shared.close());
const place = (): Place => shared.another();

describe('a command that succeeds', () => {
  test('is committed: exit code 0, the change stays', async () => {
    const { site, guard, mutations } = place();
    const done = await guard('echo two > config');
    expect(done).toMatchObject({ code: 0, stdout: '' });
    expect(done.stderr).toMatch(/Lock secured\. Directory Snapshot '.*@PRE_.*' captured for '.*'\./);
    expect(readFileSync(join(site, 'config'), 'utf8')).toBe('two\n');
    expect((await mutations())[0]).toMatchObject({ stage: 'committed', intent: 'test', evidence: [] });
  });

  test('sees which mutation it works under', async () => {
    const { site, guard, show } = place();
    const { stdout } = await guard(
      'echo "$HAUKI_MUTATION"; echo "$HAUKI_FENCE"; echo "$HAUKI_SNAPSHOT"; echo "$HAUKI_INTENT"',
      ['--intent', 'a "quoted" intent'],
    );
    const [mutation = '', fence, snapshot, intent] = stdout.split('\n');
    expect(intent).toBe('a "quoted" intent');
    const detail = await show(mutation);
    expect(detail).toMatchObject({ stage: 'committed', fence: Number(fence), intent });
    expect(detail.snapshots).toMatchObject([{ name: snapshot, dataset: site }]);
  });

  test('finds the snapshot there before it begins', async () => {
    const { site, guard } = place();
    const { stdout } = await guard(`echo two > config; ${ROOT}/hauki snapshots --json`);
    const { kept } = JSON.parse(stdout) as KeptList;
    const own = kept.filter((one) => one.dataset === site);
    expect(own).toMatchObject([{ stage: 'cleared', intent: 'test' }]);
    expect(readFileSync(join(own[0]?.path ?? '', 'config'), 'utf8')).toBe('one\n');
  });
});

describe('a command that fails', () => {
  test('gives its own exit code, and the tree is byte for byte as before', async () => {
    const { site, guard, mutations } = place();
    const before = fingerprint(site);
    const done = await guard(`${WRECK}; exit 7`);
    expect(done.code).toBe(7);
    expect(fingerprint(site)).toBe(before);
    const [mutation] = await mutations();
    expect(mutation).toMatchObject({ stage: 'rolled_back', evidence: [{ dataset: site }] });
    expect(done.stderr).toContain(mutation?.evidence[0]?.path);
  });

  test('leaves its failed state as evidence, browsable', async () => {
    const { guard, mutations } = place();
    await guard(`${WRECK}; exit 1`);
    const [mutation] = await mutations();
    const evidence = mutation?.evidence[0]?.path ?? '';
    expect(readFileSync(join(evidence, 'config'), 'utf8')).toBe('two\n');
    expect(readFileSync(join(evidence, 'new'), 'utf8')).toBe('new\n');
    expect(existsSync(join(evidence, 'made/in'))).toBe(true);
    expect(existsSync(join(evidence, 'deep'))).toBe(false);
  });

  test.each([
    ['TERM', 143],
    ['KILL', 137],
    ['SEGV', 139],
    ['USR1', 138],
  ])('by SIG%s: 128+n, rolled back', async (signal, code) => {
    const { site, guard, mutations } = place();
    const before = fingerprint(site);
    expect(await guard(`${WRECK}; kill -${signal} $$`)).toMatchObject({ code, signal: null });
    expect(fingerprint(site)).toBe(before);
    expect((await mutations())[0]).toMatchObject({ stage: 'rolled_back' });
  });

  test('not found: 127', async () => {
    const { site, run, mutations } = place();
    const before = fingerprint(site);
    const done = await run(['guard', '--intent', 'x', '--path', '.', '--', 'no-such-program-anywhere']);
    expect(done.code).toBe(127);
    expect(done.stderr).toContain('no-such-program-anywhere: not found');
    expect(fingerprint(site)).toBe(before);
    expect((await mutations())[0]).toMatchObject({ stage: 'rolled_back' });
  });

  test('not executable, or a directory: 126', async () => {
    const { site, run } = place();
    for (const program of ['./config', './deep']) {
      const done = await run(['guard', '--intent', 'x', '--path', site, '--', program]);
      expect({ program, code: done.code }).toEqual({ program, code: 126 });
    }
  });

  test('a script without a first line that names its interpreter does not hang or crash the guard', async () => {
    const { site, run } = place();
    writeFileSync(join(site, 'plain'), 'exit 0\n', { mode: 0o755 });
    const { code } = await run(['guard', '--intent', 'x', '--path', site, '--', './plain']);
    expect([0, 126]).toContain(code);
  });
});

describe('--verify', () => {
  test('passes: committed', async () => {
    const { site, guard } = place();
    expect(await guard('echo two > config', ['--verify', 'grep -q two config'])).toMatchObject({ code: 0 });
    expect(readFileSync(join(site, 'config'), 'utf8')).toBe('two\n');
  });

  test('fails: its exit code, rolled back', async () => {
    const { site, guard, mutations } = place();
    const before = fingerprint(site);
    const done = await guard(WRECK, ['--verify', `sh -c "echo checking; exit 9"`]);
    expect(done).toMatchObject({ code: 9, stdout: 'checking\n' });
    expect(done.stderr).toContain('verification failed');
    expect(fingerprint(site)).toBe(before);
    expect((await mutations())[0]).toMatchObject({ stage: 'rolled_back' });
  });

  test('is not run when the command failed', async () => {
    const { folder, guard } = place();
    const ran = join(folder, 'ran');
    expect(await guard('exit 4', ['--verify', `touch ${ran}`])).toMatchObject({ code: 4 });
    expect(existsSync(ran)).toBe(false);
  });

  test('not found: rolled back with 127', async () => {
    const { site, guard } = place();
    const before = fingerprint(site);
    expect(await guard('echo two > config', ['--verify', 'no-such-program-anywhere'])).toMatchObject({ code: 127 });
    expect(fingerprint(site)).toBe(before);
  });
});

describe('--json', () => {
  test('prints one document and nothing else on stdout: committed', async () => {
    const { guard } = place();
    const { code, stdout, stderr } = await guard('echo from the command', ['--json']);
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'committed', intent: 'test', exitCode: 0 });
    expect(stderr).toContain('from the command');
  });

  test.each([
    ['a failed command', 'exit 3', [], 3, { status: 'rolled_back', exitCode: 3, command: { exitCode: 3 } }],
    ['a failed verification', 'true', ['--verify', 'false'], 1, { status: 'rolled_back', exitCode: 1 }],
    ['a denial', 'true', ['--path', '/nowhere/at/all'], 75, { status: 'denied', code: 'dataset_missing' }],
    ['an empty intent', 'true', ['--intent', ''], 64, { status: 'denied', code: 'intent_invalid' }],
    ['an unknown option', 'true', ['--wat'], 64, { status: 'denied', code: 'usage' }],
  ])('%s is one document too', async (_what, script, more, code, document) => {
    const { guard } = place();
    const done = await guard(script, ['--json', ...more]);
    expect(done.code).toBe(code);
    expect(done.stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(JSON.parse(done.stdout)).toMatchObject(document);
  });
});

describe('several datasets', () => {
  test('are frozen together and go back together', async () => {
    const { folder, site, guard, mutations } = place();
    const other = join(folder, 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'file'), 'kept');
    const before = [fingerprint(site), fingerprint(other)];
    const done = await guard(`${WRECK}; rm ../other/file; exit 2`, ['--path', site, '--path', other]);
    expect(done.code).toBe(2);
    expect([fingerprint(site), fingerprint(other)]).toEqual(before);
    expect((await mutations())[0]).toMatchObject({ snapshots: [{ dataset: site }, { dataset: other }] });
  });

  test('one that is missing denies all, and nothing is executed', async () => {
    const { folder, site, guard } = place();
    const done = await guard('touch ran', ['--path', site, '--path', join(folder, 'missing')]);
    expect(done.code).toBe(75);
    expect(existsSync(join(site, 'ran'))).toBe(false);
  });
});
