import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { until } from '../until.ts';
import { type Era, httpAgent, type TestAgent } from './agents.ts';
import { fingerprint } from './fingerprint.ts';
import { ask, openStream, socketOf } from './http.ts';
import { openPlace, type Place } from './place.ts';

/* `/mcp`, streamable HTTP, on a real controller: the same tools, and who may what is as everywhere. */

let shared: Place;
let url: string;
let operator: Record<string, string>;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const issue = async (name: string, ...scopes: string[]) => {
  const more = scopes.flatMap((scope) => ['--scope', scope]);
  return bearer((await shared.json<{ token: string }>(['token', 'create', name, ...more])).token);
};
const issued = new Map<string, Record<string, string>>();

beforeAll(async () => {
  shared = openPlace();
  const { stdout } = await shared.controller();
  ({ url } = JSON.parse(stdout()) as { url: string });
  operator = bearer(readFileSync(join(shared.home, 'token'), 'utf8').trim());
  issued.set('guard', await issue('crm', 'guard'));
  issued.set('other', await issue('shop', 'guard'));
  issued.set('read', await issue('eyes', 'read'));
});
afterAll(() => shared.close());

const of = (name: string): Record<string, string> => issued.get(name) ?? operator;

async function agentAt(who: string, era: Era = 'legacy') {
  const { site } = shared.another();
  const agent = await httpAgent(url, of(who), era);
  onTestFinished(agent.close);
  return { site, agent, before: fingerprint(site) };
}

const ended = (mutation: string, stage: string): Promise<unknown> =>
  until(async () => (await shared.show(mutation)).stage === stage, `${mutation} is ${stage}`);
const change = (site: string): void => writeFileSync(join(site, 'run.sh'), 'changed by an agent\n');
const toolsOf = async ({ client }: TestAgent): Promise<string[]> =>
  (await client.listTools()).tools.map(({ name }) => name);

