import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { RefusedError } from '../../../src/base/refusal.ts';
import { ok } from '../../../src/base/result.ts';
import { foldersIn, plainSpool } from '../../../src/node/task/folders.ts';
import { receive, type Reception } from '../../../src/node/task/reception.ts';
import type { TaskDrop } from '../../../src/ports/mesh.ts';
import { needs } from '../../needs.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-reception-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function key(name: string): string {
  const path = join(folder, name);
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  return path;
}

function signed(task: string, bytes: Buffer, by: string): TaskDrop {
  const signature = execFileSync('ssh-keygen', ['-Y', 'sign', '-f', by, '-n', 'hauki-task'], {
    input: bytes,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return { task, content: bytes.toString('base64'), signature: String(signature) };
}

/** A node whose signer is alice, and which runs unsigned tasks of its own inbox. */
function reception(alice: string): Reception {
  const signers = join(folder, 'signers');
  writeFileSync(signers, `alice ${readFileSync(`${alice}.pub`, 'utf8')}`);
  mkdirSync(join(folder, 'root'));
  const spool = plainSpool(join(folder, 'spool'));
  return {
    spool,
    folders: foldersIn(spool.folder),
    judging: {
      spools: [spool.folder],
      rules: { signers, unsigned: true, datasets: [join(folder, 'root')], root: undefined, timeoutMs: 1, waitMs: 1 },
      surgeon: {
        isPatch: () => false,
        readPatch: () => ok('patch'),
        checkPatch: async () => ok(undefined),
        applyPatch: async () => ok(undefined),
      },
      here: true,
    },
    inTime: () => true,
  };
}

async function refusedAs(drop: TaskDrop, at: Reception): Promise<string> {
  return receive(drop, at).then(
    (signer) => `taken from ${signer}`,
    (error: unknown) => (error instanceof RefusedError ? error.code : String(error)),
  );
}

needs('ssh-keygen').describe('a task that comes by the controller', () => {
  test('lies in the inbox byte for byte, with its signature', async () => {
    const alice = key('alice');
    const at = reception(alice);
    const bytes = Buffer.concat([Buffer.from('#!/bin/sh\nexit 0\n'), Buffer.from([0, 255, 128, 10])]);
    const drop = signed('näme with blanks 🦫.task', bytes, alice);
    expect(await receive(drop, at)).toBe('alice');
    expect(readFileSync(join(at.folders.inbox, drop.task))).toEqual(bytes);
    expect(readFileSync(join(at.folders.inbox, `${drop.task}.sig`), 'utf8')).toBe(drop.signature);
  });

  test('is not taken unless one of the signers signed these bytes, and leaves nothing behind', async () => {
    const alice = key('alice');
    const at = reception(alice);
    const bytes = Buffer.from('#!/bin/sh\n');
    const good = signed('good', bytes, alice);
    const other = signed('other', Buffer.from('#!/bin/sh\n\n'), alice);
    for (const [drop, code] of [
      [{ ...good, signature: undefined }, 'task_unsigned'],
      [{ ...good, signature: '' }, 'task_unsigned'],
      [{ ...good, signature: 'garbage\0\n' }, 'task_unsigned'],
      [{ ...good, signature: other.signature }, 'task_unsigned'],
      [signed('stranger', bytes, key('mallory')), 'task_unsigned'],
      [{ ...good, task: '../good' }, 'task_invalid'],
      [{ ...good, task: 'a\nb' }, 'task_invalid'],
      [{ ...good, task: '.hidden' }, 'task_invalid'],
      [{ ...good, task: 'good.sig' }, 'task_invalid'],
      [signed('text', Buffer.from('no script'), alice), 'task_invalid'],
      [signed('typo', Buffer.from('#!/bin/sh\n#hauki modus: x\n'), alice), 'task_invalid'],
      [signed('spool', Buffer.from(`#!/bin/sh\n#hauki datasets: ${at.spool.folder}\n`), alice), 'spool_guarded'],
    ] as const)
      expect([drop.task, await refusedAs(drop, at)]).toEqual([drop.task, code]);
    expect(readdirSync(at.folders.inbox)).toEqual([]);
    expect(await refusedAs(good, { ...at, spool: { ...at.spool, ready: false } })).toBe('spool_missing');
    expect(await refusedAs(good, { ...at, inTime: () => false })).toBe('overloaded');
    expect(await refusedAs(good, at)).toBe('taken from alice');
    expect(await refusedAs(good, at)).toBe('name_taken');
  });
});
