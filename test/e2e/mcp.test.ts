import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { until } from '../until.ts';
import { type Era, stdioAgent, type TestAgent } from './agents.ts';
import { fingerprint } from './fingerprint.ts';
import { commandLine, isAlive, openPlace, type Place, processesOf, type Running } from './place.ts';

/* `hauki mcp`: an agent on stdin and stdout, against a real controller. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
});
afterAll(() => shared.close());

/** A directory of its own, and an agent that ends with the test. */
async function agentAt(era: Era = 'legacy') {
  const { site } = shared.another();
  const agent = await stdioAgent(shared, [], era);
  onTestFinished(agent.close);
  return { site, agent, before: fingerprint(site) };
}

const stageOf = async (mutation: string): Promise<string> => (await shared.show(mutation)).stage;
const ended = (mutation: string, stage: string): Promise<unknown> =>
  until(async () => (await stageOf(mutation)) === stage, `${mutation} is ${stage}`);
const change = (site: string): void => writeFileSync(join(site, 'run.sh'), 'changed by an agent\n');

describe.each(['legacy', 'auto'] as const)('an agent (protocol %s)', (era) => {
  test('asks, changes, looks at what it changed, commits', async () => {
    const { site, agent } = await agentAt(era);
    expect(agent.client.getProtocolEra()).toBe(era === 'auto' ? 'modern' : 'legacy');
    const { mutation, fence } = await agent.clear(site, { intent: 'set the config' });
    change(site);
    expect((await agent.call('diff', { mutation })).facts).toMatchObject({ datasets: [{ modified: ['run.sh'] }] });
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({
      isError: false,
      facts: { outcome: 'committed' },
    });
    expect(await shared.show(mutation)).toMatchObject({ stage: 'committed', intent: 'set the config' });
    // Later agents hear of it.
    const { facts, text } = await agent.call('explain', { path: join(site, 'run.sh') });
    expect(text).toContain('to "set the config"');
    expect(facts).toMatchObject({ inForce: [{ mutation }], changedBy: [mutation], undone: [], open: [], all: true });
  });

  test('puts the state back, and knows where the failed one is kept', async () => {
    const { site, agent, before } = await agentAt(era);
    const { mutation, fence } = await agent.clear(site);
    change(site);
    expect((await agent.call('rollback', { mutation, dry_run: true })).facts).toMatchObject({
      plans: [{ blockers: [] }],
    });
    const { facts } = await agent.call('rollback', { mutation, fence });
    expect(facts).toMatchObject({ outcome: 'rolled_back' });
    expect(fingerprint(site)).toBe(before);
    const [evidence] = facts['evidence'] as string[];
    expect(readFileSync(join(evidence ?? '', 'run.sh'), 'utf8')).toBe('changed by an agent\n');
  });

  test('runs a command: kept when it succeeds, undone when it fails, and hears what it said', async () => {
    const { site, agent } = await agentAt(era);
    const run = (script: string, more = {}) =>
      agent.call('run_guarded', { intent: script, datasets: [site], argv: ['sh', '-c', script], cwd: site, ...more });
    expect(await run('echo two > config; echo done')).toMatchObject({
      isError: false,
      facts: { stage: 'committed', exitCode: 0, stdout: { text: 'done\n', leftOut: 0 } },
    });
    const before = fingerprint(site);
    expect(await run('rm -r *; echo "no" >&2; exit 3')).toMatchObject({
      isError: true,
      facts: { stage: 'rolled_back', exitCode: 3, stderr: { text: 'no\n' } },
    });
    expect(await run('rm config; sleep 60', { timeout: '300ms' })).toMatchObject({
      isError: true,
      facts: { stage: 'rolled_back', reason: { code: 'command_stopped' } },
    });
    expect(fingerprint(site)).toBe(before);
  });
});

test('an agent is taught what is there', async () => {
  const { agent } = await agentAt();
  const { tools } = await agent.client.listTools();
  expect(tools.map(({ name }) => name).toSorted()).toEqual(
    [
      'commit',
      'diff',
      'explain',
      'history',
      'locks',
      'request_clearance',
      'rollback',
      'run_guarded',
      'show',
    ].toSorted(),
  );
  expect(tools.filter(({ description = '' }) => description.length < 40)).toEqual([]);
  expect(agent.client.getInstructions()).toContain('Denied means do not do it');
});

