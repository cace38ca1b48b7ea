import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* What is guarded, by whatever name; what lies outside is left alone; who waits for whom; and intents as people write them. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
});
afterAll(() => shared.close());
const place = (): Place => shared.another();

needs('root').describe('a directory that is mounted in a second place', () => {
  test('is one dataset, locked once; and hauki’s own is protected there as well', async () => {
    const { site, folder, home, run, start, startGuard, mutations } = place();
    const alias = join(folder, 'alias');
    mkdirSync(join(alias, 'site'), { recursive: true });
    mkdirSync(join(alias, 'home'), { recursive: true });
    for (const [from, to] of [
      [site, 'site'],
      [home, 'home'],
    ] as const)
      expect((await run(['--bind', from, join(alias, to)], { program: 'mount' })).code).toBe(0);
    try {
      const by = (path: string): string[] => ['guard', '--intent', 'x', '--wait', '0s', '--path', path, '--'];
      const holder = startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done');
      await until(() => existsSync(`${site}.ready`), 'it holds the lock');
      const second = await run([...by(join(alias, 'site')), 'touch', join(site, 'ran')]);
      expect([second.code, second.stderr]).toEqual([75, expect.stringContaining('lock_timeout')]);
      writeFileSync(`${site}.go`, '');
      expect((await holder.done).code).toBe(0);
      expect((await start([...by(join(alias, 'site')), 'true']).done).code).toBe(0);
      expect((await mutations())[0]?.datasets).toMatchObject([{ name: site }]);
      const own = await run([...by(join(alias, 'home')), 'true']);
      expect(own.stderr).toContain('dataset_protected');
      expect(existsSync(join(site, 'ran'))).toBe(false);
    } finally {
      for (const name of ['site', 'home']) await run([join(alias, name)], { program: 'umount' });
    }
  });
});

describe('a directory', () => {
  test.each([
    ['with spaces', 'a  name with spaces '],
    ['with quotes', `it's "quoted"`],
    ['with a newline', 'two\nlines'],
    ['with an emoji', '🦊 fox'],
    ['that looks like an option', '--json'],
    ['that looks like a shell’s', '$(touch pwned); `id` && *'],
    ['with an @', 'site@PRE_x'],
    ['with a backslash', 'back\\slash'],
    ['with an escape sequence', '\u001b[31mred'],
  ])('%s is guarded like any other', async (_what, name) => {
    const { site, guard, mutations } = place();
    const odd = join(site, name);
    mkdirSync(odd);
    writeFileSync(join(odd, 'file'), 'before');
    const before = fingerprint(odd);
    const done = await guard(`cd "$ODD" && rm file && touch added; exit 3`, [`--path=${odd}`], { env: { ODD: odd } });
    expect(done.code).toBe(3);
    expect(fingerprint(odd)).toBe(before);
    expect((await mutations())[0]).toMatchObject({ stage: 'rolled_back', datasets: [{ name: odd }] });
    expect(existsSync(join(site, 'pwned'))).toBe(false);
  });

  test('of any name does no harm to a person’s terminal', async () => {
    const { run, mutations } = shared;
    const red = (await mutations()).find((one) => one.datasets[0]?.name.includes('\u001b'));
    for (const args of [['snapshots'], ['evidence'], ['show', red?.mutation ?? '']]) {
      const { code, stdout } = await run(args);
      expect(code).toBe(0);
      expectHarmless(stdout);
    }
  });

  test('by a relative path, from where the caller stands', async () => {
    const { site, run, mutations } = place();
    const args = ['guard', '--intent', 'x', '--path', 'er', '--', 'sh', '-c', 'rm -f er/old; exit 1'];
    const before = fingerprint(site);
    expect((await run(args, { cwd: join(site, 'deep') })).code).toBe(1);
    expect((await mutations())[0]).toMatchObject({ datasets: [{ name: join(site, 'deep/er') }] });
    expect(fingerprint(site)).toBe(before);
  });

  test('by a path with .. in it', async () => {
    const { site, guard, mutations } = place();
    const before = fingerprint(site);
    expect((await guard('echo two > config; exit 1', ['--path', 'deep/../deep/er/../..'])).code).toBe(1);
    expect((await mutations())[0]).toMatchObject({ datasets: [{ name: site }] });
    expect(fingerprint(site)).toBe(before);
  });

  test('by a symlink: what it points to is guarded', async () => {
    const { site, folder, guard, mutations } = place();
    const link = join(folder, `link-${site.slice(-3)}`);
    symlinkSync(site, link);
    const before = fingerprint(site);
    expect((await guard('echo two > config; exit 1', ['--path', link])).code).toBe(1);
    expect((await mutations())[0]).toMatchObject({ datasets: [{ name: site }] });
    expect(fingerprint(site)).toBe(before);
    expect(readlinkSync(link)).toBe(site);
  });

  test('by a symlink and ..: what the kernel means, not what the letters say', async () => {
    const { site, guard, mutations } = place();
    mkdirSync(join(site, 'a/b'), { recursive: true });
    symlinkSync('a/b', join(site, 'ab'));
    // The kernel follows the link first: ab/.. is a. By letters it would be the site.
    expect((await guard('true', ['--path', 'ab/..'])).code).toBe(0);
    expect((await mutations())[0]).toMatchObject({ datasets: [{ name: join(site, 'a') }] });
  });
});

