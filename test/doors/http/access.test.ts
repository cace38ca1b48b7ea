import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import { refusal } from '../../../src/base/refusal.ts';
import type { Denial } from '../../../src/core/node/denial.ts';
import type { Scope } from '../../../src/core/token/token.ts';
import { askingNode, guardRoutes } from '../../../src/doors/http/access.ts';
import { Denials } from '../../../src/doors/http/denials.ts';
import { mutationRoutes } from '../../../src/doors/http/mutations.ts';
import { nodeRoutes } from '../../../src/doors/http/nodes.ts';
import type { Doorkeeper, Principal } from '../../../src/doors/http/principal.ts';
import { stateRoutes } from '../../../src/doors/http/state.ts';
import type { Controller } from '../../../src/engine/controller.ts';

const node: Principal = { kind: 'node', name: 'crm', fingerprint: 'k' };
const token = (...scopes: Scope[]): Principal => ({ kind: 'token', name: 'ci', scopes });
const operator: Principal = { kind: 'operator' };

/** Mutation `own` is of node crm, `other` of node shop. */
const controller = {
  find: async (id: string) => ({ own: { node: 'crm' }, other: { node: 'shop' } })[id],
} as unknown as Controller;

function guarded(principal: Principal | undefined, denied: Denial[] = []): FastifyInstance {
  const app = Fastify();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  const keeper = { principalOf: () => ok(principal) } as unknown as Doorkeeper;
  guardRoutes(app, keeper, new Denials((denial) => denied.push(denial)), controller);
  return app;
}

async function status(principal: Principal | undefined, config: object, url = '/it'): Promise<number> {
  const app = guarded(principal);
  app.get('/it', { config }, async () => 'done');
  app.get('/it/:id', { config }, async () => 'done');
  return (await app.inject({ url })).statusCode;
}

describe('a route', () => {
  test('that does not say what it needs is not to be had', () => {
    expect(() => guarded(operator).get('/open', async () => 'hello')).toThrow(/does not say what it needs/);
    expect(() => guarded(operator).get('/open', { config: { needs: [] } }, async () => 'hello')).toThrow(/needs/);
  });

  test.each([
    ['anyone', undefined, 200],
    ['peer', undefined, 401],
    ['read', undefined, 401],
    ['peer', node, 200],
    ['guard', node, 200],
    ['node', node, 200],
    ['read', node, 403],
    ['operate', node, 403],
    ['admin', node, 403],
    ['peer', token(), 200],
    ['guard', token('guard'), 200],
    ['guard', token('read', 'operate', 'admin'), 403],
    ['read', token('guard', 'operate', 'admin'), 403],
    ['admin', token('read', 'guard', 'operate'), 403],
    ['node', token('read', 'guard', 'operate', 'admin'), 403],
    ['operate', token('operate'), 200],
    ['read', operator, 200],
    ['admin', operator, 200],
    ['node', operator, 403],
  ] as const)('that needs %s, asked by %j: %i', async (need, principal, expected) => {
    expect(await status(principal, { needs: [need] })).toBe(expected);
  });

  test.each([
    ['own', node, 200],
    ['other', node, 403],
    ['none', node, 404],
    ['other', operator, 200],
    ['other', token('read', 'guard'), 200],
    ['other', token('guard'), 403],
  ] as const)('about mutation %s, asked by %j: %i', async (id, principal, expected) => {
    expect(await status(principal, { needs: ['read', 'guard'], unlessOwn: 'read' }, `/it/${id}`)).toBe(expected);
  });

  test('that is not there is refused to strangers like any other', async () => {
    expect((await guarded(undefined).inject({ url: '/nothing' })).statusCode).toBe(401);
    expect((await guarded(node).inject({ url: '/nothing' })).statusCode).toBe(404);
  });

  test('refuses on record', async () => {
    const denied: Denial[] = [];
    const app = guarded(node, denied);
    app.post('/v1/prune', { config: { needs: ['operate'] } }, async () => 'done');
    await app.inject({ method: 'POST', url: '/v1/prune' });
    expect(denied).toMatchObject([{ as: 'node crm', what: 'POST /v1/prune', code: 'forbidden', times: 1 }]);
  });

  test('refuses what does not count with the reason why', async () => {
    const app = Fastify();
    const keeper = { principalOf: () => err(refusal('node_revoked', 'No.')) } as unknown as Doorkeeper;
    guardRoutes(app, keeper, new Denials(() => undefined), controller);
    app.get('/it', { config: { needs: ['peer'] } }, async () => 'done');
    const answer = await app.inject({ url: '/it' });
    expect([answer.statusCode, answer.json()]).toMatchObject([403, { code: 'node_revoked' }]);
  });

  test.each([
    ['overloaded', 'close'],
    ['node_unknown', 'close'],
    ['node_revoked', 'close'],
    ['certificate_refused', 'close'],
    ['unauthorized', 'keep-alive'],
    ['session_over', 'keep-alive'],
  ] as const)('refuses with %s, and the connection: %s', async (code, connection) => {
    const app = Fastify();
    const keeper = { principalOf: () => err(refusal(code, 'No.')) } as unknown as Doorkeeper;
    guardRoutes(app, keeper, new Denials(() => undefined), controller);
    app.get('/it', { config: { needs: ['peer'] } }, async () => 'done');
    expect((await app.inject({ url: '/it' })).headers.connection).toBe(connection);
  });
});

