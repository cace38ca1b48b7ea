import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { type Group, group, HALT_MS, isLive, type MeshHere, meshAt, type NodeHere, nodeAt } from './mesh.ts';
import { commandLine, isAlive, place, type Place, processesOf } from './place.ts';

/* Real node processes in barriers: flushed, frozen, and with whatever can go wrong in each state. */

const EPOCH = 7;
const round = { epoch: EPOCH, nodes: ['crm', 'web'], intent: 'bump the schema', flushMsMax: 30_000 };

interface Scene {
  readonly own: Place;
  readonly here: MeshHere;
  readonly frozen: Group;
  /** Flushes with a hook, and freezes a group. */
  readonly crm: NodeHere;
  readonly web: NodeHere;
}

async function scene(script = 'echo $HAUKI_EPOCH > "$0/flushed"', within = '20s'): Promise<Scene> {
  const own = place();
  const here = await meshAt(own);
  const frozen = group();
  const crm = nodeAt(own, 'crm', {
    halt: {
      flush: [{ run: ['sh', '-c', script, own.folder], within }],
      sync: [own.folder],
      freeze: [{ cgroup: frozen.path }],
    },
  });
  const web = nodeAt(own, 'web');
  await isLive(here, 'crm', 'web');
  return { own, here, frozen, crm, web };
}

async function halted(one: Scene): Promise<void> {
  expect(await one.here.mesh.halt(round)).toMatchObject({ ok: true });
  expect(one.frozen.isFrozen()).toBe(true);
}

/** A flush that goes on until the test wants it to end. */
const SLOW = 'trap "" TERM; echo $$ > "$0/hook"; until [ -e "$0/go" ]; do sleep 0.05; done';

async function flushing(one: Scene): ReturnType<MeshHere['mesh']['halt']> {
  const halting = one.here.mesh.halt({ ...round, flushMsMax: 4_000 });
  await until(() => existsSync(join(one.own.folder, 'hook')), 'the hook runs');
  return halting;
}

function pulseOf({ here }: Scene, name: string): object | undefined {
  return here.mesh.presence(name)?.heartbeat.pulse;
}

const runsAgain = (one: Scene): Promise<boolean> =>
  until(() => (pulseOf(one, 'crm') as { state?: string })?.state === 'running', 'it runs again');