test('nodes and mutations are there to be read', async () => {
  const { site, agent } = await agentAt();
  const { mutation, fence } = await agent.clear(site, { intent: 'to be read' });
  await agent.call('commit', { mutation, fence });
  const { resources } = await agent.client.listResources();
  const uris = resources.map(({ uri }) => uri);
  expect(uris).toEqual(expect.arrayContaining(['hauki://nodes', 'hauki://mutations', `hauki://mutations/${mutation}`]));
  for (const [uri, word] of [
    ['hauki://nodes', '"nodes":['],
    ['hauki://mutations', 'to be read'],
    [`hauki://mutations/${mutation}`, '"records":['],
  ] as const) {
    const { contents } = await agent.client.readResource({ uri });
    expect(contents).toMatchObject([
      { uri, mimeType: 'application/json', text: expect.stringContaining(word) as string },
    ]);
  }
  await expect(agent.client.readResource({ uri: 'hauki://mutations/none' })).rejects.toThrow(
    /There is no mutation none/,
  );
});

test('what a command says is bounded, what it leaves running is stopped', async () => {
  const { site, agent } = await agentAt();
  const script = 'seq 1 100000; (sleep 300; rm config) & echo $! > child';
  const { facts } = await agent.call('run_guarded', {
    intent: 'x',
    datasets: [site],
    argv: ['sh', '-c', script],
    cwd: site,
  });
  const { text, leftOut } = facts['stdout'] as { text: string; leftOut: number };
  expect(facts).toMatchObject({ stage: 'committed' });
  expect(text.startsWith('1\n2\n')).toBe(true);
  expect(text.endsWith('\n99999\n100000\n')).toBe(true);
  expect(text.length).toBeLessThan(20_000);
  expect(leftOut).toBeGreaterThan(500_000);
  expect(isAlive(Number(readFileSync(join(site, 'child'), 'utf8')))).toBe(false);
});

