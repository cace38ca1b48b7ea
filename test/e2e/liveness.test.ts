import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { LockList } from '../../src/wire/http.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { isAlive, openPlace, place as ownPlace, type Place, WRECK } from './place.ts';

/* Who dies, stalls or goes away, and what becomes of the change. */

const READY = 'touch "$PWD.ready"';
const UNTIL_GO = 'until [ -e "$PWD.go" ]; do sleep 0.05; done';

const ready = ({ site }: Place): Promise<boolean> => until(() => existsSync(`${site}.ready`), 'the command works');
const go = ({ site, run }: Place): Promise<unknown> => run(['-c', `touch '${site}.go'`], { program: 'sh' });
const pids = ({ site }: Place): number[] =>
  existsSync(`${site}.pids`) ? readFileSync(`${site}.pids`, 'utf8').trim().split(/\s+/).map(Number) : [];
const stageOf = async (place: Place): Promise<string | undefined> =>
  (await place.mutations()).find((one) => one.datasets[0]?.name === place.site && one.stage !== 'denied')?.stage;

describe('the guard is killed', () => {
  let shared: Place;
  beforeAll(async () => {
    shared = openPlace();
    await shared.controller();
  });
  afterAll(() => shared.close());

  test('kill -9: its processes are stopped, also one in a session of its own, and the change is undone at once', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    // The grandchild writes on and on, in a session of its own, its parent gone.
    const guard = place.startGuard(
      `echo $$ > "$PWD.pids"; setsid sh -c 'echo $$ >> "$PWD.pids"; while :; do date >> config; sleep 0.02; done' & ${WRECK}; ${READY}; sleep 300`,
    );
    await ready(place);
    await until(() => pids(place).length === 2, 'both have started');
    const killed = performance.now();
    guard.child.kill('SIGKILL');
    await until(() => fingerprint(place.site) === before, 'the change is undone');
    const tookMs = performance.now() - killed;
    expect(pids(place).filter(isAlive)).toEqual([]);
    await until(async () => (await stageOf(place)) === 'rolled_back', 'it is recorded');
    expect(fingerprint(place.site)).toBe(before);
    // At once: no lease has to run out first.
    expect(tookMs).toBeLessThan(8_000);
  });

  test('kill -9 with processes that ignore SIGTERM: they are killed', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = place.startGuard(
      `trap '' TERM HUP; echo $$ > "$PWD.pids"; ${WRECK}; ${READY}; while :; do sleep 0.1; done`,
    );
    await ready(place);
    guard.child.kill('SIGKILL');
    await until(() => fingerprint(place.site) === before, 'the change is undone');
    expect(pids(place).filter(isAlive)).toEqual([]);
  });

  test('kill -9 with --on-expiry quarantine: its processes are stopped all the same, the change stays', async () => {
    const place = shared.another();
    const guard = place.startGuard(`echo $$ > "$PWD.pids"; ${WRECK}; ${READY}; while :; do sleep 0.1; done`, [
      '--on-expiry',
      'quarantine',
    ]);
    await ready(place);
    const wrecked = fingerprint(place.site);
    guard.child.kill('SIGKILL');
    await until(async () => (await stageOf(place)) === 'quarantined', 'it is quarantined');
    await until(() => !pids(place).some(isAlive), 'its processes have ended');
    expect(fingerprint(place.site)).toBe(wrecked);
    const id = (await place.mutations())[0]?.mutation ?? '';
    expect((await place.run(['resolve', id, '--commit'])).code).toBe(0);
  });

  test('kill -9 with --on-expiry quarantine: kept for a person, who keeps it', async () => {
    const place = shared.another();
    const guard = place.startGuard(`echo two > config; echo $$ > "$PWD.pids"; ${READY}; exec sleep 300`, [
      '--on-expiry',
      'quarantine',
    ]);
    await ready(place);
    guard.child.kill('SIGKILL');
    await until(async () => (await stageOf(place)) === 'quarantined', 'it is quarantined');
    const [mutation] = await place.mutations();
    const id = mutation?.mutation ?? '';
    const { locks } = await place.json<LockList>(['locks']);
    expect(locks).toMatchObject([{ mutation: id, stage: 'quarantined' }]);
    // Its locks stand until somebody decides.
    expect((await place.guard('touch ran', ['--wait', '0s'])).code).toBe(75);
    expect((await place.run(['resolve', id])).code).toBe(64);
    expect((await place.run(['resolve', id, '--commit'])).code).toBe(0);
    expect(readFileSync(join(place.site, 'config'), 'utf8')).toBe('two\n');
    expect(await stageOf(place)).toBe('committed');
    expect(pids(place).filter(isAlive)).toEqual([]);
    expect((await place.run(['resolve', id, '--commit'])).code).toBe(75);
  });

  test('kill -9 with --on-expiry quarantine: kept for a person, who undoes it', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = place.startGuard(`${WRECK}; ${READY}; exec sleep 300`, ['--on-expiry', 'quarantine']);
    await ready(place);
    guard.child.kill('SIGKILL');
    await until(async () => (await stageOf(place)) === 'quarantined', 'it is quarantined');
    expect(fingerprint(place.site)).not.toBe(before);
    const id = (await place.mutations())[0]?.mutation ?? '';
    expect((await place.run(['resolve', id, '--rollback'])).code).toBe(0);
    expect(fingerprint(place.site)).toBe(before);
    expect((await place.guard('true', ['--wait', '0s'])).code).toBe(0);
  });

  test('stalled past its lease: the controller undoes the change, and the guard does not commit afterwards', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`, ['--ttl', '1s']);
    await ready(place);
    guard.child.kill('SIGSTOP');
    await until(() => fingerprint(place.site) === before, 'the controller undoes the change');
    await until(async () => (await stageOf(place)) === 'rolled_back', 'it is recorded');
    await go(place);
    guard.child.kill('SIGCONT');
    const { code } = await guard.done;
    expect(code).not.toBe(0);
    expect(await stageOf(place)).toBe('rolled_back');
    expect(fingerprint(place.site)).toBe(before);
  });

  test('stalled past its lease, its command ended well meanwhile: no commit, 70', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`, ['--ttl', '1s']);
    await ready(place);
    guard.child.kill('SIGSTOP');
    await go(place);
    await until(() => fingerprint(place.site) === before, 'the controller undoes the change');
    await until(async () => (await stageOf(place)) === 'rolled_back', 'it is recorded');
    guard.child.kill('SIGCONT');
    expect((await guard.done).code).toBe(70);
    expect(fingerprint(place.site)).toBe(before);
  });

  test('stalled past its lease with --on-expiry quarantine: 70, and the change stays for a person', async () => {
    const place = shared.another();
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`, [
      '--ttl',
      '1s',
      '--on-expiry',
      'quarantine',
    ]);
    await ready(place);
    guard.child.kill('SIGSTOP');
    await until(async () => (await stageOf(place)) === 'quarantined', 'it is quarantined');
    await go(place);
    guard.child.kill('SIGCONT');
    const done = await guard.done;
    expect(done.code).toBe(70);
    expect(done.stderr).toContain('quarantined');
    const id = (await place.mutations())[0]?.mutation ?? '';
    expect((await place.run(['resolve', id, '--commit'])).code).toBe(0);
  });

  test('a lease is renewed for as long as the command works', async () => {
    const place = shared.another();
    const started = performance.now();
    // Far longer than the lease and the time of grace after it.
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`, ['--ttl', '1s']);
    await ready(place);
    await until(() => performance.now() - started > 4_500, 'four leases have gone by');
    await go(place);
    expect((await guard.done).code).toBe(0);
    expect(await stageOf(place)).toBe('committed');
  });
});

