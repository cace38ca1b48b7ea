import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type {
  DiffView,
  KeptList,
  LockList,
  MutationDetail,
  MutationList,
  MutationView,
  PlanView,
  PruneView,
  StatusView,
} from '../../src/wire/http.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* Everything that is asked or decided afterwards: for people and as JSON, with its exit codes. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller(['controller', '--port', '0', '--node', 'base', '--json']);
});
afterAll(() => shared.close());
const place = (): Place => shared.another();
const newest = async ({ mutations }: Place): Promise<MutationView> => (await mutations())[0] as MutationView;
const UNKNOWN = '01900000-0000-7000-8000-000000000000';

describe('log and show', () => {
  test('say who changed what, why, and what came of it', async () => {
    const own = place();
    await own.guard('true', ['--node', 'alpha', '--intent', 'works']);
    await own.guard('exit 3', ['--node', 'alpha', '--intent', 'fails']);
    await own.guard('true', ['--node', 'alpha', '--intent', 'is denied', '--path', 'missing']);
    const { stdout } = await own.run(['log', '--node', 'alpha']);
    const [head, ...lines] = stdout.trimEnd().split('\n');
    expect(head).toMatch(/^REQUESTED +NODE +OUTCOME +MUTATION +INTENT$/);
    expect(lines.map((line) => line.split(/ {2,}/).filter((_, column) => [1, 2, 4].includes(column)))).toEqual([
      ['alpha', 'denied', 'is denied'],
      ['alpha', 'rolled_back', 'fails'],
      ['alpha', 'committed', 'works'],
    ]);
    const list = await own.json<MutationList>(['log', '--node', 'alpha', '--outcome', 'committed']);
    expect(list.mutations.map(({ intent }) => intent)).toEqual(['works']);
    expect((await own.json<MutationList>(['log', '--limit', '1'])).mutations.length).toBe(1);
    expect((await own.json<MutationList>(['log', '--since', '1h'])).mutations.length).toBeGreaterThan(2);
    expect((await own.run(['log', '--since', '2999-01-01'])).stdout).toBe('no mutations\n');
    const detail = await own.json<MutationDetail>(['show', list.mutations[0]?.mutation ?? '']);
    expect(detail.records.map(({ type }) => type)).toEqual(['requested', 'snapshot_started', 'cleared', 'committed']);
    const shown = (await own.run(['show', list.mutations[0]?.mutation ?? ''])).stdout;
    for (const word of ['works', 'alpha', 'committed', own.site, '@PRE_alpha_works_', 'SEQ'])
      expect(shown).toContain(word);
  });

  test.each([
    ['log', '--since', 'yesterday'],
    ['log', '--limit', '0'],
    ['log', '--limit', 'many'],
    ['log', '--outcome', 'nice'],
  ])('%s %s %s: 64', async (...args) => {
    expect(await shared.run(args)).toMatchObject({ code: 64, stdout: '' });
  });

  test('a reader that goes away is no error', async () => {
    const { run } = place();
    for (const command of ['log', 'snapshots', 'audit export']) {
      const { code, stderr } = await run(['-c', `'${ROOT}/hauki' ${command} | head -1 > /dev/null`], { program: 'sh' });
      expect({ command, code, stderr }).toEqual({ command, code: 0, stderr: '' });
    }
  });
});

describe('a mutation nobody knows', () => {
  test.each([
    ['show', UNKNOWN],
    ['diff', UNKNOWN],
    ['rollback', UNKNOWN],
    ['rollback', UNKNOWN, '--dry-run'],
    ['resolve', UNKNOWN, '--commit'],
    ['pin', UNKNOWN],
    ['evidence', 'rm', UNKNOWN],
    ['show', '../../etc/passwd'],
    ['show', 'x'.repeat(500)],
  ])('%s %s: not 0, says so', async (...args) => {
    const { code, stdout, stderr } = await shared.run(args);
    expect({ args, code: code === 64 ? 75 : code, stdout }).toEqual({ args, code: 75, stdout: '' });
    expect(stderr).toMatch(/^hauki: /);
    const json = await shared.run([...args, '--json']);
    expect(json.code).toBe(code);
    expect(JSON.parse(json.stdout)).toMatchObject({ status: 'denied' });
  });
});

describe('diff', () => {
  test('lists what was added, modified and removed: of a commit, of a rollback, and while it is open', async () => {
    const own = place();
    const script = 'touch added; echo two > config; rm run.sh';
    const changes = { added: ['added'], removed: ['run.sh'] };
    await own.guard(`${script}; ${ROOT}/hauki diff $HAUKI_MUTATION --json > "$PWD.open"`);
    const open = JSON.parse(readFileSync(`${own.site}.open`, 'utf8')) as DiffView;
    expect(open.datasets).toMatchObject([{ ...changes, comparedWith: 'live' }]);
    const committed = await newest(own);
    expect((await own.json<DiffView>(['diff', committed.mutation])).datasets).toMatchObject([changes]);
    await own.guard('touch later; exit 1');
    const failed = await newest(own);
    // What came later does not change what the first one did.
    const diff = await own.json<DiffView>(['diff', committed.mutation]);
    expect(diff.datasets).toMatchObject([changes]);
    expect(diff.datasets[0]?.modified).toContain('config');
    expect((await own.json<DiffView>(['diff', failed.mutation])).datasets).toMatchObject([
      { added: ['later'], removed: [], comparedWith: failed.evidence[0]?.name },
    ]);
    const { stdout } = await own.run(['diff', committed.mutation]);
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(['+ added', 'M config', '- run.sh']) as string[]);
  });
});

