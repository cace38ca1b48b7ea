import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, onTestFinished, test } from 'vitest';

import { needs } from '../needs.ts';
import { mounted } from '../storage/real/ground.ts';
import { until } from '../until.ts';
import { furnish, type Place, place } from './place.ts';

interface Report {
  readonly status: string;
  readonly fence: number;
  readonly mutations: readonly { readonly mutation: string; readonly stage: string }[];
}

const TIMEOUT_MS = 90_000;

/** The intents in the order of their guards, and what a rebuilt ledger makes of each. */
const HISTORY = { first: 'committed', fails: 'rolled_back', second: 'committed', open: 'quarantined' } as const;

/** One guard after the other on `site`; the last one dies, and leaves its mutation quarantined. */
async function live(here: Place, site: string): Promise<Map<string, string>> {
  const on = (intent: string): string[] => ['--intent', intent, '--path', site];
  await here.guard(`echo first > ${site}/config`, on('first'));
  await here.guard(`echo fails > ${site}/config; exit 1`, on('fails'));
  await here.guard(`echo second > ${site}/config`, on('second'));
  const dies = here.startGuard(`echo open > ${site}/config; sleep 600`, [...on('open'), '--on-expiry', 'quarantine']);
  await until(() => content(site) === 'open', 'the last command has begun');
  dies.child.kill('SIGKILL');
  await until(async () => (await here.mutations())[0]?.stage === 'quarantined', 'its mutation is quarantined');
  const ids = new Map((await here.mutations()).map(({ intent, mutation }) => [intent, mutation]));
  await stop(here);
  return ids;
}

async function stop(here: Place): Promise<void> {
  const pid = here.controllerPid();
  if (pid !== undefined) process.kill(pid, 'SIGTERM');
  await until(() => here.controllerPid() === undefined, 'the controller has ended');
}

function content(site: string): string {
  return readFileSync(join(site, 'config'), 'utf8').trim();
}

async function rebuilds(here: Place, site: string, ids: Map<string, string>): Promise<void> {
  const own = (stages: readonly { mutation: string; stage: string }[]): Record<string, string | undefined> => {
    const known = new Map(stages.map(({ mutation, stage }) => [mutation, stage]));
    return Object.fromEntries([...ids].map(([intent, id]) => [intent, known.get(id)]));
  };
  const dry = await here.json<Report>(['audit', 'rebuild', '--dry-run']);
  expect(dry.status).toBe('would_rebuild');
  expect(own(dry.mutations)).toEqual(HISTORY);

  const done = await here.run(['audit', 'rebuild']);
  expect(done).toMatchObject({ code: 0 });
  expect(done.stdout).toContain(`hauki resolve ${ids.get('open')} --commit or --rollback`);
  expect((await here.run(['audit', 'verify'])).stdout).toContain('the ledger is whole');
  expect(own(await here.mutations())).toEqual(HISTORY);
  expect(await here.show(ids.get('first') ?? '')).toMatchObject({ rebuilt: true, reason: { code: 'outcome_unknown' } });
  expect((await here.run(['log'])).stdout).toContain('committed (rebuilt)');

  // The newest holds its locks until a person has decided.
  const denied = await here.guard('true', ['--path', site, '--wait', '0s']);
  expect(denied.code).toBe(75);
  expect((await here.run(['resolve', ids.get('open') ?? '', '--rollback'])).code).toBe(0);
  expect(content(site)).toBe('second');
  expect((await here.run(['rollback', ids.get('second') ?? ''])).code).toBe(0);
  expect(content(site)).toBe('first');

  const next = await here.guard('echo $HAUKI_FENCE', ['--path', site]);
  expect(Number(next.stdout)).toBeGreaterThan(done.stdout.includes('above') ? dry.fence : Infinity);
  const again = await here.run(['audit', 'rebuild', '--json']);
  expect(again.code).toBe(75);
  expect(JSON.parse(again.stdout)).toMatchObject({ code: 'ledger_present' });
  await stop(here);
  expect((await here.run(['audit', 'verify'])).code).toBe(0);
}

describe('a ledger that was lost is rebuilt from directories', () => {
  test('with its key gone too', { timeout: TIMEOUT_MS }, async () => {
    const here = place();
    const ids = await live(here, here.site);
    for (const lost of ['ledger', 'controller.key', 'controller.pub'])
      rmSync(join(here.home, lost), { recursive: true });
    expect(existsSync(join(here.home, 'ledger'))).toBe(false);
    expect((await here.run(['audit', 'rebuild', '--dry-run'])).stdout).not.toContain('to let in');
    await here.run(['mesh', 'init']);
    const told = await here.run(['audit', 'rebuild', '--dry-run']);
    expect(told.stdout).toMatch(
      /knows no nodes and no API tokens; of those that had mutations: .*\n.*hauki node invite NAME/,
    );
    rmSync(join(here.home, 'mesh'), { recursive: true });
    await rebuilds(here, here.site, ids);
  });

  test('after somebody wondered where it is, and started a new one', { timeout: TIMEOUT_MS }, async () => {
    const here = place();
    const ids = await live(here, here.site);
    rmSync(join(here.home, 'ledger'), { recursive: true });
    expect(ids.size).toBe(4);
    await until(
      async () => (await here.run(['status'])).stdout.includes('"hauki audit rebuild"'),
      'the status says what was found',
    );
    await rebuilds(here, here.site, ids);
  });

  test('not at all when there is nothing to rebuild it from', async () => {
    const here = place();
    expect((await here.run(['audit', 'rebuild'])).stdout).toContain('nothing to rebuild');
    expect(existsSync(join(here.home, 'ledger/ledger.db'))).toBe(false);
  });
});

needs('btrfs').describe('a ledger that was lost is rebuilt from btrfs', () => {
  test('with its key still there', { timeout: TIMEOUT_MS }, async () => {
    const disk = mounted('btrfs', 512);
    onTestFinished(disk.remove);
    const here = place();
    const site = join(disk.path, 'site');
    execFileSync('btrfs', ['-q', 'subvolume', 'create', site]);
    furnish(site);
    const ids = await live(here, site);
    expect(ids.size).toBe(4);
    rmSync(join(here.home, 'ledger'), { recursive: true });
    await rebuilds(here, site, ids);
  });
});
