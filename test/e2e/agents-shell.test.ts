import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* The two scripts of docs/agents.md, for agents that only run shell commands, as they stand there. */

let place: Place;
let env: NodeJS.ProcessEnv;
let scripts: string;

beforeAll(async () => {
  place = openPlace();
  await place.controller();
  scripts = join(place.folder, 'scripts');
  mkdirSync(scripts);
  const text = readFileSync(join(ROOT, 'docs/agents.md'), 'utf8');
  const blocks = [...text.matchAll(/```sh\n(#!\/bin\/sh\n[^`]*)```/g)].map(([, block]) => block ?? '');
  for (const [index, name] of ['guarded-sh', 'only-guarded'].entries()) {
    writeFileSync(join(scripts, name), blocks[index] ?? '');
    chmodSync(join(scripts, name), 0o755);
  }
  env = { ...place.env, PATH: `${ROOT}:${process.env['PATH']}`, GUARDED: place.site };
});
afterAll(() => place.close());

const run = (name: string, args: readonly string[], more: NodeJS.ProcessEnv = {}) =>
  spawnSync(join(scripts, name), args, { cwd: place.site, env: { ...env, ...more }, encoding: 'utf8' });

test('guarded-sh keeps what succeeds and undoes what fails, with the line as its intent', async () => {
  expect(run('guarded-sh', ['-c', 'echo "two words" > config; cat config'])).toMatchObject({
    status: 0,
    stdout: 'two words\n',
  });
  const before = fingerprint(place.site);
  expect(run('guarded-sh', ['-c', 'rm -r *\nexit 3'])).toMatchObject({ status: 3 });
  expect(fingerprint(place.site)).toBe(before);
  expect((await place.mutations()).map(({ intent, stage }) => [intent, stage])).toEqual([
    ['agent: rm -r * exit 3', 'rolled_back'],
    ['agent: echo "two words" > config; cat config', 'committed'],
  ]);
});

test('guarded-sh does nothing without a controller, or for what it does not know', () => {
  const before = fingerprint(place.site);
  const nowhere = { HAUKI_CONTROLLER: `unix:${place.folder}/none.sock` };
  expect(run('guarded-sh', ['-c', 'touch new'], nowhere).status).toBe(75);
  expect(run('guarded-sh', ['-i']).status).toBe(64);
  expect(run('guarded-sh', ['-c']).status).toBe(64);
  expect(run('guarded-sh', ['-c', 'touch new'], { GUARDED: undefined }).status).not.toBe(0);
  expect(fingerprint(place.site)).toBe(before);
});

test('only-guarded lets through what runs under a guard', async () => {
  expect(run('only-guarded', [])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('tools of hauki') as string,
  });
  expect((await place.guard(join(scripts, 'only-guarded'))).code).toBe(0);
});