describe('rollback of a committed mutation', () => {
  test('--dry-run prints the plan and changes nothing; then it is undone, and the state before is kept', async () => {
    const own = place();
    const before = fingerprint(own.site);
    await own.guard('echo two > config; rm -rf deep; touch added');
    const { mutation } = await newest(own);
    const after = fingerprint(own.site);
    const plan = await own.run(['rollback', mutation, '--dry-run']);
    expect(plan.code).toBe(0);
    for (const word of [own.site, '@PRE_', 'nothing stands in the way', '- added', '+ deep', 'M config'])
      expect(plan.stdout).toContain(word);
    const { plans } = await own.json<PlanView>(['rollback', mutation, '--dry-run']);
    expect(plans).toMatchObject([{ blockers: [], changes: { added: ['added'] } }]);
    expect(fingerprint(own.site)).toBe(after);
    expect((await newest(own)).stage).toBe('committed');

    const done = await own.run(['rollback', mutation]);
    expect(done.code).toBe(0);
    expect(done.stdout).toContain('rolled_back');
    expect(fingerprint(own.site)).toBe(before);
    const evidence = (await newest(own)).evidence[0]?.path ?? '';
    expect(existsSync(join(evidence, 'added'))).toBe(true);
    expect((await own.run(['rollback', mutation])).code).toBe(75);
  });

  test('is refused when a newer one stands in the way, and names it; newest first it works', async () => {
    const own = place();
    const before = fingerprint(own.site);
    await own.guard('echo two > config');
    const first = await newest(own);
    await own.guard('touch deep/newer', ['--intent', 'the newer one', '--path', 'deep']);
    const second = await newest(own);
    const after = fingerprint(own.site);
    const refused = await own.run(['rollback', first.mutation]);
    expect(refused.code).toBe(75);
    expect(refused.stderr).toContain('newer_mutations');
    expect(refused.stderr).toContain(second.mutation);
    const planned = await own.run(['rollback', first.mutation, '--dry-run']);
    expect(planned.code).toBe(75);
    expect(planned.stdout).toContain(second.mutation);
    expect(fingerprint(own.site)).toBe(after);
    expect((await own.run(['rollback', second.mutation])).code).toBe(0);
    expect((await own.run(['rollback', first.mutation])).code).toBe(0);
    expect(fingerprint(own.site)).toBe(before);
  });

  test('is refused while somebody works there, and of one that was never cleared', async () => {
    const own = place();
    await own.guard('echo two > config');
    const { mutation } = await newest(own);
    const guard = own.startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done', ['--path', 'deep']);
    await until(() => existsSync(`${own.site}.ready`), 'somebody works');
    const refused = await own.run(['rollback', mutation]);
    expect(refused.code).toBe(75);
    expect(refused.stderr).toContain('dataset_busy');
    writeFileSync(`${own.site}.go`, '');
    await guard.done;
    await own.guard('true', ['--path', 'missing']);
    expect((await own.run(['rollback', (await newest(own)).mutation])).code).toBe(75);
  });

  test('of one that still works: an operator takes it back, its command is stopped', async () => {
    const own = place();
    const before = fingerprint(own.site);
    const guard = own.startGuard('echo two > config; touch "$PWD.ready"; sleep 300');
    await until(() => existsSync(`${own.site}.ready`), 'it works');
    expect((await own.run(['rollback', (await newest(own)).mutation])).code).toBe(0);
    const { code } = await guard.done;
    expect(code).not.toBe(0);
    expect(fingerprint(own.site)).toBe(before);
  });
});

