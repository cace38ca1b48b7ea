import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ok } from '../../../src/base/result.ts';
import { judge, type Surgeon } from '../../../src/node/task/judge.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-judge-'));
  for (const name of ['spool', 'cipher', 'root', 'other']) mkdirSync(join(folder, name));
});
afterEach(() => rmSync(folder, { recursive: true }));

const surgeon: Surgeon = {
  isPatch: () => true,
  readPatch: () => ok('patch'),
  checkPatch: async () => ok(undefined),
  applyPatch: async () => ok(undefined),
};

/** Where a patch with this header is applied, or why it is not. */
async function rootOf(header: string, own: readonly string[], root: string | undefined): Promise<string | undefined> {
  const judged = await judge(
    'x',
    { bytes: Buffer.from(`${header}\n--- a/x\n`), sha256: '', signature: undefined },
    {
      spools: [join(folder, 'spool'), join(folder, 'cipher')],
      rules: { signers: undefined, unsigned: true, datasets: own, root, timeoutMs: 1, waitMs: 1 },
      surgeon,
      here: true,
    },
  );
  return judged.ok ? judged.value.root : judged.error.code;
}

describe('a patch', () => {
  test('is applied where a snapshot holds it, and nowhere else', async () => {
    const [root, other] = [join(folder, 'root'), join(folder, 'other')];
    for (const [header, own, expected] of [
      ['', ['tank/crm'], root],
      ['#hauki datasets: tank/more, tank/crm', ['tank/crm'], root],
      ['#hauki datasets: tank/more', ['tank/crm'], 'task_invalid'],
      [`#hauki datasets: ${other}`, ['tank/crm'], other],
      [`#hauki datasets: tank/crm, ${other}`, ['tank/crm', 'tank/db'], other],
      // Nobody knows that what is frozen is what lies there.
      ['#hauki datasets: tank/crm', [], 'task_invalid'],
      [`#hauki datasets: ${other}`, [], other],
    ] as const)
      expect([header, await rootOf(header, own, root)]).toEqual([header, expected]);
    expect(await rootOf('', [other], undefined)).toBe(other);
  });

  test('changes neither the spool nor where its bytes lie', async () => {
    for (const name of ['spool', 'cipher'])
      expect(await rootOf(`#hauki datasets: ${join(folder, name)}`, [], undefined)).toBe('spool_guarded');
  });
});
