import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { refusal, RefusedError } from '../../../src/base/refusal.ts';
import { ok } from '../../../src/base/result.ts';
import { systemClock } from '../../../src/bin/clock.ts';
import type { TaskResult } from '../../../src/core/task/ending.ts';
import type { Guarded } from '../../../src/node/guarded.ts';
import type { Desk } from '../../../src/node/task/desk.ts';
import { Feed } from '../../../src/node/task/feed.ts';
import { type Folders, foldersIn, plainSpool } from '../../../src/node/task/folders.ts';
import { ShadowWriter } from '../../../src/node/task/writer.ts';
import type { Reach } from '../../../src/ports/reach.ts';
import type { MutationView } from '../../../src/wire/http.ts';
import { needs } from '../../needs.ts';
import { smallDisk } from '../../small-disk.ts';
import { until } from '../../until.ts';

/* Which task begins when, and what becomes of those that cannot: with a controller that does what the test says. */

let folder = '';
let spool = '';
let folders: Folders;
let writer: ShadowWriter | undefined;
/** Whose clearance was asked for, in order; whose work was begun. */
let asked: string[];
let ran: string[];
/** What the controller does about a task. */
let answer: (task: string, work: () => Promise<void>) => Promise<void>;
let show: (mutation: string) => Promise<MutationView>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-writer-'));
  spool = join(folder, 'spool');
  folders = foldersIn(plainSpool(spool).folder);
  asked = [];
  ran = [];
  answer = (_, work) => work();
  show = () => Promise.reject(new RefusedError(refusal('mutation_unknown', 'There is none.')));
});
afterEach(async () => {
  answer = (_, work) => work();
  await writer?.stop();
  writer = undefined;
  rmSync(folder, { recursive: true });
});

function started(signers?: string): ShadowWriter {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const desk: Partial<Desk> = {
    guard: async ({ task }, work, signal) => {
      asked.push(task);
      const mutation = `m-${task}`;
      const env = { HAUKI_MUTATION: mutation, HAUKI_FENCE: '1', HAUKI_SNAPSHOT: 's', HAUKI_INTENT: 'x' };
      await answer(task, () => work({ mutation, fence: 1, snapshot: 's', driver: 'zfs', signal, env } as Guarded));
    },
    report: async () => undefined,
    ready: async () => true,
    show: (mutation) => show(mutation),
  };
  const reach: Partial<Reach> = {
    run: async ({ env }) => {
      ran.push(env?.['HAUKI_TASK'] ?? '');
      return ok({ code: 0, signal: undefined, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }) as never;
    },
    stop: async () => ok({ stopped: 0 }),
  };
  writer = new ShadowWriter({
    ...{ node: 'crm', spools: [spool], folders, scratch: join(folder, 'scratch'), clock: systemClock, log: silent },
    rules: {
      signers,
      unsigned: signers === undefined,
      datasets: ['own'],
      root: undefined,
      timeoutMs: 1_000,
      waitMs: 1,
    },
    desk: desk as Desk,
    reach: reach as Reach,
    surgeon: { isPatch: () => false } as never,
    sweeping: async () => async () => ok({ stopped: 0 }),
    feed: new Feed(systemClock, () => undefined),
    reached: () => undefined,
    random: () => 0,
    spool: plainSpool(spool),
  });
  return writer;
}

function drop(name: string, header = ''): void {
  writeFileSync(join(spool, 'draft'), `#!/bin/sh\n${header}`);
  // As put.ts does: then it need not come to rest first, and several stand in the order of their names from the first look on.
  utimesSync(join(spool, 'draft'), new Date(), new Date(Date.now() - 1_000));
  renameSync(join(spool, 'draft'), join(folders.inbox, name));
}

function on(...datasets: readonly string[]): string {
  return `#hauki datasets: ${datasets.join(', ')}\n`;
}

async function ended(name: string, outcome: TaskResult['outcome']): Promise<TaskResult> {
  await until(() => existsSync(join(folders[outcome], name)), `${name} is ${outcome}`);
  // What was remembered of it goes a moment later.
  await until(() => !existsSync(join(folders.claimed, `${name}.claim.json`)), `nothing of ${name} lies claimed`);
  return JSON.parse(readFileSync(join(folders[outcome], `${name}.result.json`), 'utf8')) as TaskResult;
}