needs('cgroup').describe('nodes in a barrier', () => {
  test('flush, freeze, hold, and go on', async () => {
    const one = await scene();
    await halted(one);
    expect(readFileSync(join(one.own.folder, 'flushed'), 'utf8')).toBe(`${EPOCH}\n`);
    await until(() => one.crm.heartbeat()?.pulse.state === 'halted', 'its file says so as well');
    // Longer than a deadline, which is put off for as long as the controller wants.
    await new Promise((resolve) => setTimeout(resolve, HALT_MS * 2));
    expect(one.frozen.isFrozen()).toBe(true);
    expect(await one.here.mesh.verify(EPOCH, false)).toEqual({ ok: true, value: undefined });
    await until(() => !one.frozen.isFrozen(), 'it is thawed');
    one.here.mesh.keep([]);
    expect(pulseOf(one, 'crm')).toMatchObject({ state: 'running', epoch: EPOCH, held: true });
    await until(() => processesOf(one.own.folder).length === 2, 'no watchdog is left');
  });

  test('a flush hook that hangs is killed with its children, and the node says why', async () => {
    const one = await scene('(trap "" TERM; echo $$ > "$0/hook"; while :; do sleep 1; done) & wait', '300ms');
    const off = await one.here.mesh.halt(round);
    expect(off).toMatchObject({ ok: false, error: { code: 'flush_failed', evidence: { nodes: [{ node: 'crm' }] } } });
    expect(off.ok ? '' : off.error.message).toMatch(/flush hook sh did not end within 300 ms and was killed/);
    expect(isAlive(Number(readFileSync(join(one.own.folder, 'hook'), 'utf8')))).toBe(false);
    one.here.mesh.keep([]);
    await until(() => (pulseOf(one, 'web') as { state?: string })?.state === 'running', 'the other goes on');
    expect(one.frozen.isFrozen()).toBe(false);
  });

  test.each<[string, (node: NodeHere) => void]>([
    ['stopped', (node) => node.signal('SIGSTOP')],
    ['killed', (node) => node.signal('SIGKILL')],
  ])('a node %s while it flushes: the barrier is off, and nothing stays frozen', async (how, spoil) => {
    const one = await scene(SLOW);
    const halting = flushing(one);
    await until(() => existsSync(join(one.own.folder, 'hook')), 'the hook runs');
    // What it does not know from its file, the next run knows nothing of.
    await until(() => one.crm.heartbeat()?.pulse.state === 'flushing', 'it is on the disk');
    spoil(one.crm);
    expect(await halting).toMatchObject({ ok: false, error: { code: 'flush_failed' } });
    one.here.mesh.keep([]);
    expect(one.frozen.isFrozen()).toBe(false);
    if (how === 'stopped') one.crm.signal('SIGCONT');
    else one.crm.start();
    await until(() => {
      const pulse = one.crm.heartbeat()?.pulse;
      return pulse?.state === 'running' && pulse.epoch === EPOCH && pulse.held === false;
    }, 'it runs, and knows that it did not hold');
    const hook = Number(readFileSync(join(one.own.folder, 'hook'), 'utf8'));
    await until(() => !isAlive(hook), 'its hook is ended');
    expect(one.frozen.isFrozen()).toBe(false);
  });

  test('a node stopped while it is halted: a watchdog thaws, and the snapshot proves nothing', async () => {
    const one = await scene();
    await halted(one);
    one.crm.signal('SIGSTOP');
    await until(() => !one.frozen.isFrozen(), 'it is thawed without the node', HALT_MS + 5_000);
    expect(await one.here.mesh.verify(EPOCH, false)).toMatchObject({ ok: false, error: { code: 'barrier_broken' } });
    one.here.mesh.keep([]);
    one.crm.signal('SIGCONT');
    await until(() => one.crm.heartbeat()?.pulse.held === false, 'it knows that it did not hold');
  });

  test('a node stopped for a moment while it is halted has held all the same', async () => {
    const one = await scene();
    await halted(one);
    one.crm.signal('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, HALT_MS / 4));
    one.crm.signal('SIGCONT');
    expect(await one.here.mesh.verify(EPOCH, false)).toMatchObject({ ok: true });
    one.here.mesh.keep([]);
  });

  test('a node killed while it is halted: thawed at once, and the next run is another', async () => {
    const one = await scene();
    await halted(one);
    one.crm.signal('SIGKILL');
    await until(() => !one.frozen.isFrozen(), 'it is thawed without the node', 2_000);
    one.crm.start();
    expect(await one.here.mesh.verify(EPOCH, false)).toMatchObject({ ok: false, error: { code: 'barrier_broken' } });
    one.here.mesh.keep([]);
    await isLive(one.here, 'crm');
    expect(existsSync(join(one.crm.home, 'frozen.json'))).toBe(false);
  });

  test('a node killed together with its watchdog: the next start thaws, or hauki thaw does', async () => {
    const one = await scene();
    const killAll = async (): Promise<void> => {
      one.crm.signal('SIGSTOP');
      const watchdogs = processesOf(one.own.folder).filter((pid) => /trap/.test(commandLine(pid)));
      // Two while it is being renewed.
      expect(watchdogs.length).toBeGreaterThan(0);
      for (const pid of watchdogs) process.kill(pid, 'SIGKILL');
      one.crm.signal('SIGKILL');
      await one.crm.running.done;
      one.here.mesh.keep([]);
      expect(one.frozen.isFrozen()).toBe(true);
    };
    await halted(one);
    await killAll();
    one.crm.start();
    await until(() => !one.frozen.isFrozen(), 'the start thaws it');
    await isLive(one.here, 'crm', 'web');
    await until(() => one.crm.heartbeat()?.pulse.held === false, 'it knows which barrier it was in');
    expect(one.crm.running.stderr()).toMatch(/an earlier run left something frozen/);

    expect(await one.here.mesh.halt({ ...round, epoch: 8 })).toMatchObject({ ok: true });
    await killAll();
    expect((await one.crm.hauki(['thaw'])).stdout).toMatch(/no node process runs.*thawed cgroup/);
    expect(one.frozen.isFrozen()).toBe(false);
  });

  test.each(['flushing', 'halted'])(
    'the controller killed while nodes are %s: they run again by themselves',
    async (state) => {
      const one = await scene(state === 'flushing' ? SLOW : undefined);
      if (state === 'flushing') void flushing(one);
      else await halted(one);
      await until(() => one.crm.heartbeat()?.pulse.state === state, 'it is where it should be');
      await one.here.die();
      await until(() => one.crm.heartbeat()?.pulse.state === 'running', 'it runs again', HALT_MS + 3_000);
      await until(() => one.web.heartbeat()?.pulse.state === 'running', 'so does the other', HALT_MS + 3_000);
      expect(one.crm.heartbeat()?.pulse).toMatchObject({ epoch: EPOCH, held: false });
      await until(() => !one.frozen.isFrozen(), 'it is thawed');
      await one.here.live();
      one.here.mesh.keep([]);
      await isLive(one.here, 'crm', 'web');
      expect(
        await one.here.mesh.halt({ ...round, epoch: 9, flushMsMax: state === 'flushing' ? 100 : 20_000 }),
      ).toMatchObject({ ok: state === 'halted' });
      one.here.mesh.keep([]);
      await runsAgain(one);
    },
  );

  test('hauki thaw ends it, and says so', async () => {
    const one = await scene();
    await halted(one);
    expect((await one.crm.hauki(['node', 'status'])).stdout).toMatch(/crm +halted \(barrier 7\) +linked.*cgroup/);
    expect((await one.crm.hauki(['thaw'])).stdout).toMatch(/^crm ended barrier 7, in which it was halted,.*runs\n$/);
    expect(one.frozen.isFrozen()).toBe(false);
    expect(await one.here.mesh.verify(EPOCH, false)).toMatchObject({ ok: false, error: { code: 'barrier_broken' } });
    one.here.mesh.keep([]);
  });

  test('a clean stop thaws', async () => {
    const one = await scene();
    await halted(one);
    one.crm.signal('SIGTERM');
    expect((await one.crm.running.done).code).toBe(0);
    expect(one.frozen.isFrozen()).toBe(false);
    one.here.mesh.keep([]);
  });
});
