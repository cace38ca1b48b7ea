import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { fingerprint } from './fingerprint.ts';
import { openPlace, place as ownPlace, type Place } from './place.ts';

/* Denied or unreachable means not executed; wrong usage is told before anybody is asked. */

let shared: Place;
beforeAll(() => {
  shared = openPlace();
});
afterAll(() => shared.close());
const place = (): Place => shared.another();

describe('wrong usage', () => {
  test.each([
    ['no intent', ['--path', '.', '--', 'touch', 'ran']],
    ['an empty intent', ['--intent', '', '--path', '.', '--', 'touch', 'ran']],
    ['an intent of nothing but white space', ['--intent', ' \n\t', '--path', '.', '--', 'touch', 'ran']],
    ['an intent of 513 characters', ['--intent', 'x'.repeat(513), '--path', '.', '--', 'touch', 'ran']],
    ['no path', ['--intent', 'x', '--', 'touch', 'ran']],
    ['an empty path', ['--intent', 'x', '--path', '', '--', 'touch', 'ran']],
    ['no command', ['--intent', 'x', '--path', '.']],
    ['no command after --', ['--intent', 'x', '--path', '.', '--']],
    ['an empty command', ['--intent', 'x', '--path', '.', '--', '']],
    ['a ttl without a unit', ['--intent', 'x', '--path', '.', '--ttl', '10', '--', 'touch', 'ran']],
    ['a ttl that is no duration', ['--intent', 'x', '--path', '.', '--ttl', 'soon', '--', 'touch', 'ran']],
    ['a negative wait', ['--intent', 'x', '--path', '.', '--wait', '-5s', '--', 'touch', 'ran']],
    ['a --verify for a shell', ['--intent', 'x', '--path', '.', '--verify', 'true && true', '--', 'touch', 'ran']],
    ['an empty --verify', ['--intent', 'x', '--path', '.', '--verify', '', '--', 'touch', 'ran']],
    ['another --on-expiry', ['--intent', 'x', '--path', '.', '--on-expiry', 'hope', '--', 'touch', 'ran']],
    ['a node that is no name', ['--intent', 'x', '--path', '.', '--node', '../x', '--', 'touch', 'ran']],
    ['an unknown option', ['--intent', 'x', '--path', '.', '--wat', '--', 'touch', 'ran']],
    ['an address that is none', ['--intent', 'x', '--path', '.', '--controller', 'ftp://x', '--', 'touch', 'ran']],
  ])('%s: 64', async (_what, args) => {
    const done = await shared.run(['guard', ...args]);
    expect(done).toMatchObject({ code: 64, stdout: '' });
    expect(done.stderr).toMatch(/^hauki: /);
    expect(existsSync(join(shared.site, 'ran'))).toBe(false);
    expect(shared.controllerPid()).toBeUndefined();
  });

  test.each([
    ['an unknown command', ['wat']],
    ['no command at all', []],
    ['an option nobody knows', ['status', '--wat']],
    ['an argument too many', ['status', 'more']],
    ['an argument too few', ['show']],
  ])('%s: 64', async (_what, args) => {
    expect(await shared.run(args)).toMatchObject({ code: 64, stdout: '' });
  });
});

describe('bounds the controller checks', () => {
  test.each([
    ['a ttl under a second', ['--ttl', '5ms']],
    ['a ttl over a day', ['--ttl', '30d']],
    ['a wait over an hour', ['--wait', '3d']],
    ['a path twice', ['--path', '.', '--path', '.']],
    ['a path in another', ['--path', '.', '--path', 'deep']],
  ])('%s: 64, not executed', async (_what, more) => {
    const { site, guard } = place();
    const done = await guard('touch ran', more);
    expect(done).toMatchObject({ code: 64, stdout: '' });
    expect(existsSync(join(site, 'ran'))).toBe(false);
  });
});