function lostOutcome(task: string): Error {
  return Object.assign(new Error('nobody knows'), { hauki: { mutation: `m-${task}`, stage: 'unknown', evidence: [] } });
}

describe('the Shadow Writer', { timeout: 30_000 }, () => {
  test('lets nothing overtake a task that was put back', async () => {
    const away = new RefusedError(refusal('ledger_unavailable', 'Not now.'));
    answer = async (task, work) => {
      if (asked.filter((one) => one === task).length > 2) return work();
      await sleep(250);
      throw away;
    };
    drop('a');
    drop('b');
    drop('x', on('other'));
    drop('y', on('other'));
    started().start(() => true);
    for (const name of ['a', 'b', 'x', 'y']) await ended(name, 'done');
    const order = (names: string): string[] => asked.filter((one) => names.includes(one));
    expect(order('ab').join('')).toBe('aaabbb');
    expect(order('xy').join('')).toBe('xxxyyy');
    expect(ran.toSorted()).toEqual(['a', 'b', 'x', 'y']);
  });

  test('ends all whose end nobody knows, also those that it hears of while it looks after others', async () => {
    let late = (): void => {};
    const heard = new Promise<void>((resolve) => (late = resolve));
    answer = async (task, work) => {
      await work();
      if (task === 'late') await heard;
      throw lostOutcome(task);
    };
    show = async (mutation) => {
      // While the first is looked after, the other ends in the same way.
      late();
      await sleep(200);
      return { mutation, stage: 'rolled_back', evidence: [] } as unknown as MutationView;
    };
    drop('early', on('a'));
    drop('late', on('b'));
    started().start(() => true);
    for (const name of ['early', 'late'])
      expect(await ended(name, 'failed')).toMatchObject({ interrupted: true, stage: 'rolled_back' });
    expect(readdirSync(folders.claimed)).toEqual([]);
  });

  test('leaves a task alone that runs on while it looks after another', async () => {
    let finish = (): void => {};
    const held = new Promise<void>((resolve) => (finish = resolve));
    answer = async (task, work) => {
      if (task === 'long') await held;
      await work();
      if (task === 'lost') throw lostOutcome(task);
    };
    show = async (mutation) => ({ mutation, stage: 'rolled_back', evidence: [] }) as unknown as MutationView;
    drop('long', on('a'));
    drop('lost', on('b'));
    drop('next', on('b'));
    started().start(() => true);
    await ended('lost', 'failed');
    await ended('next', 'done');
    expect(readdirSync(folders.claimed)).toEqual(['long']);
    finish();
    await ended('long', 'done');
    expect(ran.toSorted()).toEqual(['long', 'lost', 'next']);
  });

  test('runs eight at once and no more, and a critical one alone', async () => {
    let free = (): void => {};
    const held = new Promise<void>((resolve) => (free = resolve));
    let [now, most, beside] = [0, 0, 0];
    answer = async (task, work) => {
      now += 1;
      most = Math.max(most, now);
      if (task === 'k') beside = now;
      await held;
      await work();
      now -= 1;
    };
    const names = 'abcdefghij'.split('');
    for (const name of names) drop(name, on(name));
    started().start(() => true);
    await until(() => asked.length === 8, 'eight are asked for');
    // Now, since one that comes to rest before the others is not behind them.
    drop('k', `#hauki mode: critical\n${on('k')}`);
    await sleep(100);
    free();
    for (const name of [...names, 'k']) await ended(name, 'done');
    expect([most, beside, asked.at(-1)]).toEqual([8, 1, 'k']);
  });

  test('runs a task once whose spool was gone between clearance and work', async () => {
    const elsewhere = join(folder, 'elsewhere');
    answer = async (_, work) => {
      if (asked.length > 1) return work();
      renameSync(spool, elsewhere);
      setTimeout(() => renameSync(elsewhere, spool), 400);
      try {
        return await work();
      } catch (error) {
        throw Object.assign(error as Error, { hauki: { mutation: 'm', stage: 'rolled_back', evidence: [] } });
      }
    };
    drop('a');
    drop('b');
    started().start(() => true);
    expect(await ended('a', 'done')).toMatchObject({ outcome: 'done', stage: 'committed' });
    await ended('b', 'done');
    expect([asked, ran]).toEqual([
      ['a', 'a', 'b'],
      ['a', 'b'],
    ]);
    expect(readdirSync(folders.claimed)).toEqual([]);
  });

  test('denies a task that cannot be taken again and again, so that others go on', async () => {
    const undone = { hauki: { mutation: 'm', stage: 'rolled_back', evidence: [] } };
    answer = (task, work) => (task === 'a' ? Promise.reject(Object.assign(new Error('EIO'), undone)) : work());
    drop('a');
    drop('b');
    started().start(() => true);
    expect((await ended('a', 'denied')).reason).toMatchObject({
      code: 'task_invalid',
      message: expect.stringContaining('EIO') as string,
    });
    await ended('b', 'done');
    expect(asked.join('')).toBe('aaab');
    expect(readdirSync(folders.claimed)).toEqual([]);
  });

  test('that is stopped while a spool is gone leaves no task behind as interrupted', async () => {
    answer = async (_, work) => {
      const claimed = `${folders.claimed}-away`;
      renameSync(folders.claimed, claimed);
      try {
        return await work();
      } catch (error) {
        void writer?.stop();
        throw Object.assign(error as Error, { hauki: { mutation: 'm', stage: 'rolled_back', evidence: [] } });
      } finally {
        renameSync(claimed, folders.claimed);
      }
    };
    drop('a');
    started().start(() => true);
    await until(() => asked.length === 1 && existsSync(join(folders.inbox, 'a')), 'it is in the inbox again');
    await writer?.stop();
    expect([readdirSync(folders.claimed), ran]).toEqual([[], []]);
  });

  test('takes one of many of a name that come by the controller at once', needs('ssh-keygen').options, async () => {
    const key = join(folder, 'alice');
    mkdirSync(folders.inbox, { recursive: true });
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    writeFileSync(join(folder, 'signers'), `alice ${readFileSync(`${key}.pub`, 'utf8')}`);
    const text = '#!/bin/sh\n';
    const signed = execFileSync('ssh-keygen', ['-Y', 'sign', '-f', key, '-n', 'hauki-task'], {
      input: text,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const one = { task: 'a', content: Buffer.from(text).toString('base64'), signature: String(signed) };
    const idle = started(join(folder, 'signers'));
    const said = await Promise.all(
      Array.from({ length: 10 }, () =>
        idle.drop(one).then(
          () => 'taken',
          (error: unknown) => (error as RefusedError).code,
        ),
      ),
    );
    const many = Array.from({ length: 7 }, () => 'name_taken');
    expect(said.toSorted()).toEqual([...many, 'overloaded', 'overloaded', 'taken']);
  });
});

// btrfs is probed by mounting a loop device, which is what this needs.
needs('btrfs').describe('a spool on a disk that is full', () => {
  const disk = smallDisk(8 * 1024 * 1024);

  test('costs one clearance, and no more until there is space again', { timeout: 30_000 }, async () => {
    folders = foldersIn(plainSpool(join(disk, 'spool')).folder);
    spool = join(disk, 'spool');
    drop('a');
    fill(join(disk, 'filler'));
    answer = (_, work) =>
      work().catch((error: unknown) => {
        throw Object.assign(error as Error, { hauki: { mutation: 'm', stage: 'rolled_back', evidence: [] } });
      });
    started().start(() => true);
    await until(() => asked.length === 1, 'it was cleared once');
    await sleep(2_500);
    expect([asked, ran]).toEqual([['a'], []]);
    rmSync(join(disk, 'filler'), { recursive: true });
    await ended('a', 'done');
    expect([asked, ran]).toEqual([['a', 'a'], ['a']]);
  });
});

/** Takes all the space there is, to the last block. */
function fill(filler: string): void {
  mkdirSync(filler);
  spawnSync('dd', ['if=/dev/zero', `of=${join(filler, 'large')}`, 'bs=4k', 'conv=fsync'], { stdio: 'ignore' });
  for (let more = 0; ; more += 1) {
    const { status } = spawnSync(
      'dd',
      ['if=/dev/zero', `of=${join(filler, String(more))}`, 'bs=1k', 'count=1', 'conv=fsync'],
      {
        stdio: 'ignore',
      },
    );
    if (status !== 0) return;
  }
}