test('what each route needs', async () => {
  const table: string[] = [];
  const app = guarded(operator);
  app.addHook('onRoute', ({ method, url, config }) => {
    if (method !== 'HEAD')
      table.push(
        `${String(method)} ${url}: ${config?.needs?.join(', ')}${config?.unlessOwn ? ` (or own: ${config.unlessOwn})` : ''}`,
      );
  });
  const options = { controller, closing: () => false } as never;
  await app.register(mutationRoutes, options);
  await app.register(stateRoutes, options);
  await app.register(nodeRoutes, options);
  await app.ready();
  expect(table.toSorted()).toMatchInlineSnapshot(`
    [
      "DELETE /v1/evidence/:id: operate",
      "DELETE /v1/nodes/:name: admin",
      "DELETE /v1/tokens/:name: admin",
      "GET /healthz: anyone",
      "GET /openapi.json: peer",
      "GET /readyz: anyone",
      "GET /v1/evidence: read",
      "GET /v1/locks: read, guard",
      "GET /v1/mutations/:id/diff: read, guard (or own: read)",
      "GET /v1/mutations/:id/plan: read, guard (or own: read)",
      "GET /v1/mutations/:id: read, guard (or own: read)",
      "GET /v1/mutations: read, guard",
      "GET /v1/nodes/:name: read, admin",
      "GET /v1/nodes: read, admin",
      "GET /v1/policy: read, admin",
      "GET /v1/snapshots: read",
      "GET /v1/status: read",
      "GET /v1/tokens: admin",
      "GET /v1/whoami: peer",
      "POST /v1/join: anyone",
      "POST /v1/mutations/:id/attach: guard (or own: operate)",
      "POST /v1/mutations/:id/commit: guard (or own: operate)",
      "POST /v1/mutations/:id/renew: guard (or own: operate)",
      "POST /v1/mutations/:id/resolve: operate",
      "POST /v1/mutations/:id/rollback: guard, operate (or own: operate)",
      "POST /v1/mutations: guard",
      "POST /v1/nodes/:name/commands: operate, admin",
      "POST /v1/nodes: admin",
      "POST /v1/prune: operate",
      "POST /v1/retire: admin",
      "POST /v1/rotate: node",
      "POST /v1/seals: operate",
      "POST /v1/tokens: admin",
      "PUT /v1/mutations/:id/pin: operate",
    ]
  `);
});

test('a caller asks as itself', () => {
  const as = (principal: Principal, wanted?: string): string | undefined => {
    const asking = askingNode(principal, wanted);
    return asking.ok ? asking.value : asking.error.code;
  };
  expect([as(node), as(node, 'crm'), as(node, 'shop')]).toEqual(['crm', 'crm', 'forbidden']);
  expect([as(token('guard')), as(token('guard'), 'crm')]).toEqual(['ci', 'forbidden']);
  expect([as(token('guard', 'operate'), 'crm'), as(operator, 'crm'), as(operator)]).toEqual(['crm', 'crm', undefined]);
});
