import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { startSshd } from '../reach/sshd.ts';
import { until } from '../until.ts';
import { isAlive, type Outcome, type Place, place } from './place.ts';

/* `hauki exec FILE`: what is a block, and what not, is the parser's test; here real blocks run under a real controller. */

const block = (head: string, ...lines: readonly string[]): string =>
  ['```sh gem-exec ' + head, ...lines, '```', '', ''].join('\n');

interface Report {
  readonly status: string;
  readonly exitCode: number;
  readonly code?: string;
  readonly blocks: readonly {
    readonly state: string;
    readonly mutation?: string;
    readonly exitCode?: number;
    readonly context: string;
    readonly reason?: { readonly code: string };
  }[];
}

function gem(at: Place, text: string): string {
  const file = join(at.folder, 'runbook.md');
  writeFileSync(file, text);
  return file;
}
const run = (at: Place, text: string, ...more: readonly string[]): Promise<Outcome> =>
  at.run(['exec', gem(at, text), '--path', at.site, '--via', 'local', '--node', 'web1', ...more]);
async function report(at: Place, text: string, ...more: readonly string[]): Promise<Report> {
  return JSON.parse((await run(at, text, '--json', '--yes', ...more)).stdout) as Report;
}

test('each block is run under guard, in its order, and committed', async () => {
  const at = place();
  const text = `# Runbook\n\n${block('intent="bump the schema"', `cd "${at.site}"`, 'echo one >> steps', 'cat', 'echo out; echo error >&2')}[GEM-EXEC node=web2]\ncd ${at.site}\necho two >> steps\n[/GEM-EXEC]\n`;
  const { code, stdout, stderr } = await run(at, text, '--yes');
  expect([code, stdout]).toEqual([0, 'out\n']);
  expect(readFileSync(join(at.site, 'steps'), 'utf8')).toBe('one\ntwo\n');
  expect(stderr).toMatch(
    /block 1, lines 3 to 8: on node web1, in local, by sh\n[^]*bump the schema[^]*\| cat[^]*block 2, lines 10 to 13: on node web2/,
  );
  expect(stderr).toMatch(/Lock secured\. Directory Snapshot '.*@PRE_web1_bump_the_schema_/);
  const log = await at.mutations();
  expect(log.map(({ node, intent, stage }) => [node, intent, stage])).toEqual([
    ['web2', `cd ${at.site}`, 'committed'],
    ['web1', 'bump the schema', 'committed'],
  ]);
});

test('the first that fails is rolled back, and ends it', async () => {
  const at = place();
  const text =
    block('', `echo one > ${at.site}/steps`) +
    block('', `cd ${at.site}`, 'rm -r steps deep', 'false', 'echo never') +
    block('', `touch ${at.site}/never`);
  const said = await report(at, text);
  expect(said).toMatchObject({
    status: 'failed',
    exitCode: 1,
    blocks: [{ state: 'committed' }, { state: 'rolled_back', exitCode: 1 }, { state: 'not_run' }],
  });
  expect(readFileSync(join(at.site, 'steps'), 'utf8')).toBe('one\n');
  expect([existsSync(join(at.site, 'deep')), existsSync(join(at.site, 'never'))]).toEqual([true, false]);
});

test('so is one whose verification fails, or that takes too long', async () => {
  const at = place();
  const verified = block(`verify="test ! -e ${at.site}/made"`, `touch ${at.site}/made`);
  expect(await report(at, verified)).toMatchObject({
    exitCode: 1,
    blocks: [{ state: 'rolled_back', reason: { code: 'command_stopped' } }],
  });
  const slow = block('timeout=300ms', `touch ${at.site}/made`, 'sleep 300');
  expect(await report(at, slow)).toMatchObject({
    exitCode: 1,
    blocks: [{ state: 'rolled_back', reason: { code: 'command_stopped' } }],
  });
  expect(existsSync(join(at.site, 'made'))).toBe(false);
  expect(await report(at, block(`verify="test -e ${at.site}/made"`, `touch ${at.site}/made`))).toMatchObject({
    exitCode: 0,
  });
});

test('--undo-all rolls back those before it as well, the newest first', async () => {
  const at = place();
  const before = readdirSync(at.site).toSorted();
  const text = block('', `touch ${at.site}/a`) + block('', `rm -r ${at.site}/deep`) + block('', 'exit 7');
  const said = await report(at, text, '--undo-all');
  expect(said).toMatchObject({
    status: 'failed',
    exitCode: 1,
    blocks: [{ state: 'undone' }, { state: 'undone' }, { state: 'rolled_back', exitCode: 7 }],
  });
  expect(readdirSync(at.site).toSorted()).toEqual(before);
});

test('what cannot be undone is said, and nothing below it is touched', async () => {
  const at = place();
  const hauki = join(import.meta.dirname, '../../hauki');
  // Somebody else works on the same between two blocks.
  const other = `HAUKI_HOME=${at.home} ${hauki} guard --intent other --path ${at.site} -- touch ${at.site}/other`;
  const elsewhere = join(at.folder, 'elsewhere');
  mkdirSync(elsewhere);
  const text =
    block('', `touch ${at.site}/a`) +
    block(`datasets=${elsewhere}`, `unset HAUKI_MUTATION; ${other}`) +
    block('', 'exit 7');
  const said = await report(at, text, '--undo-all');
  expect(said).toMatchObject({
    exitCode: 70,
    blocks: [
      { state: 'committed', reason: { code: 'newer_mutations' } },
      { state: 'undone' },
      { state: 'rolled_back' },
    ],
  });
  expect(existsSync(join(at.site, 'a'))).toBe(true);
});

test('an interrupt stops the block that runs, puts its state back, and says what was done', async () => {
  const at = place();
  const pid = join(at.folder, 'pid');
  const text =
    block('', `touch ${at.site}/a`) +
    block('', `touch ${at.site}/b`, `echo $$ > ${pid}`, 'sleep 300') +
    block('', `touch ${at.site}/c`);
  const running = at.start(['exec', gem(at, text), '--path', at.site, '--via', 'local', '--node', 'web1', '--yes']);
  await until(() => existsSync(pid) && readFileSync(pid, 'utf8') !== '', 'the second runs');
  process.kill(running.pid, 'SIGINT');
  const { code, stderr } = await running.done;
  expect(code).toBe(130);
  expect(stderr).toMatch(
    /block 1 \(line 1\): committed[^]*block 2 \(line 5\): failed and rolled back[^]*block 3 \(line 11\): not begun/,
  );
  expect(['a', 'b', 'c'].map((name) => existsSync(join(at.site, name)))).toEqual([true, false, false]);
  expect(isAlive(Number(readFileSync(pid, 'utf8')))).toBe(false);
});

describe('nothing is executed', () => {
  const refused: readonly (readonly [
    what: string,
    text: string,
    args: readonly string[],
    code: number,
    words: RegExp,
  ])[] = [
    [
      'without a node',
      block('', 'touch made'),
      ['--path', '.', '--via', 'local', '--yes'],
      64,
      /line 1 does not say on which node.*gem_unplaced[^]*The controller knows crm\./,
    ],
    [
      'without a place',
      block('node=crm', 'touch made'),
      ['--path', '.', '--yes'],
      64,
      /is for node crm, and nobody says how that is reached/,
    ],
    [
      'without a dataset',
      block('node=web9', 'touch made'),
      ['--via', 'web9=local', '--yes'],
      64,
      /what is frozen before it/,
    ],
    [
      'in a place that is not there, first',
      block('node=a', 'touch made') + block('node=b', 'true'),
      ['--path', '.', '--via', 'a=local', '--via', 'b=ssh:127.0.0.1:1', '--yes'],
      75,
      /context_unreachable/,
    ],
    ['without a yes', block('node=a', 'touch made'), ['--path', '.', '--via', 'local'], 75, /gem_declined/],
    ['in a dry run', block('node=a', 'touch made'), ['--path', '.', '--via', 'local', '--dry-run'], 0, /^$/],
    [
      'of what cannot be read',
      '```gem-exec\ntouch made\n',
      ['--node', 'a', '--path', '.', '--via', 'local', '--yes'],
      64,
      /Line 1: the fence is not closed/,
    ],
    [
      'with two ways to one node',
      block('node=a', 'touch made'),
      ['--path', '.', '--via', 'local', '--via', 'lxd:a', '--yes'],
      64,
      /is not understood/,
    ],
    [
      'when it is denied',
      block('node=a datasets=/none/at/all', 'touch made'),
      ['--via', 'local', '--yes'],
      75,
      /denied, nothing of it was executed.*dataset_missing/,
    ],
  ];
  test('but what was said', async () => {
    const at = place();
    await at.run(['mesh', 'init', '--address', '127.0.0.1:7999']);
    await at.controller();
    await at.run(['node', 'invite', 'crm', '--datasets', at.site]);
    for (const [what, text, args, exit, words] of refused) {
      const { code, stderr } = await at.run(['exec', gem(at, text), ...args]);
      expect([what, code]).toEqual([what, exit]);
      expect(stderr).toMatch(words);
      expect([what, existsSync(join(at.site, 'made'))]).toEqual([what, false]);
    }
    // The register says what is the node's own; config.yaml how it is reached.
    writeFileSync(join(at.home, 'config.yaml'), 'nodes: { crm: { via: local } }\n');
    const { code, stdout } = await at.run(['exec', '-', '--dry-run', '--json'], { input: block('node=crm', 'ls') });
    expect([code, JSON.parse(stdout)]).toMatchObject([
      0,
      { status: 'planned', blocks: [{ node: 'crm', context: 'local', datasets: [at.site] }] },
    ]);
  });
});

needs('script').describe('on a terminal', () => {
  test.each([
    ['y', 0, true],
    ['n', 75, false],
    ['', 75, false],
  ])('it asks, and %j means it', async (answer, exit, made) => {
    const at = place();
    const hauki = join(import.meta.dirname, '../../hauki');
    const line = `${hauki} exec ${gem(at, block('', 'touch made'))} --path . --via local --node web1`;
    const { code, stdout } = await at.run(['-qec', line, '/dev/null'], { program: 'script', input: `${answer}\n` });
    expect(stdout).toMatch(/\[y\/N\]/);
    expect([code, existsSync(join(at.site, 'made'))]).toEqual([exit, made]);
  });
});

needs('sshd', 'ssh-keygen').describe('over ssh', () => {
  test('a block runs where its node is', async () => {
    const at = place();
    const sshd = await startSshd({ environment: ['PLACE=over_there'] });
    try {
      const { knownHosts = '', identity = '', config = '' } = sshd.options;
      const via = ['--via', `crm=${sshd.destination.name}`, '--via', 'web1=local'];
      const keys = ['--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
      const line = `echo "\${PLACE:-here} $HAUKI_INTENT" >> ${at.site}/where`;
      const odd = `printf '%s' '$(id) "x" \\' >> ${at.site}/where`;
      const text = block('node=crm intent=first', line, odd) + block('node=web1 intent=second', line);
      const { code } = await at.run(['exec', gem(at, text), '--path', at.site, '--yes', ...via, ...keys]);
      expect([code, readFileSync(join(at.site, 'where'), 'utf8')]).toEqual([
        0,
        'over_there first\n$(id) "x" \\here second\n',
      ]);
      const failing = block('node=crm', `touch ${at.site}/made`, 'false');
      expect((await at.run(['exec', gem(at, failing), '--path', at.site, '--yes', ...via, ...keys])).code).toBe(1);
      expect(existsSync(join(at.site, 'made'))).toBe(false);
    } finally {
      await sshd.close();
    }
  });

  test('a connection that breaks ends the block there, before its state is put back', async () => {
    const at = place();
    const sshd = await startSshd();
    try {
      const { knownHosts = '', identity = '', config = '' } = sshd.options;
      const keys = ['--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
      const [pid, via] = [join(at.folder, 'pid'), ['--via', `crm=${sshd.destination.name}`]];
      const text = block(
        'node=crm',
        `cd ${at.site}`,
        `echo $$ > ${pid}`,
        "trap '' TERM",
        'while :; do date > made; done',
      );
      const running = at.start(['exec', gem(at, text), '--path', at.site, '--yes', '--json', ...via, ...keys]);
      await until(() => existsSync(pid) && readFileSync(pid, 'utf8') !== '', 'the block runs');
      process.kill(await sshd.connection(running.pid), 'SIGKILL');
      const { code, stdout } = await running.done;
      expect([code, JSON.parse(stdout)]).toMatchObject([
        1,
        { status: 'failed', blocks: [{ state: 'rolled_back', reason: { code: 'command_lost' } }] },
      ]);
      expect([isAlive(Number(readFileSync(pid, 'utf8'))), existsSync(join(at.site, 'made'))]).toEqual([false, false]);
    } finally {
      await sshd.close();
    }
  });
});
