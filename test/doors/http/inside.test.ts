import type { IncomingMessage, ServerResponse } from 'node:http';

import { describe, expect, test } from 'vitest';

import { send, text } from '../../../src/client/transport.ts';
import type { ApiToken } from '../../../src/core/token/token.ts';
import { insideServer } from '../../../src/doors/http/inside.ts';
import { Doorkeeper, type Principal } from '../../../src/doors/http/principal.ts';

/* Connections within the process, which speak for a caller who was let in by one of the doors. */

const CI: Principal = { kind: 'token', name: 'ci', scopes: ['guard'] };

/** A doorkeeper whose only token can be changed, and a server inside that answers who asks. */
function setUp() {
  const token: ApiToken = { name: 'ci', digest: 'd', scopes: ['guard'], issuedAt: 0 };
  const tokens = new Map([['d', token]]);
  const world = { now: 0 };
  let tell: (record: { event: object }) => void = () => undefined;
  const feed = {
    subscribe: (heard: typeof tell) => {
      tell = heard;
      return () => undefined;
    },
  };
  const controller = { engine: { state: { tokens, nodes: new Map() }, feed } };
  const keeper = new Doorkeeper({ controller, enrolment: world, token: 'x' } as never);
  const closed: string[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const found = keeper.principalOf(request);
    response.once('close', () => closed.push(request.url ?? ''));
    response.writeHead(found.ok ? 200 : 403).flushHeaders();
    const said = JSON.stringify(found.ok ? found.value : found.error.code);
    if (request.url === '/hangs') response.write(said);
    else response.end(said);
  };
  const inside = insideServer(answer, keeper);
  const ask = (path: string, principal: Principal = CI) =>
    send({ name: 'inside', connect: () => inside.connect(principal) }, { method: 'GET', path });
  return {
    keeper,
    token,
    tokens,
    world,
    inside,
    ask,
    closed,
    revoke: () => tell({ event: { type: 'token_revoked', name: 'ci' } }),
  };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe('a connection inside', () => {
  test('speaks for its caller, as it stands at each request', async () => {
    const { ask, token, tokens, world } = setUp();
    const said = async (principal?: Principal): Promise<unknown> => JSON.parse(await text(await ask('/', principal)));
    expect(await said()).toEqual(CI);
    expect(await said({ kind: 'operator' })).toEqual({ kind: 'operator' });
    expect(await said({ kind: 'node', name: 'crm', fingerprint: 'f' })).not.toMatchObject({ kind: 'node' });
    tokens.set('d', { ...token, scopes: ['read'] });
    expect(await said()).toEqual({ ...CI, scopes: ['read'] });
    tokens.set('d', { ...token, expiresAt: 10 });
    world.now = 10;
    expect(await said()).toBe('unauthorized');
    tokens.clear();
    expect(await said()).toBe('token_revoked');
  });

  test('ends on both sides, whichever ends it', async () => {
    const { ask, closed, inside } = setUp();
    const first = await ask('/hangs');
    first.destroy();
    await turn();
    expect(closed).toEqual(['/hangs']);

    const second = await ask('/hangs');
    const broke = new Promise((resolve) => second.once('close', resolve));
    second.on('error', () => undefined).resume();
    await inside.close();
    expect(closed).toEqual(['/hangs', '/hangs']);
    await broke;
    expect(second.complete).toBe(false);
  });

  test('is closed when its caller is revoked', async () => {
    const { ask, closed, revoke } = setUp();
    const response = await ask('/hangs');
    response.on('error', () => undefined).resume();
    const broke = new Promise((resolve) => response.once('close', resolve));
    revoke();
    await broke;
    await turn();
    expect(closed).toEqual(['/hangs']);
  });

  test('is closed when the token of its caller expires, which sends no request by which it would be noticed', async () => {
    const { ask, closed, keeper, token, tokens, world } = setUp();
    tokens.set('d', { ...token, expiresAt: 10 });
    const response = await ask('/hangs');
    response.on('error', () => undefined).resume();
    const broke = new Promise((resolve) => response.once('close', resolve));
    world.now = 9;
    keeper.sweep();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    expect(closed).toEqual([]);
    world.now = 10;
    keeper.sweep();
    await broke;
    await turn();
    expect(closed).toEqual(['/hangs']);
  });
});