describe('what lies outside is left alone', () => {
  test('behind a symlink that leads out', async () => {
    const { site, guard } = place();
    const outside = `${site}.outside`;
    mkdirSync(outside);
    writeFileSync(join(outside, 'file'), 'before');
    symlinkSync(outside, join(site, 'out'));
    const before = fingerprint(site);
    // Outside of what is guarded nothing is promised, and nothing is touched: neither the write nor the rest is undone.
    expect((await guard('echo after > out/file; touch out/added; rm link; exit 1')).code).toBe(1);
    expect(fingerprint(site)).toBe(before);
    expect(readFileSync(join(outside, 'file'), 'utf8')).toBe('after\n');
    expect(existsSync(join(outside, 'added'))).toBe(true);
  });

  test('when the command puts a symlink where a directory was', async () => {
    const { site, guard } = place();
    const outside = `${site}.outside`;
    mkdirSync(join(outside, 'er'), { recursive: true });
    writeFileSync(join(outside, 'er/old'), 'not yours');
    writeFileSync(join(outside, 'precious'), 'not yours');
    const [before, beforeOutside] = [fingerprint(site), fingerprint(outside)];
    expect((await guard(`rm -rf deep; ln -s '${outside}' deep; rm -rf empty; ln -s / empty; exit 1`)).code).toBe(1);
    expect(fingerprint(site)).toBe(before);
    expect(fingerprint(outside)).toBe(beforeOutside);
  });

  test('when the guarded directory itself is replaced by a symlink: not followed', async () => {
    const { site, guard, run, mutations } = place();
    const outside = `${site}.outside`;
    mkdirSync(outside);
    writeFileSync(join(outside, 'precious'), 'not yours');
    const beforeOutside = fingerprint(outside);
    const done = await guard(`mv '${site}' '${site}.moved'; ln -s '${outside}' '${site}'; exit 1`, ['--path', site]);
    expect(done.code).not.toBe(0);
    expect(fingerprint(outside)).toBe(beforeOutside);
    // A person puts it right, and has it rolled back.
    unlinkSync(site);
    renameSync(`${site}.moved`, site);
    const id = (await mutations())[0]?.mutation ?? '';
    await run(['resolve', id, '--rollback'], { cwd: site });
    expect((await mutations())[0]).toMatchObject({ mutation: id, stage: 'rolled_back' });
    expect(readFileSync(join(site, 'config'), 'utf8')).toBe('one\n');
  });
});