describe('what is kept', () => {
  test('snapshots and evidence say of which mutation they are; evidence can be removed', async () => {
    const own = place();
    await own.guard('touch added; exit 1', ['--intent', 'leaves evidence']);
    const { mutation, evidence } = await newest(own);
    const kept = (await own.json<KeptList>(['evidence'])).kept.filter((one) => one.mutation === mutation);
    expect(kept).toMatchObject([
      { kind: 'evidence', intent: 'leaves evidence', stage: 'rolled_back', dataset: own.site, path: evidence[0]?.path },
    ]);
    expect((await own.run(['evidence'])).stdout).toContain('leaves evidence');
    expect((await own.run(['snapshots'])).stdout).toMatch(/leaves evidence .*@PRE_\w+_leaves_evidence_/);
    const removed = await own.run(['evidence', 'rm', mutation]);
    expect(removed).toMatchObject({ code: 0 });
    expect(removed.stdout).toContain('@FAIL_');
    expect(existsSync(evidence[0]?.path ?? '')).toBe(false);
    expect((await own.run(['evidence', 'rm', mutation])).code).toBe(75);
    // Its snapshot stays.
    expect((await own.json<KeptList>(['snapshots'])).kept.some((one) => one.mutation === mutation)).toBe(true);
  });

  test('a pin is put on and taken off', async () => {
    const own = place();
    await own.guard('true');
    const { mutation } = await newest(own);
    expect((await own.run(['pin', mutation])).stdout).toContain('pinned');
    expect((await newest(own)).pinned).toBe(true);
    expect((await own.run(['snapshots'])).stdout).toContain('committed (pinned)');
    expect(await own.json<MutationView>(['pin', mutation, '--off'])).toMatchObject({ pinned: false });
  });

  test('prune lets go of nothing that retention keeps, with or without --dry-run', async () => {
    const own = place();
    mkdirSync(join(own.site, 'small'));
    for (let index = 0; index < 4; index += 1) await own.guard('true', ['--path', 'small']);
    const { going } = await own.json<PruneView>(['prune', '--dry-run']);
    expect(going).toEqual([]);
    expect((await own.run(['prune'])).stdout).toContain('nothing to prune');
    expect(
      (await own.json<KeptList>(['snapshots'])).kept.filter((one) => one.dataset === join(own.site, 'small')).length,
    ).toBe(4);
  });

  test('a seal on a plain directory is refused, honestly', async () => {
    const own = place();
    const refused = await own.run(['seal', '--path', '.']);
    expect(refused.code).toBe(75);
    expect(refused.stderr).toContain('seal_unsupported');
    expect(refused.stderr).toContain('btrfs');
    expect((await own.run(['seal'])).code).toBe(64);
    expect((await own.run(['seal', '--path', 'missing'])).code).toBe(75);
    expect((await own.json<StatusView>(['status'])).seals).toEqual([]);
    expect((await own.guard('true')).code).toBe(0);
  });
});

describe('status, locks and watch', () => {
  test('say how things stand', async () => {
    const own = place();
    const guard = own.startGuard('touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done', [
      '--intent',
      'stands',
    ]);
    await until(() => existsSync(`${own.site}.ready`), 'it works');
    const status = await own.json<StatusView>(['status']);
    expect(status).toMatchObject({
      status: 'ready',
      node: 'base',
      pid: own.controllerPid(),
      open: [{ intent: 'stands', stage: 'cleared' }],
      queued: 0,
    });
    expect((await own.run(['status'])).stdout).toMatch(/^controller base · hauki .* pid \d+/);
    expect((await own.json<LockList>(['locks'])).locks).toMatchObject([{ intent: 'stands', blockedBy: [] }]);
    expect((await own.run(['locks'])).stdout).toContain(own.site);
    writeFileSync(`${own.site}.go`, '');
    await guard.done;
    expect((await own.run(['locks'])).stdout).toBe('no locks are held\n');
  });

  test('watch says what happens as it happens, and ends with its reader', async () => {
    const own = place();
    const watch = own.start(['watch', '--json']);
    const text = own.start(['watch', '--after', '0']);
    await until(() => text.stdout().includes('controller base started'), 'the past is shown');
    // It listens from its first answer on: something has to happen until then.
    await until(
      async () => (await own.guard('true', ['--intent', 'watched'])) && watch.stdout().includes('hauki.committed'),
      'the present is shown',
    );
    await until(() => text.stdout().includes("Lock secured. Snapshot '"), 'in the words its users know');
    const lines = watch
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { specversion: string });
    expect(lines.every(({ specversion }) => specversion === '1.0')).toBe(true);
    for (const one of [watch, text]) one.child.kill('SIGINT');
    await Promise.all([watch.done, text.done]);
    const head = own.start(['-c', `'${ROOT}/hauki' watch --after 0 | head -1`], { program: 'sh' });
    await until(() => head.stdout().includes('\n'), 'the first line is read');
    // It can only notice when it has something to say.
    await own.guard('true');
    expect(await head.done).toMatchObject({ code: 0, stderr: '' });
  });

  test('watch refuses a cursor that is none, and whoever cannot be reached is said to be so', async () => {
    const { run } = place();
    expect(await run(['watch', '--after', 'x'], { msMax: 10_000 })).toMatchObject({ code: 64, stdout: '' });
    const { stdout } = await run(['status', '--json', '--controller', 'http://127.0.0.1:1']);
    expect(JSON.parse(stdout)).toMatchObject({ code: 'controller_unreachable' });
  });
});

describe('doctor', () => {
  test('says what works here, beside a running controller, and leaves nothing behind', async () => {
    const own = place();
    const { code, stdout } = await own.run(['doctor']);
    expect(code).toBe(0);
    for (const word of ['directory: available', 'self-test', 'verified', 'controller running', own.home])
      expect(stdout).toContain(word);
    const report = await own.json<{ ok: boolean; storages: { driver: string; available: boolean }[] }>(['doctor']);
    expect(report).toMatchObject({ ok: true });
    expect(report.storages.find(({ driver }) => driver === 'directory')).toMatchObject({
      available: true,
      selfTest: { ok: true },
    });
    expect((await own.json<KeptList>(['snapshots'])).kept.filter((one) => one.intent === 'self-test')).toEqual([]);
  });
});