describe('an agent that ends leaves nothing half done', () => {
  test.each([
    ['takes its leave', (agent: TestAgent) => agent.close()],
    ['is killed by force', async ({ pid }: { pid: number }) => void process.kill(pid, 'SIGKILL')],
    ['is asked to end', async ({ pid }: { pid: number }) => void process.kill(pid, 'SIGTERM')],
  ] as const)('when it %s', async (_how, end) => {
    const { site, agent, before } = await agentAt();
    const { mutation } = await agent.clear(site);
    change(site);
    await end(agent);
    await ended(mutation, 'rolled_back');
    expect(fingerprint(site)).toBe(before);
    await until(() => !isAlive(agent.pid), 'hauki mcp ends');
  });

  test('in the middle of a command, which is stopped first', async () => {
    const { site, agent, before } = await agentAt();
    const script = 'echo $$ > pid; rm config; sleep 300';
    const running = agent.call('run_guarded', {
      intent: 'long',
      datasets: [site],
      argv: ['sh', '-c', script],
      cwd: site,
    });
    running.catch(() => undefined);
    await until(() => existsSync(join(site, 'pid')) && !existsSync(join(site, 'config')), 'the command works');
    const pid = await until(() => Number(readFileSync(join(site, 'pid'), 'utf8')) || undefined, 'its id');
    process.kill(agent.pid, 'SIGKILL');
    await until(() => fingerprint(site) === before, 'the state is back');
    expect(isAlive(pid)).toBe(false);
  });

  test('when a call is given up: the command is stopped and undone', async () => {
    const { site, agent, before } = await agentAt();
    const script = 'rm config; touch there; sleep 300';
    const give = new AbortController();
    const running = agent.call(
      'run_guarded',
      { intent: 'given up', datasets: [site], argv: ['sh', '-c', script], cwd: site },
      give.signal,
    );
    running.catch(() => undefined);
    await until(() => existsSync(join(site, 'there')), 'the command works');
    give.abort();
    await until(() => fingerprint(site) === before, 'the state is back');
    // The agent is there still, and may go on.
    expect(await agent.clear(site)).toMatchObject({ fence: expect.any(Number) as number });
  });

  test('when it calls nothing for as long as its ttl; and it is told', async () => {
    const { site, agent, before } = await agentAt();
    const { mutation, fence } = await agent.clear(site, { ttl: '1500ms' });
    change(site);
    // What it asks meanwhile keeps it.
    const begun = performance.now();
    while (performance.now() - begun < 3_000) {
      await agent.call('locks');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect(await stageOf(mutation)).toBe('cleared');
    await ended(mutation, 'rolled_back');
    expect(fingerprint(site)).toBe(before);
    const answer = await agent.call('commit', { mutation, fence });
    expect(answer).toMatchObject({ isError: true, facts: { code: 'lease_expired' } });
    expect(answer.text).toMatch(/^ATTENTION: The clearance of mutation .* was lost/);
    expect((await agent.call('locks')).text).not.toContain('ATTENTION');
  });

  test('when whoever started it was killed, though somebody else holds its stdin open', async () => {
    const { site } = shared.another();
    const before = fingerprint(site);
    const requests = join(shared.folder, 'requests');
    writeFileSync(requests, lines([INITIALIZE, INITIALIZED, clearanceOf(2, site)]));
    const hauki = join(import.meta.dirname, '../../hauki');
    const parent = shared.start(['-c', '(cat "$1"; exec sleep 300) | "$0" mcp', hauki, requests], { program: 'sh' });
    const { mutation } = await until(() => factsIn(parent, 2), 'it is cleared');
    change(site);
    process.kill(parent.pid, 'SIGKILL');
    await ended(String(mutation), 'rolled_back');
    expect(fingerprint(site)).toBe(before);
    const sleeper = processesOf(shared.folder).find((pid) => commandLine(pid).startsWith('sleep 300'));
    process.kill(sleeper ?? Number.NaN, 'SIGKILL');
  });
});

describe('a bad agent', () => {
  test('commits without clearance: refused, whoever holds it', async () => {
    const { site, agent } = await agentAt();
    const other = await stdioAgent(shared);
    onTestFinished(other.close);
    const { mutation, fence } = await other.clear(site);
    change(site);
    for (const tool of ['commit', 'rollback'])
      expect(await agent.call(tool, { mutation, fence })).toMatchObject({
        isError: true,
        facts: { code: 'lease_lost' },
      });
    expect(await agent.call('commit', { mutation: 'none', fence: 1 })).toMatchObject({
      facts: { code: 'mutation_unknown' },
    });
    expect(await agent.call('commit', {})).toMatchObject({ isError: true });
    expect(await stageOf(mutation)).toBe('cleared');
    expect(await other.call('commit', { mutation, fence })).toMatchObject({ isError: false });
  });

  test('shows an old token: refused, and what it holds stays its own', async () => {
    const { site, agent } = await agentAt();
    const old = await agent.clear(site);
    await agent.call('rollback', { mutation: old.mutation, fence: old.fence });
    const { mutation, fence } = await agent.clear(site);
    expect(await agent.call('commit', { mutation, fence: old.fence })).toMatchObject({
      isError: true,
      facts: { code: 'fence_stale' },
    });
    expect(await agent.call('commit', { mutation: old.mutation, fence: old.fence })).toMatchObject({
      isError: true,
      facts: { code: 'lease_lost' },
    });
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({ isError: false });
  });

  test('asks for what it holds already: told at once, instead of waiting for itself', async () => {
    const { site, agent } = await agentAt();
    const { mutation } = await agent.clear(site);
    for (const [tool, more] of [
      ['request_clearance', {}],
      ['run_guarded', { argv: ['true'] }],
    ] as const)
      expect(await agent.call(tool, { intent: 'again', datasets: [join(site, 'deep')], ...more })).toMatchObject({
        isError: true,
        facts: { code: 'dataset_busy', message: expect.stringContaining(mutation) as string },
      });
  });

  test('two at once: the second waits, and is told for whom when its patience ends', async () => {
    const { site, agent } = await agentAt();
    const other = await stdioAgent(shared, ['--node', 'second']);
    onTestFinished(other.close);
    const { mutation, fence } = await agent.clear(site);
    const denied = await other.call('request_clearance', { intent: 'me too', datasets: [site], wait: '200ms' });
    expect(denied).toMatchObject({
      isError: true,
      facts: { code: 'lock_timeout', retry: true, evidence: { blockedBy: [mutation] } },
    });
    const waiting = other.clear(site, { wait: '30s' });
    await until(async () => {
      const locks = (await agent.call('locks')).facts['locks'] as { node: string; blockedBy: string[] }[];
      return locks.some(({ node, blockedBy }) => node === 'second' && blockedBy.includes(mutation));
    }, 'the second waits');
    await agent.call('commit', { mutation, fence });
    expect((await waiting).fence).toBeGreaterThan(fence);
  });

  test('asks for what cannot be run: refused, and nothing is changed', async () => {
    const { site, agent, before } = await agentAt();
    const refusedWith = async (args: Record<string, unknown>): Promise<unknown> => {
      const { isError, facts, text } = await agent.call('run_guarded', { intent: 'bad', datasets: [site], ...args });
      expect({ args, isError }).toEqual({ args, isError: true });
      const { code } = (facts['reason'] ?? facts) as { code?: string };
      return code ?? (text.includes('Invalid') ? 'invalid' : text);
    };
    const command = { argv: ['true'] };
    expect(await refusedWith({ argv: 'rm -rf /' })).toBe('invalid');
    expect(await refusedWith({ argv: [] })).toBe('invalid');
    expect(await refusedWith({ ...command, cwd: 'deep' })).toBe('invalid');
    expect(await refusedWith({ ...command, sudo: true })).toBe('invalid');
    expect(await refusedWith({ ...command, intent: '' })).toBe('intent_invalid');
    expect(await refusedWith({ argv: ['tr\u0000ue'] })).toBe('command_invalid');
    expect(await refusedWith({ ...command, timeout: 'soon' })).toBe('duration_invalid');
    expect(await refusedWith({ ...command, timeout: '999d' })).toBe('duration_invalid');
    expect(await refusedWith({ argv: ['/no/such/program'] })).toBe('command_unstartable');
    expect(await refusedWith({ ...command, datasets: ['/nowhere'] })).toBe('dataset_missing');
    expect(fingerprint(site)).toBe(before);
  });

  test('writes garbage between its lines: it is not answered, and what comes after is', async () => {
    const { site } = shared.another();
    const raw = shared.start(['mcp'], { input: 'open' });
    const say = (text: string): void => void raw.child.stdin?.write(text);
    say('garbage{\n\n[]\n"text"\nnull\n{"jsonrpc":"1.0"}\n\u0000\u0001\n');
    say(lines([INITIALIZE, INITIALIZED, clearanceOf(2, site)]));
    const { mutation } = await until(() => factsIn(raw, 2), 'it is cleared');
    say('{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"rm"}}\n{"half":\n');
    await until(() => raw.stdout().includes('"id":3'), 'the unknown tool is refused');
    expect(await stageOf(String(mutation))).toBe('cleared');
    // In the middle of a line.
    raw.child.stdin?.end('{"jsonrpc":"2.0","id":4,"meth');
    expect((await raw.done).code).toBe(0);
    await ended(String(mutation), 'rolled_back');
    for (const line of raw.stdout().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ jsonrpc: '2.0' });
  });
});

