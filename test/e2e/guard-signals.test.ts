import { constants, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { LockList } from '../../src/wire/http.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT, WRECK } from './place.ts';

/* Signals and the terminal reach the command; its streams pass through untouched. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
});
afterAll(() => shared.close());

/** A place whose command says in `said` what signals it got, and in `ready` that it listens. */
function listener(): Place & { said: () => string; ready: () => Promise<boolean> } {
  const place = shared.another();
  const said = `${place.site}.said`;
  return {
    ...place,
    said: () => (existsSync(said) ? readFileSync(said, 'utf8') : ''),
    ready: () => until(() => existsSync(`${place.site}.ready`), 'the command is ready'),
  };
}

const trap = (signal: string, code: number): string =>
  `trap 'echo ${signal} >> "$PWD.said"; exit ${code}' ${signal}; echo two > config; touch "$PWD.ready"; while :; do sleep 0.05; done`;

describe('a signal to the guard reaches the command', () => {
  test.each(['INT', 'TERM', 'HUP'] as const)('SIG%s: the command decides how it ends; rolled back', async (name) => {
    const { site, startGuard, said, ready, mutations } = listener();
    const before = fingerprint(site);
    const guard = startGuard(trap(name, 3));
    await ready();
    guard.child.kill(`SIG${name}`);
    expect(await guard.done).toMatchObject({ code: 3, signal: null });
    expect(said()).toBe(`${name}\n`);
    expect(fingerprint(site)).toBe(before);
    expect((await mutations())[0]).toMatchObject({ stage: 'rolled_back' });
  });

  test.each([
    ['INT', 130],
    ['TERM', 143],
    ['HUP', 129],
  ] as const)('SIG%s: a command that ends well for it is rolled back all the same: %i', async (name, code) => {
    const { site, startGuard, ready } = listener();
    const before = fingerprint(site);
    const guard = startGuard(trap(name, 0));
    await ready();
    guard.child.kill(`SIG${name}`);
    expect(await guard.done).toMatchObject({ code });
    expect(fingerprint(site)).toBe(before);
  });

  test.each([
    ['INT', 130],
    ['TERM', 143],
    ['HUP', 129],
    ['QUIT', 131],
    ['USR2', 140],
  ] as const)('SIG%s: a command that dies of it gives %i', async (name, code) => {
    const { site, startGuard, ready } = listener();
    const before = fingerprint(site);
    const guard = startGuard('echo two > config; touch "$PWD.ready"; ulimit -c 0; exec sleep 60');
    await ready();
    guard.child.kill(`SIG${name}`);
    expect(await guard.done).toMatchObject({ code });
    expect(fingerprint(site)).toBe(before);
  });

  test('SIGUSR1 is the command’s own business: it goes on, and is committed', async () => {
    const { site, startGuard, said, ready } = listener();
    const guard = startGuard(trap('USR1', 0));
    await ready();
    guard.child.kill('SIGUSR1');
    expect(await guard.done).toMatchObject({ code: 0 });
    expect(said()).toBe('USR1\n');
    expect(readFileSync(join(site, 'config'), 'utf8')).toBe('two\n');
  });

  test('a signal during --verify rolls back', async () => {
    const { site, startGuard, ready } = listener();
    const before = fingerprint(site);
    const guard = startGuard('echo two > config', ['--verify', `sh -c 'touch "$PWD.ready"; sleep 60'`]);
    await ready();
    guard.child.kill('SIGTERM');
    expect((await guard.done).code).toBe(143);
    expect(fingerprint(site)).toBe(before);
  });
});

describe('interrupted while it waits for the lock', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('%s: nothing is executed, and the queue is clean', async (signal, code) => {
    const { site, startGuard, json, ready } = listener();
    const locks = async (): Promise<string[]> =>
      (await json<LockList>(['locks'])).locks
        .filter((lock) => lock.datasets[0]?.name === site)
        .map((lock) => lock.stage);
    const first = startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done');
    await ready();
    const second = startGuard('touch ran');
    await until(async () => (await locks()).includes('queued'), 'the second one waits');
    second.child.kill(signal);
    const done = await second.done;
    expect(done).toMatchObject({ code, stdout: '' });
    expect(done.stderr).toContain('nothing was executed');
    await until(async () => (await locks()).length === 1, 'the queue is clean');
    await shared.run(['-c', `touch '${site}.go'`], { program: 'sh' });
    expect((await first.done).code).toBe(0);
    expect(existsSync(join(site, 'ran'))).toBe(false);
    expect(await locks()).toEqual([]);
  });
});