describe('the controller is killed while a command works', () => {
  test.concurrent('kill -9: the guard brings it back, hangs on again and commits', async ({ onTestFinished }) => {
    const place = ownPlace({}, onTestFinished);
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`);
    await ready(place);
    const first = place.controllerPid() ?? 0;
    process.kill(first, 'SIGKILL');
    await until(() => place.controllerPid() !== undefined && place.controllerPid() !== first, 'another one is started');
    await go(place);
    expect((await guard.done).code).toBe(0);
    expect(await stageOf(place)).toBe('committed');
    expect(readFileSync(join(place.site, 'config'), 'utf8')).toBe('two\n');
    expect((await place.run(['audit', 'verify'])).code).toBe(0);
  });

  test.concurrent('kill -9 and the command fails: the guard brings it back and the change is undone', async ({
    onTestFinished,
  }) => {
    const place = ownPlace({}, onTestFinished);
    const before = fingerprint(place.site);
    const guard = place.startGuard(`${WRECK}; ${READY}; ${UNTIL_GO}; exit 6`);
    await ready(place);
    process.kill(place.controllerPid() ?? 0, 'SIGKILL');
    await go(place);
    expect((await guard.done).code).toBe(6);
    expect(fingerprint(place.site)).toBe(before);
    expect(await stageOf(place)).toBe('rolled_back');
  });

  test.concurrent('it is stopped in good order and started again: the work goes on and is committed', async ({
    onTestFinished,
  }) => {
    const place = ownPlace({}, onTestFinished);
    await place.controller();
    const guard = place.startGuard(`echo two > config; ${READY}; ${UNTIL_GO}`);
    await ready(place);
    const first = place.controllerPid() ?? 0;
    process.kill(first, 'SIGTERM');
    await until(() => place.controllerPid() !== undefined && place.controllerPid() !== first, 'another one is started');
    await go(place);
    expect((await guard.done).code).toBe(0);
    expect(await stageOf(place)).toBe('committed');
  });

  test.concurrent('a named one that stays away: the command is stopped before its lease ends, 70, undone when it is back', async ({
    onTestFinished,
  }) => {
    const place = ownPlace({}, onTestFinished);
    const before = fingerprint(place.site);
    const controller = await place.controller();
    const named = ['--controller', `unix:${place.home}/controller.sock`, '--ttl', '2s'];
    const guard = place.startGuard(
      `echo $$ > "$PWD.pids"; echo two > config; ${READY}; while :; do date >> config; sleep 0.02; done`,
      named,
    );
    await ready(place);
    const killed = performance.now();
    controller.child.kill('SIGKILL');
    await until(() => !pids(place).some(isAlive), 'the command is stopped');
    expect(performance.now() - killed).toBeLessThan(2_000 + 1_500);
    // Nobody but the named one could have been asked, and nobody else was started.
    expect(place.controllerPid()).toBeUndefined();
    const done = await guard.done;
    expect(done.stderr).toContain('outcome unknown');
    expect(done.code).toBe(70);
    await place.controller();
    await until(() => fingerprint(place.site) === before, 'the change is undone');
    await until(async () => (await stageOf(place)) === 'rolled_back', 'it is recorded');
  });

  test.concurrent('a named one that is away when the command fails: what it left is ended at once, and people are told whom they wait for', async ({
    onTestFinished,
  }) => {
    const place = ownPlace({}, onTestFinished);
    const before = fingerprint(place.site);
    const controller = await place.controller();
    const named = ['--controller', `unix:${place.home}/controller.sock`, '--ttl', '5m'];
    const daemon = `setsid sh -c 'while :; do date >> config; sleep 0.02; done' & echo $! > "$PWD.pids"`;
    const guard = place.startGuard(`echo two > config; ${daemon}; ${READY}; ${UNTIL_GO}; exit 6`, named);
    await ready(place);
    controller.child.kill('SIGKILL');
    await controller.done;
    await go(place);
    await until(() => !pids(place).some(isAlive), 'what the command left is ended');
    await until(
      () => /waiting for the controller, \d+ min at most: .*does not answer/.test(guard.stderr()),
      'people know',
    );
    // It is not over: whoever comes back hears how it ended.
    await place.controller();
    expect((await guard.done).code).toBe(6);
    expect(fingerprint(place.site)).toBe(before);
    expect(await stageOf(place)).toBe('rolled_back');
  });

  test.concurrent('both are killed: undone when a controller is back', async ({ onTestFinished }) => {
    const place = ownPlace({}, onTestFinished);
    const before = fingerprint(place.site);
    const guard = place.startGuard(`echo $$ > "$PWD.pids"; ${WRECK}; ${READY}; sleep 300`);
    await ready(place);
    process.kill(place.controllerPid() ?? 0, 'SIGKILL');
    guard.child.kill('SIGKILL');
    await until(() => place.controllerPid() === undefined, 'it is dead');
    expect(await stageOf(place)).toMatch(/cleared|rolling_back/);
    await until(() => fingerprint(place.site) === before, 'the change is undone');
    await until(async () => (await stageOf(place)) === 'rolled_back', 'it is recorded');
    expect(pids(place).filter(isAlive)).toEqual([]);
  });
});