test('without a controller one is started, and not where one is named that does not answer', async () => {
  const own = openPlace();
  onTestFinished(own.close);
  const agent = await stdioAgent(own);
  const { mutation, fence } = await agent.clear(own.site);
  appendFileSync(join(own.site, 'config'), 'more');
  expect(await agent.call('commit', { mutation, fence })).toMatchObject({ isError: false });
  await agent.close();
  const lost = await stdioAgent(own, ['--controller', `unix:${own.folder}/none.sock`]);
  expect(await lost.call('request_clearance', { intent: 'x', datasets: [own.site] })).toMatchObject({
    isError: true,
    facts: { code: 'controller_unreachable' },
  });
  await lost.close();
});

test('inside a guard of the same state an agent is told so at once', async () => {
  const { site } = shared.another();
  const requests = lines([INITIALIZE, INITIALIZED, clearanceOf(2, site)]);
  const hauki = join(import.meta.dirname, '../../hauki');
  const script = `{ printf '%s' "$1"; until grep -q '"id":2' out; do sleep 0.1; done; } | "$0" mcp > out; cat out`;
  const args = ['guard', '--intent', 'outer', '--path', site, '--', 'sh', '-c', script, hauki, requests];
  const { code, stdout } = await shared.run(args, { cwd: shared.folder });
  expect([code, stdout]).toMatchObject([0, expect.stringContaining('dataset_busy')]);
});

// ── lines as an agent's host writes them ───────────────────────────────────────────────────────────────────────────────

const INITIALIZE = {
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'recorded', version: '1' } },
};
const INITIALIZED = { method: 'notifications/initialized' };

function clearanceOf(id: number, site: string): object {
  return {
    id,
    method: 'tools/call',
    params: { name: 'request_clearance', arguments: { intent: 'recorded', datasets: [site] } },
  };
}

function lines(messages: readonly object[]): string {
  return messages.map((message) => `${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`).join('');
}

function factsIn(running: Running, id: number): Readonly<Record<string, unknown>> | undefined {
  const whole = running.stdout().split('\n').slice(0, -1);
  const answer = whole
    .map((line) => JSON.parse(line) as { id?: number; result?: { structuredContent?: Record<string, unknown> } })
    .find((one) => one.id === id);
  return answer?.result?.structuredContent;
}