describe('guards at once', () => {
  /** Fails when another one is inside at the same time. */
  const alone = (marker: string): string => `set -e; mkdir '${marker}'; sleep 0.15; rmdir '${marker}'`;

  test('on the same directory: one after the other, nothing is lost', async () => {
    const { site, guard, mutations } = place();
    writeFileSync(join(site, 'count'), '0');
    const add = `${alone(`${site}.inside`)}; echo $(($(cat count) + 1)) > count`;
    const done = await Promise.all(Array.from({ length: 5 }, () => guard(add)));
    expect(done.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(readFileSync(join(site, 'count'), 'utf8').trim()).toBe('5');
    const own = (await mutations()).filter((one) => one.datasets[0]?.name === site);
    expect(own.map(({ stage }) => stage)).toEqual(Array.from({ length: 5 }, () => 'committed'));
    const fences = own.map(({ fence }) => fence ?? 0);
    expect(new Set(fences).size).toBe(5);
  });

  test('on a directory and one inside it: one after the other', async () => {
    const { site, guard } = place();
    const script = alone(`${site}.inside`);
    const done = await Promise.all([
      guard(script),
      guard(script, ['--path', 'deep']),
      guard(script, ['--path', 'deep/er']),
      guard(script, ['--path', site]),
    ]);
    expect(done.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  });

  test('on different directories: side by side', async () => {
    const { site, guard } = place();
    // Each waits for the other: one after the other they would never end.
    const meet = (own: string, other: string): string =>
      `touch '${site}.${own}'; until [ -e '${site}.${other}' ]; do sleep 0.05; done`;
    const done = await Promise.all([
      guard(meet('a', 'b'), ['--path', 'deep']),
      guard(meet('b', 'a'), ['--path', 'empty']),
    ]);
    expect(done.map(({ code }) => code)).toEqual([0, 0]);
  });

  test('with --wait 0s: denied at once, not executed, and told by whom', async () => {
    const { site, guard, startGuard, mutations } = place();
    const first = startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done', [
      '--intent',
      'the first',
    ]);
    await until(() => existsSync(`${site}.ready`), 'the first one works');
    const [holder] = await mutations();
    const denied = await guard('touch ran', ['--wait', '0s', '--path', 'deep']);
    expect(denied.code).toBe(75);
    expect(denied.stderr).toContain('lock_timeout');
    expect(denied.stderr).toContain(holder?.mutation);
    const short = await guard('touch ran', ['--wait', '300ms']);
    expect(short.code).toBe(75);
    writeFileSync(`${site}.go`, '');
    expect((await first.done).code).toBe(0);
    expect(existsSync(join(site, 'ran'))).toBe(false);
    expect((await guard('true', ['--wait', '0s'])).code).toBe(0);
  });

  test('who waits is told for whom', async () => {
    const { site, startGuard } = place();
    const first = startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done', [
      '--intent',
      'the first',
    ]);
    await until(() => existsSync(`${site}.ready`), 'the first one works');
    const second = startGuard('true', ['--intent', 'the second']);
    await until(() => second.stderr().includes('which works on "the first"'), 'it says whom it waits for');
    writeFileSync(`${site}.go`, '');
    expect((await first.done).code).toBe(0);
    expect((await second.done).code).toBe(0);
  });

  test('a guard within a guard on something else works, and is undone with neither', async () => {
    const { site, guard } = place();
    const inner = `${ROOT}/hauki guard --intent inner --path '${site}/empty' -- touch empty/inner`;
    expect((await guard(`echo two > deep/file && ${inner}`, ['--path', 'deep'])).code).toBe(0);
    expect(existsSync(join(site, 'empty/inner'))).toBe(true);
  });
});

describe('intents as people write them', () => {
  const ODD = [
    'two\nlines\r\nand a\ttab',
    `"double" and 'single' quotes \\ and backslashes`,
    '$(touch pwned) `touch pwned` ${HOME} %s %n',
    '; rm -rf / #',
    'emoji 🦊 and 👩‍👩‍👧 and é',
    '@PRE_x@ / ../../etc/passwd',
    '--help',
    '\u001b]0;title\u0007\u001b[31mred\u001b[0m \u202Ereversed',
    '<script>alert(1)</script> {"json": true} null',
    '🦊'.repeat(512),
    'x'.repeat(512),
  ];

  test('come back whole from show --json and HAUKI_INTENT, and do no harm elsewhere', async () => {
    const { site, guard, run, mutations, show } = place();
    for (const intent of ODD) {
      const { code, stdout } = await guard('printf %s "$HAUKI_INTENT"', ['--intent', intent]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: intent });
      const [mutation] = await mutations();
      expect((await show(mutation?.mutation ?? '')).intent).toBe(intent);
      // One snapshot name, of characters that any storage takes.
      expect(mutation?.snapshots[0]?.name).toMatch(/@PRE_[\w.-]+_\d{8}_\d{6}_\d{3}$/);
    }
    const drawing = (await mutations()).find((one) => one.intent.includes('\u202E'));
    expectHarmless((await run(['show', drawing?.mutation ?? ''])).stdout);
    for (const command of ['log', 'snapshots']) {
      const { stdout } = await run([command]);
      expectHarmless(stdout);
      // One line a mutation, however many the intent has.
      expect(stdout.split('\n').filter((line) => line.includes('and a')).length).toBe(1);
    }
    expect(existsSync(join(site, 'pwned'))).toBe(false);
  });
});

/** Nothing in text for people draws on their terminal. */
function expectHarmless(text: string): void {
  // eslint-disable-next-line no-control-regex -- they are what it is about
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
}