describe.each(['legacy', 'auto'] as const)('an agent elsewhere (protocol %s)', (era) => {
  test('asks as itself, changes, commits, and sees its own only', async () => {
    const { site, agent } = await agentAt('guard', era);
    expect(agent.client.getProtocolEra()).toBe(era === 'auto' ? 'modern' : 'legacy');
    const { mutation, fence } = await agent.clear(site, { intent: `from elsewhere, ${era}` });
    change(site);
    expect((await agent.call('diff', { mutation })).facts).toMatchObject({ datasets: [{ modified: ['run.sh'] }] });
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({ isError: false });
    expect(await shared.show(mutation)).toMatchObject({ stage: 'committed', node: 'crm' });
    expect((await agent.call('history', { text: `from ELSEwhere, ${era}` })).facts).toMatchObject({
      mutations: [{ mutation }],
    });

    const { agent: other } = await agentAt('other', era);
    expect((await other.call('history')).facts).toMatchObject({ mutations: [] });
    for (const tool of ['show', 'diff'])
      expect(await other.call(tool, { mutation })).toMatchObject({ isError: true, facts: { code: 'forbidden' } });
    expect(await other.call('commit', { mutation, fence })).toMatchObject({
      isError: true,
      facts: { code: 'forbidden' },
    });
    expect(await agent.call('rollback', { mutation })).toMatchObject({ isError: true, facts: { code: 'forbidden' } });
    await expect(agent.client.readResource({ uri: 'hauki://nodes' })).rejects.toThrow(/needs read/);
  });

  test('runs no commands on the controller’s host', async () => {
    const { site, agent, before } = await agentAt('guard', era);
    expect(await toolsOf(agent)).not.toContain('run_guarded');
    const running = agent.call('run_guarded', { intent: 'x', datasets: [site], argv: ['touch', join(site, 'in')] });
    await expect(running).rejects.toThrow(/run_guarded/);
    expect(fingerprint(site)).toBe(before);
  });

  test('that calls nothing for as long as its ttl is undone', async () => {
    const { site, agent, before } = await agentAt('guard', era);
    const { mutation, fence } = await agent.clear(site, { ttl: '1500ms' });
    change(site);
    const begun = performance.now();
    while (performance.now() - begun < 2_500) {
      await agent.call('show', { mutation });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    expect((await shared.show(mutation)).stage).toBe('cleared');
    await ended(mutation, 'rolled_back');
    expect(fingerprint(site)).toBe(before);
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({ facts: { code: 'lease_expired' } });
  });

  test('that may only read asks for nothing', async () => {
    const { site, agent } = await agentAt('read', era);
    expect(await agent.call('request_clearance', { intent: 'x', datasets: [site] })).toMatchObject({
      isError: true,
      facts: { code: 'forbidden' },
    });
    const { contents } = await agent.client.readResource({ uri: 'hauki://nodes' });
    expect(contents).toMatchObject([{ text: expect.stringContaining('"nodes":[') as string }]);
  });

  test('that is the operator runs commands, and one whose caller goes away is stopped and undone', async () => {
    const { site, agent } = await agentAt('operator', era);
    const run = (script: string, signal?: AbortSignal) =>
      agent.call('run_guarded', { intent: 'x', datasets: [site], argv: ['sh', '-c', script], cwd: site }, signal);
    expect(await run('touch made')).toMatchObject({ isError: false, facts: { stage: 'committed' } });
    const before = fingerprint(site);
    const give = new AbortController();
    run('touch begun; sleep 300', give.signal).catch(() => undefined);
    await until(() => fingerprint(site) !== before, 'the command works');
    give.abort();
    await until(() => fingerprint(site) === before, 'the state is back');
  });
});

describe('a session', () => {
  test('that is ended takes its clearances along', async () => {
    const { site, agent, before } = await agentAt('guard');
    const { mutation } = await agent.clear(site);
    change(site);
    await agent.transport.terminateSession();
    await ended(mutation, 'rolled_back');
    expect(fingerprint(site)).toBe(before);
  });

  test('is its caller’s alone, and its clearances are its own', async () => {
    const { site, agent } = await agentAt('guard');
    const { mutation, fence } = await agent.clear(site);
    const { agent: twin } = await agentAt('guard');
    expect(await twin.call('commit', { mutation, fence })).toMatchObject({
      isError: true,
      facts: { code: 'lease_lost' },
    });
    const body = { jsonrpc: '2.0', id: 9, method: 'tools/list' };
    const session = {
      'mcp-session-id': agent.transport.sessionId ?? '',
      accept: 'application/json, text/event-stream',
    };
    for (const [who, status] of [
      ['other', 404],
      ['operator', 404],
      ['guard', 200],
    ] as const)
      expect((await ask({ url }, 'POST', '/mcp', { headers: { ...of(who), ...session }, body })).status).toBe(status);
    expect((await ask({ url }, 'DELETE', '/mcp', { headers: { ...of('other'), ...session } })).status).toBe(404);
    expect((await ask({ url }, 'POST', '/mcp', { headers: session, body })).status).toBe(401);
    expect(await agent.call('commit', { mutation, fence })).toMatchObject({ isError: false });
  });

  test('does not outlive a wait whose caller was killed: nothing stays locked', async () => {
    const { site } = shared.another();
    const { agent: first } = await agentAt('guard');
    const { mutation, fence } = await first.clear(site);
    const headers = { ...of('other'), accept: 'application/json, text/event-stream' };
    const opened = await ask({ url }, 'POST', '/mcp', { headers, body: INITIALIZE });
    const session = { ...headers, 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    const call = { name: 'request_clearance', arguments: { intent: 'killed while it waits', datasets: [site] } };
    const killed = new AbortController();
    const body = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: call };
    const stream = await openStream({ url }, 'POST', '/mcp', { headers: session, body, signal: killed.signal });
    stream.on('error', () => undefined);
    const queued = async () =>
      (await shared.mutations()).find(({ intent }) => intent === 'killed while it waits')?.stage;
    await until(async () => (await queued()) === 'queued', 'it waits');
    killed.abort();
    await until(async () => (await queued()) === 'cancelled', 'it is cancelled');
    expect(await first.call('commit', { mutation, fence })).toMatchObject({ isError: false });
  });

  test('ends with the controller, and what it held is undone when that is back', async () => {
    const own = openPlace();
    onTestFinished(own.close);
    const { site } = own;
    const before = fingerprint(site);
    const running = await own.controller();
    const to = (JSON.parse(running.stdout()) as { url: string }).url;
    const agent = await httpAgent(to, bearer(readFileSync(join(own.home, 'token'), 'utf8').trim()));
    const { mutation } = await agent.clear(site);
    change(site);
    process.kill(running.pid, 'SIGTERM');
    await running.done;
    await own.controller();
    await until(async () => (await own.show(mutation)).stage === 'rolled_back', 'it is undone');
    expect(fingerprint(site)).toBe(before);
    await agent.close();
  });
});

describe('an agent whose token is revoked', () => {
  test.each(['legacy', 'auto'] as const)('is undone (protocol %s)', async (era) => {
    const name = `gone-${era}`;
    const { site } = shared.another();
    const before = fingerprint(site);
    const agent = await httpAgent(url, await issue(name, 'guard'), era);
    onTestFinished(() => agent.close().catch(() => undefined));
    const { mutation } = await agent.clear(site);
    change(site);
    await shared.json(['token', 'revoke', name]);
    await ended(mutation, 'rolled_back');
    expect(fingerprint(site)).toBe(before);
    await expect(agent.call('locks')).rejects.toThrow(/is none of this controller/);
    // Requests of other tests may go by the same connection, which is closed a second later.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
  });
});

describe('what is no agent', () => {
  const accept = { accept: 'application/json, text/event-stream' };
  const post = (headers: Record<string, string>, body: unknown) =>
    ask({ url }, 'POST', '/mcp', { headers: { ...accept, ...headers }, body });

  test('shows nothing, or what does not count: refused', async () => {
    expect((await post({}, INITIALIZE)).status).toBe(401);
    expect((await post(bearer('wrong'), INITIALIZE)).status).toBe(401);
    expect((await ask({ url }, 'GET', '/mcp', { headers: accept })).status).toBe(401);
  });

  test('is a page of elsewhere: refused, though it bears a token', async () => {
    for (const origin of ['https://evil.example', 'null', 'http://127.0.0.1:1'])
      expect((await post({ ...operator, origin }, INITIALIZE)).json).toMatchObject({ code: 'forbidden' });
    expect((await post({ ...operator, origin: new URL(url).origin }, INITIALIZE)).status).toBe(200);
  });

  test.each([
    ['garbage', 'garbage{', 400],
    ['nothing', '', 400],
    ['null', 'null', 400],
    ['another version', '{"jsonrpc":"1.0","id":1,"method":"initialize"}', 400],
    ['a call without session', JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }), 400],
    ['no object', '[1,2,3]', 400],
  ])('says %s: refused, and no session stays', async (_what, body, status) => {
    expect((await post({ ...operator, 'content-type': 'application/json' }, body)).status).toBe(status);
  });

  test('is over the Unix socket the operator', async () => {
    const { status, headers } = await ask(socketOf(shared), 'POST', '/mcp', { headers: accept, body: INITIALIZE });
    expect([status, headers['mcp-session-id']]).toEqual([200, expect.any(String)]);
  });

  test('opens no more sessions than are fit', async () => {
    const flood = await issue('flood', 'guard');
    const sessions: string[] = [];
    for (let opened = 0; opened < 70; opened += 1)
      sessions.push(String((await post(flood, INITIALIZE)).headers['mcp-session-id']));
    const stands = async (id: string): Promise<boolean> => {
      const said = { jsonrpc: '2.0', method: 'notifications/initialized' };
      return (
        (await post({ ...flood, 'mcp-session-id': id, 'mcp-protocol-version': '2025-06-18' }, said)).status !== 404
      );
    };
    const standing = await Promise.all(sessions.map(stands));
    // Those that were used longest ago made room.
    expect(standing).toEqual(sessions.map((_id, index) => index >= 6));
  });
});

const INITIALIZE = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
