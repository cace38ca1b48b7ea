import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { systemClock } from '../../../src/bin/clock.ts';
import { Freezable, type Handle, handleOf } from '../../../src/node/halting/freezable.ts';
import { Freezer, type FreezerOptions } from '../../../src/node/halting/freezer.ts';
import { whyNotToFreeze } from '../../../src/node/halting/own.ts';
import { CGROUPS, needs } from '../../needs.ts';
import { until } from '../../until.ts';

const LONG_MS = 60_000;

let folder: string;
let group: string;
let sleeper: ChildProcess;
let broken: string[];
const freezers: Freezer[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-freeze-'));
  broken = [];
});
afterEach(async () => {
  for (const freezer of freezers.splice(0)) await freezer.thaw();
  rmSync(folder, { recursive: true, force: true });
});

function makeGroup(): void {
  group = join(CGROUPS ?? '', `hauki-test-${process.pid}-${Math.floor(Math.random() * 1e9)}`);
  mkdirSync(group);
  sleeper = spawn('sh', ['-c', 'while :; do date +%s%N > "$0"; sleep 0.02; done', join(folder, 'tick')], {
    stdio: 'ignore',
  });
  writeFileSync(join(group, 'cgroup.procs'), String(sleeper.pid));
}

async function removeGroup(): Promise<void> {
  writeFileSync(join(group, 'cgroup.kill'), '1');
  // It is busy until the last one has died, which is later than not being listed.
  await until(() => {
    try {
      rmdirSync(group);
    } catch {
      return false;
    }
    return true;
  }, 'the group is empty and gone');
}

function freezer(more: Partial<FreezerOptions> = {}): Freezer {
  const one = new Freezer({
    things: [{ cgroup: group }],
    limitMs: LONG_MS,
    stateFile: join(folder, 'frozen.json'),
    untilMono: () => undefined,
    broke: (why) => broken.push(why),
    clock: systemClock,
    log: { info: () => {}, warn: () => {}, error: () => {} },
    ...more,
  });
  freezers.push(one);
  return one;
}

const signal = new AbortController().signal;

function isFrozen(): boolean {
  return /frozen 1/.test(readFileSync(join(group, 'cgroup.events'), 'utf8'));
}

describe('what can be frozen', () => {
  it.each([
    [{ unit: 'crm.service' }, true],
    [{ unit: 'crm@blue.service' }, true],
    [{ unit: '--help' }, false],
    [{ unit: 'a b' }, false],
    [{ container: 'crm' }, true],
    [{ container: 'crm', via: 'incus' }, true],
    [{ container: 'crm/../x' }, false],
    [{ container: 'crm?project=x' }, false],
    [{ cgroup: '/sys/fs/cgroup/batch' }, true],
    [{ cgroup: '/sys/fs/cgroup' }, false],
    [{ cgroup: '/sys/fs/cgroup/../../etc' }, false],
    [{ cgroup: '/etc' }, false],
    [{}, false],
    [{ unit: 'a', container: 'b' }, false],
  ])('%j: %s', (thing, fits) => {
    expect(Freezable.safeParse(thing).success).toBe(fits);
  });
});

describe('a container that LXD does not thaw', () => {
  it.each([
    ['Running', undefined],
    ['Stopped', undefined],
    ['Frozen', 'refused'],
    // A process of it did not stop in time; when it does, the container is frozen.
    ['Freezing', 'refused'],
    ['Error', 'refused'],
    [undefined, 'refused'],
  ])('and says is %s: %s', async (status, why) => {
    const run = async (argv: readonly string[]): Promise<{ why: string | undefined; stdout: string }> => {
      if (argv.includes('PUT') || status === undefined) return { why: 'refused', stdout: '' };
      return { why: undefined, stdout: JSON.stringify({ status }) };
    };
    expect(await handleOf({ container: 'crm', via: 'lxc' }, run as Parameters<typeof handleOf>[1]).thaw()).toBe(why);
  });
});

describe('a thaw that is tried again', () => {
  it('does not thaw what is frozen after it', async () => {
    let frozen = false;
    let thaw: () => Promise<string | undefined> = async () => 'it hangs';
    const things = [{ cgroup: '/sys/fs/cgroup/none' }];
    writeFileSync(join(folder, 'cgroup.procs'), '');
    const handle: Handle = {
      words: 'crm',
      freeze: async () => void (frozen = true),
      thaw: () => thaw(),
      thawArgv: ['true'],
      group: async () => folder,
    };
    const one = freezer({ things, handleOf: () => handle });
    expect(await one.freeze(signal)).toBeUndefined();
    await one.thaw();
    // It is asked again after a second, and takes its time.
    let go = (): void => undefined;
    const tried = new Promise<void>((resolve) => {
      thaw = async () => {
        resolve();
        await new Promise<void>((end) => (go = end));
        frozen = false;
        return undefined;
      };
    });
    await tried;
    const goOn = go;
    thaw = async () => void (frozen = false);
    const again = one.thaw().then(() => one.freeze(signal));
    await new Promise((resolve) => setTimeout(resolve, 50));
    goOn();
    expect(await again).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect([frozen, one.frozen]).toEqual([true, ['crm']]);
    expect(existsSync(join(folder, 'frozen.json'))).toBe(true);
  });
});

