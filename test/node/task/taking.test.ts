import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { refusal, RefusedError } from '../../../src/base/refusal.ts';
import { ok } from '../../../src/base/result.ts';
import type { TaskResult } from '../../../src/core/task/ending.ts';
import type { Guarded } from '../../../src/node/guarded.ts';
import { putBack } from '../../../src/node/task/claim.ts';
import type { Desk } from '../../../src/node/task/desk.ts';
import { Feed } from '../../../src/node/task/feed.ts';
import { type Folders, foldersIn, plainSpool } from '../../../src/node/task/folders.ts';
import { completeShelving } from '../../../src/node/task/shelf.ts';
import { type Room, take, type Took } from '../../../src/node/task/taking.ts';
import type { Reach } from '../../../src/ports/reach.ts';

/* What a real controller and a real disk seldom do: the rest is in test/e2e/task.test.ts. */

let folder = '';
let folders: Folders;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-taking-'));
  folders = foldersIn(plainSpool(join(folder, 'spool')).folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const MUTATION = 'm1';
const clock = { now: () => 0, mono: () => 0, after: () => () => undefined, soon: () => undefined };
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function taking(name: string, guard: Desk['guard'], signal = new AbortController().signal): Promise<Took> {
  const path = join(folders.inbox, name);
  writeFileSync(path, '#!/bin/sh\n');
  const reach: Partial<Reach> = {
    run: async () => ok({ code: 0, signal: undefined, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }) as never,
  };
  const room = {
    ...{ node: 'crm', spools: [folder], folders, scratch: join(folder, 'scratch'), clock, log },
    rules: { signers: '/nowhere', unsigned: true, datasets: ['tank/crm'], root: undefined, timeoutMs: 1, waitMs: 1 },
    desk: { guard, report: async () => undefined } as unknown as Desk,
    reach: reach as Reach,
    surgeon: {} as Room['surgeon'],
    sweeping: async () => async () => ok({ stopped: 0 }),
    feed: new Feed(clock, () => undefined),
    reached: () => undefined,
  } satisfies Room;
  return take(
    { name, misnamed: undefined, path, look: undefined },
    { name, datasets: ['tank/crm'], alone: false },
    room,
    signal,
  );
}
const cancelled = async (): Promise<never> => {
  throw new RefusedError(refusal('cancelled', 'The request was taken back.'));
};

describe('a task', () => {
  test.each(['inbox', 'claimed', 'denied'] as const)('goes nowhere by a link in the place of "%s"', async (which) => {
    const elsewhere = join(folder, 'elsewhere');
    mkdirSync(elsewhere);
    rmSync(folders[which], { recursive: true });
    symlinkSync(elsewhere, folders[which]);
    const found = await taking('x', cancelled).catch((error: unknown) => ({ how: 'threw', why: String(error) }));
    expect(JSON.stringify(found)).toContain(`${which} is no folder`);
    expect(readdirSync(elsewhere)).toEqual(which === 'inbox' ? ['x'] : []);
    expect(() => plainSpool(join(folder, 'spool'))).toThrow(`${which} is no folder`);
  });

  test('that was committed and cannot be shelved is left to recovery, and not denied', async () => {
    const guard: Desk['guard'] = async (_, work, signal) => {
      const env = { HAUKI_MUTATION: MUTATION, HAUKI_FENCE: '1', HAUKI_SNAPSHOT: 's', HAUKI_INTENT: 'x' };
      await work({ mutation: MUTATION, fence: 1, snapshot: 's', driver: 'zfs', signal, env } as Guarded);
      rmSync(folders.done, { recursive: true });
    };
    await expect(taking('x', guard)).rejects.toThrow('ENOENT');
    expect(readdirSync(folders.claimed).toSorted()).toEqual(['x', 'x.claim.json', 'x.log']);
    expect(readdirSync(folders.denied)).toEqual([]);
  });

  test('whose request somebody takes back is denied; one that waits when the node stops waits on', async () => {
    expect(await taking('x', cancelled)).toEqual({ how: 'ended' });
    expect(readdirSync(folders.denied)).toEqual(['x', 'x.result.json']);
    expect(await taking('y', cancelled, AbortSignal.abort())).toMatchObject({ how: 'later' });
    expect(readdirSync(folders.inbox)).toEqual(['y']);
  });

  test('that this machine cannot judge just now waits, its signature with it', async () => {
    writeFileSync(join(folders.inbox, 'x.sig'), 'signature');
    vi.stubEnv('TMPDIR', join(folder, 'absent'));
    expect(await taking('x', cancelled)).toMatchObject({ how: 'later', why: { code: 'internal' } });
    expect(readdirSync(folders.inbox)).toEqual(['x', 'x.sig']);
    vi.stubEnv('TMPDIR', folder);
    vi.stubEnv('PATH', join(folder, 'absent'));
    expect(await taking('x', cancelled)).toMatchObject({ how: 'later', why: { code: 'internal' } });
    expect(readdirSync(folders.inbox)).toEqual(['x', 'x.sig']);
  });

  test('is put back neither over a newer one nor beside one that is being dropped, and nor is its signature', async () => {
    const arrival = { name: 'x', misnamed: undefined, path: join(folders.inbox, 'x'), look: undefined };
    for (const end of ['', '.sig']) writeFileSync(join(folders.claimed, `x${end}`), 'old');
    for (const name of ['.drop-x', 'x.sig']) writeFileSync(join(folders.inbox, name), 'newer');
    await expect(putBack(folders, arrival)).rejects.toThrow('is being put into');
    renameSync(join(folders.inbox, '.drop-x'), arrival.path);
    expect(await putBack(folders, arrival)).toBe('newer');
    const signatures = [folders.inbox, folders.claimed].map((one) => readFileSync(join(one, 'x.sig'), 'utf8'));
    expect(signatures).toEqual(['newer', 'old']);
    rmSync(arrival.path);
    expect(await putBack(folders, arrival)).toBe('back');
    expect(readdirSync(folders.inbox)).toEqual(['x', 'x.sig']);
  });

  test('is ended by a result of its own mutation only', async () => {
    const result: Partial<TaskResult> = { outcome: 'done', mutation: 'earlier' };
    writeFileSync(join(folders.done, 'x.result.json'), JSON.stringify(result));
    writeFileSync(join(folders.claimed, 'x'), '');
    for (const mutation of [MUTATION, undefined])
      expect(await completeShelving(folders, 'x', mutation)).toBe(undefined);
    expect(existsSync(join(folders.claimed, 'x'))).toBe(true);
    expect(await completeShelving(folders, 'x', 'earlier')).toEqual(result);
    expect(existsSync(join(folders.done, 'x'))).toBe(true);
  });

  test('is not ended by what was said of it before somebody had it tried again', async () => {
    const said: Partial<TaskResult> = { outcome: 'denied', words: 'x was denied: The task is not signed.' };
    const deny = () => writeFileSync(join(folders.denied, 'x.result.json'), JSON.stringify(said));
    writeFileSync(join(folders.denied, 'x'), '');
    deny();
    // A file system tells times in steps of up to 10 ms.
    await sleep(30);
    renameSync(join(folders.denied, 'x'), join(folders.inbox, 'x'));
    renameSync(join(folders.inbox, 'x'), join(folders.claimed, 'x'));
    expect(await completeShelving(folders, 'x', undefined)).toBe(undefined);
    expect(readdirSync(folders.claimed)).toEqual(['x']);
    deny();
    expect(await completeShelving(folders, 'x', undefined)).toEqual(said);
    expect(readdirSync(folders.denied)).toEqual(['x', 'x.result.json']);
  });

  test('whose signature is there and no plain file is denied, also where unsigned ones are run', async () => {
    symlinkSync('/dev/null', join(folders.inbox, 'x.sig'));
    expect(await taking('x', cancelled)).toEqual({ how: 'ended' });
    const result = JSON.parse(readFileSync(join(folders.denied, 'x.result.json'), 'utf8')) as TaskResult;
    expect(result.reason).toMatchObject({
      code: 'task_unsigned',
      message: expect.stringContaining('symbolic link') as string,
    });
  });
});

test('a spool is made where there is a place for it, and nothing above it', () => {
  expect(() => plainSpool(join(folder, 'not mounted', 'spool'))).toThrow(/spool_missing|cannot be used/);
  expect(existsSync(join(folder, 'not mounted'))).toBe(false);
});