describe('what cannot be guarded', () => {
  test.each([
    ['missing', 'missing', 'dataset_missing'],
    ['a file', 'config', 'dataset_unsupported'],
    ['under a file', 'config/x', 'dataset_missing'],
    ['a symlink to nothing', 'dangling', 'dataset_missing'],
    ['a symlink in a circle', 'circle', 'dataset_missing'],
    ['a view of the kernel', '/proc/sys', 'dataset_unsupported'],
    ['the root of everything', '/', 'dataset_protected'],
    ['HAUKI_HOME itself', '../home', 'dataset_protected'],
    ['inside HAUKI_HOME', '../home/store', 'dataset_protected'],
    ['around HAUKI_HOME', '..', 'dataset_protected'],
  ])('%s: 75, not executed', async (_what, path, code) => {
    const { site, folder, guard } = place();
    symlinkSync('circle', join(site, 'circle'));
    mkdirSync(join(folder, 'home/store'), { recursive: true });
    const before = fingerprint(site);
    const done = await guard('touch ran', ['--path', path, '--json']);
    const said = JSON.parse(done.stdout) as { status: string; code: string; hint: string };
    expect({ exit: done.code, status: said.status, code: said.code }).toEqual({ exit: 75, status: 'denied', code });
    expect(said.hint).not.toBe('');
    expect(fingerprint(site)).toBe(before);
  });

  test('a name longer than any path: not executed', async () => {
    const { site, guard } = place();
    const done = await guard('touch ran', ['--path', 'x'.repeat(5000)]);
    expect([64, 75]).toContain(done.code);
    expect(existsSync(join(site, 'ran'))).toBe(false);
  });

  test('a dataset of a storage that is not here: 75', async () => {
    const { site, guard } = place();
    const done = await guard('touch ran', ['--dataset', 'tank/nowhere']);
    expect(done.code).toBe(75);
    expect(done.stderr).toContain('dataset_missing');
    expect(existsSync(join(site, 'ran'))).toBe(false);
  });

  test('a denial stands in the log, with its reason', async () => {
    const { guard, mutations } = place();
    await guard('true', ['--path', 'missing', '--intent', 'why not']);
    expect((await mutations())[0]).toMatchObject({
      stage: 'denied',
      intent: 'why not',
      reason: { code: 'dataset_missing' },
    });
  });
});

describe('a controller that is named', () => {
  test.each([
    ['a socket that is not there', () => 'unix:/nowhere/controller.sock'],
    ['a socket path longer than the kernel takes', () => `unix:/tmp/${'x'.repeat(200)}/controller.sock`],
    ['a port where nobody listens', () => 'http://127.0.0.1:1'],
    ['a host that has no address', () => 'http://nowhere.invalid:7717'],
  ])('and unreachable denies: %s', async (_what, address) => {
    const { site, guard, controllerPid } = ownPlace();
    for (const naming of ['option', 'variable']) {
      const done = await (naming === 'option'
        ? guard('touch ran', ['--controller', address()])
        : guard('touch ran', [], { env: { HAUKI_CONTROLLER: address() } }));
      expect({ naming, code: done.code }).toEqual({ naming, code: 75 });
      expect(done.stderr).toContain('controller_unreachable');
    }
    expect(existsSync(join(site, 'ran'))).toBe(false);
    // None is started in its stead.
    expect(controllerPid()).toBeUndefined();
  });

  test('and is something else denies', async () => {
    const { site, guard } = ownPlace();
    const server = createServer((_request, response) => response.end('<html>hello</html>'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const done = await guard('touch ran', ['--controller', `http://127.0.0.1:${port}`]);
    expect(done.code).toBe(75);
    expect(done.stderr).toContain('not a hauki controller');
    expect(existsSync(join(site, 'ran'))).toBe(false);
  });

  test('over TCP wants the token: wrong or missing, 75; right, it works', async () => {
    const { home, site, guard, controller } = ownPlace();
    const { stdout } = await controller();
    const { url } = JSON.parse(stdout()) as { url: string };
    const wrong = await guard('touch ran', ['--controller', url], { env: { HAUKI_TOKEN: 'wrong' } });
    expect(wrong.code).toBe(75);
    expect(wrong.stderr).toContain('unauthorized');
    const elsewhere = { env: { HAUKI_HOME: join(home, '../elsewhere') } };
    expect((await guard('touch ran', ['--controller', url], elsewhere)).code).toBe(75);
    expect(existsSync(join(site, 'ran'))).toBe(false);
    expect((await guard('touch ran', ['--controller', url])).code).toBe(0);
    expect(existsSync(join(site, 'ran'))).toBe(true);
  });
});

describe('a controller that cannot start', () => {
  test('HAUKI_HOME is a file: 75, not executed', async () => {
    const { home, site, guard } = ownPlace();
    writeFileSync(home, 'a file');
    const done = await guard('touch ran');
    expect(done.code).toBe(75);
    expect(done.stderr).not.toContain('    at ');
    expect(existsSync(join(site, 'ran'))).toBe(false);
    rmSync(home);
  });

  test('its ledger is garbage: 75, not executed, the file untouched', async () => {
    const { home, site, guard } = ownPlace();
    mkdirSync(join(home, 'ledger'), { recursive: true });
    writeFileSync(join(home, 'ledger/ledger.db'), 'this is no database, and long enough to be looked at'.repeat(100));
    const before = fingerprint(join(home, 'ledger/ledger.db'));
    const done = await guard('touch ran');
    expect(done.code).toBe(75);
    expect(existsSync(join(site, 'ran'))).toBe(false);
    expect(fingerprint(join(home, 'ledger/ledger.db'))).toBe(before);
  });
});