describe('the standard streams', () => {
  const binary = Buffer.from(Array.from({ length: 1_048_576 }, (_, index) => (index * 7919 + (index >> 8)) % 256));

  test('stdin → stdout, a megabyte of any bytes', async () => {
    const { guard } = shared.another();
    const { code, bytes } = await guard('exec cat', [], { input: binary });
    expect(code).toBe(0);
    expect(bytes.stdout.equals(binary)).toBe(true);
  });

  test('stderr, byte for byte beside nothing of ours with --quiet', async () => {
    const { guard } = shared.another();
    const { code, stdout, bytes } = await guard('exec cat >&2', ['--quiet'], { input: binary });
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    expect(bytes.stderr.equals(binary)).toBe(true);
  });

  test('stay blocking for the command while the guard talks to the controller', async () => {
    const { site, guard } = shared.another();
    // At a third of so short a lease it is renewed, on a connection that is opened and closed while the command works.
    const script = `until grep -q renewed '${site}.log'; do '${ROOT}/hauki' show $HAUKI_MUTATION > '${site}.log' 2>&1; done; for f in 0 1 2; do grep flags /proc/self/fdinfo/$f; done >&2`;
    const { code, stderr } = await guard(script, ['--quiet', '--ttl', '1s'], { input: 'x' });
    expect(code).toBe(0);
    const flags = [...stderr.matchAll(/flags:\s+(\d+)/g)].map(([, octal]) => Number.parseInt(octal ?? '', 8));
    expect(flags.length).toBe(3);
    expect(flags.map((flag) => flag & constants.O_NONBLOCK)).toEqual([0, 0, 0]);
  });

  test('hauki’s own words go to stderr alone', async () => {
    const { guard } = shared.another();
    const { stdout, stderr } = await guard('echo out; echo err >&2; exit 3');
    expect(stdout).toBe('out\n');
    const own = stderr.split('\n').filter((line) => line !== '' && line !== 'err');
    expect(own.every((line) => line.startsWith('hauki: '))).toBe(true);
  });

  test('a closed stdin is a closed stdin, and a reader that goes away hurts only the command', async () => {
    const { site, guard, run } = shared.another();
    expect(await guard('wc -c')).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\s*0\n$/) as string });
    const line = `'${ROOT}/hauki' guard --intent x --path '${site}' -- sh -c 'yes || exit 8' | head -1`;
    const { stdout } = await run(['-c', line], { program: 'sh' });
    expect(stdout).toBe('y\n');
  });
});

needs('script').describe('a real terminal', () => {
  /** Runs a line for `sh` on a terminal of its own; what is written to stdin is typed. */
  const onTerminal = (place: Place, line: string, more = '') =>
    // "exec": a shell in between would have the terminal's signals too, and end by them whatever the guard says.
    place.start(
      ['-qec', `exec '${ROOT}/hauki' guard --intent tty --path '${place.site}' ${more} -- ${line}`, '/dev/null'],
      {
        program: 'script',
        input: 'open',
      },
    );

  test('is the command’s terminal', async () => {
    const place = shared.another();
    const guard = onTerminal(place, `sh -c 'test -t 0 && test -t 1 && test -t 2 && tty && stty -a | grep -q isig'`);
    const { code, stdout } = await guard.done;
    expect(code).toBe(0);
    expect(stdout).toMatch(/\/dev\/pts\/\d+/);
  });

  test('what is typed reaches the command', async () => {
    const place = shared.another();
    const guard = onTerminal(place, `sh -c 'touch "$PWD.ready"; read line; echo "<$line>"'`);
    await until(() => existsSync(`${place.site}.ready`), 'the command reads');
    guard.child.stdin?.write('typed words\n');
    expect((await guard.done).stdout).toContain('<typed words>');
  });

  test('Ctrl-C reaches the command once, and rolls back', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    // Not a shell: the terminal's signal also reaches what a shell waits for, and shells differ in what they make of that.
    const counting = `$SIG{INT} = sub { $n++; open my $f, '>>', "$ARGV[0].said"; print $f "INT\\n" };
      open my $ready, '>', "$ARGV[0].ready"; select undef, undef, undef, 0.05 until $n; select undef, undef, undef, 0.4; exit 5`;
    writeFileSync(`${place.site}.pl`, counting);
    const guard = onTerminal(place, `sh -c '${WRECK}; exec perl "$PWD.pl" "$PWD"'`);
    await until(() => existsSync(`${place.site}.ready`), 'the command is ready');
    guard.child.stdin?.write('\u0003');
    expect((await guard.done).code).toBe(5);
    expect(readFileSync(`${place.site}.said`, 'utf8')).toBe('INT\n');
    expect(fingerprint(place.site)).toBe(before);
  });

  test('Ctrl-C ends a command that takes it as everybody does: 130', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = onTerminal(place, `sh -c 'echo two > config; touch "$PWD.ready"; sleep 60'`);
    await until(() => existsSync(`${place.site}.ready`), 'the command is ready');
    guard.child.stdin?.write('\u0003');
    expect((await guard.done).code).toBe(130);
    expect(fingerprint(place.site)).toBe(before);
  });

  test('a terminal that is closed rolls back', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = onTerminal(place, `sh -c 'echo two > config; touch "$PWD.ready"; sleep 60'`);
    await until(() => existsSync(`${place.site}.ready`), 'the command is ready');
    guard.child.kill('SIGKILL');
    await until(() => fingerprint(place.site) === before, 'the change is undone');
    await until(async () => (await place.mutations())[0]?.stage === 'rolled_back', 'it is recorded');
    expect(fingerprint(place.site)).toBe(before);
  });
});