needs('cgroup').describe('a freezer', () => {
  beforeEach(makeGroup);
  afterEach(removeGroup);

  it('freezes, remembers what, thaws, and forgets it', async () => {
    const one = freezer();
    expect(await one.freeze(signal)).toBeUndefined();
    expect(isFrozen()).toBe(true);
    expect(one.frozen).toEqual([`cgroup ${group}`]);
    const last = readFileSync(join(folder, 'tick'), 'utf8');
    expect(existsSync(join(folder, 'frozen.json'))).toBe(true);
    await one.thaw();
    expect(isFrozen()).toBe(false);
    expect(existsSync(join(folder, 'frozen.json'))).toBe(false);
    await until(() => readFileSync(join(folder, 'tick'), 'utf8') !== last, 'it goes on');
    expect(broken).toEqual([]);
    await one.thaw();
  });

  it('says so when something was frozen for longer than its limit', async () => {
    const one = freezer({ limitMs: 100 });
    await one.freeze(signal);
    await until(() => broken.length > 0, 'the limit passes');
    expect(broken[0]).toMatch(/was frozen for 100 ms, its limit/);
  });

  it('is watched over: at the deadline another process thaws, and the freezer knows', async () => {
    const deadline = systemClock.mono() - 500;
    const one = freezer({ untilMono: () => deadline });
    await one.freeze(signal);
    await until(() => !isFrozen(), 'the watchdog thaws', 5_000);
    await until(() => broken.length > 0, 'it is known');
    expect(broken[0]).toMatch(/was thawed by its watchdog/);
  });

  it('puts the watchdog off when the deadline is put off', async () => {
    let deadline = systemClock.mono() + 500;
    const one = freezer({ untilMono: () => deadline });
    await one.freeze(signal);
    const end = systemClock.mono() + 4_000;
    while (systemClock.mono() < end) {
      deadline = systemClock.mono() + 500;
      one.extend();
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(isFrozen()).toBe(true);
    }
    expect(broken).toEqual([]);
  }, 10_000);

  it('thaws what an earlier run has left frozen', async () => {
    await freezer().freeze(signal);
    const next = freezer();
    expect(await next.recover()).toEqual([`cgroup ${group}`]);
    expect(isFrozen()).toBe(false);
    expect(existsSync(join(folder, 'frozen.json'))).toBe(false);
    expect(await next.recover()).toEqual([]);
  });

  it('freezes nothing that it could not remember', async () => {
    const one = freezer({ stateFile: join(folder, 'none', 'frozen.json') });
    expect(await one.freeze(signal)).toMatch(/nothing is frozen that could not be remembered/);
    expect(isFrozen()).toBe(false);
  });

  it('leaves nothing frozen when one of several cannot be', async () => {
    const one = freezer({ things: [{ cgroup: group }, { cgroup: join(group, 'none') }] });
    expect(await one.freeze(signal)).toMatch(/none is not frozen: ENOENT/);
    expect(isFrozen()).toBe(false);
  });

  it('does not freeze the node itself', async () => {
    expect(await whyNotToFreeze(CGROUPS ?? '')).toBe('this node itself runs in it');
  });

  it('does not wait for a freeze that is called off', async () => {
    const off = new AbortController();
    off.abort();
    expect(await freezer().freeze(off.signal)).toMatch(/could not be frozen: called off/);
    expect(isFrozen()).toBe(false);
  });
});

needs('cgroup', 'gocryptfs').describe('a group that serves a FUSE mount of ours', () => {
  let mount: string;
  beforeEach(async () => {
    makeGroup();
    const cipher = join(folder, 'cipher');
    mount = join(folder, 'clear');
    mkdirSync(cipher);
    mkdirSync(mount);
    writeFileSync(join(folder, 'pass'), 'secret');
    const passfile = ['-passfile', join(folder, 'pass'), '-q'];
    spawnSync('gocryptfs', ['-init', '-scryptn', '10', ...passfile, cipher]);
    // It takes its place in the group before it is a server.
    spawn(
      'sh',
      ['-c', 'echo $$ > "$0"; exec "$@"', join(group, 'cgroup.procs'), 'gocryptfs', '-fg', ...passfile, cipher, mount],
      {
        stdio: 'ignore',
      },
    );
    await until(() => readFileSync('/proc/self/mountinfo', 'utf8').includes(mount), 'it is mounted');
  });
  afterEach(async () => {
    spawnSync('fusermount3', ['-u', mount]);
    await removeGroup();
  });

  it('is refused, with the mount named', async () => {
    const why = await freezer().freeze(signal);
    expect(why).toMatch(/is not frozen: its process \d+ serves (a|the) FUSE mount/);
    expect(why).toContain(mount);
    expect(isFrozen()).toBe(false);
    writeFileSync(join(mount, 'x'), 'still served');
  });
});
