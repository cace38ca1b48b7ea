import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { until } from '../until.ts';
import { ask, openStream, socketOf } from './http.ts';
import { isAlive, place, processesOf } from './place.ts';

/* One controller a HAUKI_HOME, whoever starts it; and one that was only started for a caller does not stay. */

const ended = (home: string): Promise<boolean> =>
  until(
    () => !existsSync(join(home, 'controller.sock')) && !existsSync(join(home, 'controller.pid')),
    'the controller is gone',
  );

describe('a controller that was started for a caller', () => {
  test('ends when it is idle, and leaves no socket', async () => {
    const { home, guard, folder } = place({ env: { HAUKI_IDLE_MS: '400' } });
    expect((await guard('true')).code).toBe(0);
    await ended(home);
    await until(() => processesOf(folder).length === 0, 'its process is gone');
    // And the next one finds everything as it was.
    expect((await guard('true')).code).toBe(0);
  });

  test('stays while a command works and while somebody listens', async () => {
    const own = place({ env: { HAUKI_IDLE_MS: '300' } });
    const begun = performance.now();
    const guard = own.startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done');
    await until(() => existsSync(`${own.site}.ready`), 'the command works');
    const pid = own.controllerPid();
    const stream = await openStream(socketOf(own), 'GET', '/v1/events', { headers: { accept: 'text/event-stream' } });
    await until(() => performance.now() - begun > 1_500, 'its time would be over');
    expect(own.controllerPid()).toBe(pid);
    await own.run(['-c', `touch '${own.site}.go'`], { program: 'sh' });
    expect((await guard.done).code).toBe(0);
    stream.destroy();
    await ended(own.home);
  });

  test('is the same for all who call at the same moment', async () => {
    const { site, home, guard, folder, mutations } = place();
    const names = ['a', 'b', 'c', 'd'];
    for (const name of names) mkdirSync(join(site, name));
    const done = await Promise.all(names.map((name) => guard(`touch ${name}/done`, ['--path', name])));
    expect(done.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect((await mutations()).length).toBe(4);
    const serving = processesOf(folder).filter((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('controller'),
    );
    expect(serving).toEqual([Number(readFileSync(join(home, 'controller.pid'), 'utf8'))]);
  });

  test('does not die of its caller’s Ctrl-C, and stands in no folder of the caller’s', async () => {
    const { site, guard, controllerPid, mutations } = place();
    await guard('true');
    const pid = controllerPid() ?? 0;
    const { stdout } = await place().run(['-o', 'sid=', '-p', String(pid)], { program: 'ps' });
    expect(Number(stdout)).toBe(pid);
    rmSync(site, { recursive: true });
    expect(isAlive(pid)).toBe(true);
    expect((await mutations()).length).toBe(1);
  });

  test('makes room for one that stays, when it is idle', async () => {
    const { guard, controller, controllerPid, mutations } = place();
    await guard('true');
    const first = controllerPid();
    const up = await controller(['up', '--port', '0']);
    expect(up.stdout()).toContain('ready');
    const page = /^page {7}http:\/\/127\.0\.0\.1:\d+\/ · log in with the token in .*\/token/m;
    expect(await until(() => page.test(up.stdout()), 'it says where its page is')).toBe(true);
    expect(controllerPid()).not.toBe(first);
    expect((await mutations()).map(({ stage }) => stage)).toEqual(['committed']);
    up.child.kill('SIGINT');
    expect(await up.done).toMatchObject({ code: 0 });
  });

  test('does not make room while a command works under it', async () => {
    const own = place();
    const guard = own.startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done');
    await until(() => existsSync(`${own.site}.ready`), 'the command works');
    const up = await own.run(['up', '--port', '0']);
    expect(up.code).toBe(75);
    expect(up.stderr).toContain('home_locked');
    await own.run(['-c', `touch '${own.site}.go'`], { program: 'sh' });
    expect((await guard.done).code).toBe(0);
  });
});

describe('a controller that stays', () => {
  test('proves itself and says where it listens', async () => {
    const { home, controller } = place();
    const up = await controller(['up', '--port', '0']);
    expect(up.stdout()).toMatch(/self-test {2}directory: snapshot .* rollback .* verified/);
    expect(up.stdout()).toMatch(/ready {6}node \S+ · http:\/\/127\.0\.0\.1:\d+ · unix:/);
    expect(up.stdout()).toContain(join(home, 'controller.sock'));
    expect(statSync(home).mode & 0o777).toBe(0o700);
    up.child.kill('SIGTERM');
    expect(await up.done).toMatchObject({ code: 0 });
    await ended(home);
  });

  test('with --json says so in one document', async () => {
    const { controller } = place();
    const { stdout } = await controller(['up', '--port', '0', '--json']);
    expect(JSON.parse(stdout())).toMatchObject({ status: 'ready', selfTests: expect.any(Array) as unknown[] });
  });

  test('is the only one: a second is refused with home_locked and names it', async () => {
    const { controller, run, controllerPid } = place();
    await controller();
    for (const args of [
      ['up', '--port', '0'],
      ['controller', '--port', '0'],
      ['controller', '--ephemeral'],
    ]) {
      const second = await run(args);
      expect(second.code).toBe(75);
      expect(second.stderr).toContain('home_locked');
      expect(second.stderr).toContain(String(controllerPid()));
    }
    const { code, stdout } = await run(['up', '--port', '0', '--json']);
    expect(code).toBe(75);
    expect(JSON.parse(stdout)).toMatchObject({ status: 'denied', code: 'home_locked' });
  });

  test('does not retire for anybody', async () => {
    const own = place();
    await own.controller();
    expect(await ask(socketOf(own), 'POST', '/v1/retire', { body: {} })).toMatchObject({
      status: 503,
      json: { code: 'home_locked' },
    });
    expect((await own.guard('true')).code).toBe(0);
  });

  test('says what is wrong with its port', async () => {
    const { run, home } = place();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const taken = await run(['up', '--port', String(port)]);
    expect(taken.code).toBe(64);
    expect(taken.stderr).toContain(`127.0.0.1:${port}: it is in use`);
    expect(existsSync(join(home, 'controller.sock'))).toBe(false);
    for (const text of ['x', '-1', '65536', '1.5', '']) expect((await run(['up', '--port', text])).code).toBe(64);
    expect((await run(['up', '--port', '0', '--node', 'not a name'])).code).toBe(64);
  });

  test('is reached from outside by nobody: it listens on the loopback alone', async () => {
    const own = place();
    const { stdout } = await own.controller();
    const { port } = new URL((JSON.parse(stdout()) as { url: string }).url);
    const hexPort = Number(port).toString(16).toUpperCase().padStart(4, '0');
    const lines = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) => readFileSync(path, 'utf8').split('\n'));
    const listening = lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, address, , state]) => state === '0A' && address?.endsWith(`:${hexPort}`));
    expect(listening.map(([, address]) => address)).toEqual([`0100007F:${hexPort}`]);
  });
});

describe('a HAUKI_HOME whose path is longer than a socket’s may be', () => {
  const long = 'a-long-name-'.repeat(9);

  test('works, whether or not it was there before', async () => {
    const own = place();
    for (const made of [false, true]) {
      const home = join(own.folder, `${long}${made}`);
      if (made) mkdirSync(home);
      const env = { HAUKI_HOME: home, HAUKI_IDLE_MS: '2000' };
      const done = await own.guard('true', [], { env });
      expect({ made, code: done.code, stderr: done.stderr }).toEqual({ made, code: 0, stderr: done.stderr });
      expect((await own.run(['status'], { env })).code).toBe(0);
      const named = { ...env, HAUKI_CONTROLLER: `unix:${home}/controller.sock` };
      expect((await own.guard('true', [], { env: named })).code).toBe(0);
      process.kill(Number(readFileSync(join(home, 'controller.pid'), 'utf8')), 'SIGTERM');
    }
    await until(() => processesOf(own.folder).length === 0, 'both controllers are gone');
  });
});
