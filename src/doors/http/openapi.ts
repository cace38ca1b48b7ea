import { STATUS_CODES } from 'node:http';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';

/** What every route can answer, whether or not it says so: it is refused, or a defect is met. */
const REFUSAL = {
  description:
    'Refused, and nothing was done: `code` says why, `hint` what to do next. See docs/errors.md for all codes.',
  content: {
    'application/json': { schema: { $ref: '#/components/schemas/Denied' } },
    'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
  },
};

/** The contract as OpenAPI 3.1: from the schemas of the routes, with what holds for all of them added here. */
export function openApi(version: string): FastifyDynamicSwaggerOptions {
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'hauki controller',
        version,
        description:
          'Clearance, outcome and history of changes to guarded state. On the Unix socket file permission decides who may ask; over TCP a token does, or a certificate of the mesh.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: (route) => {
      const { schema, url } = jsonSchemaTransform(route);
      if (schema === undefined || schema.hide === true) return { schema, url };
      const method = [route.route.method].flat()[0] ?? 'GET';
      return {
        url,
        schema: {
          operationId: operationId(method, url),
          tags: [url.split('/').find((part) => part !== '' && part !== 'v1') ?? ''],
          ...schema,
          ...(route.route.config?.needs?.includes('anyone') ? { security: [] } : {}),
          // Who may ask: a scope, or what a caller has to be (`Need` in ./access.ts). Any one of them is enough.
          'x-needs': route.route.config?.needs ?? [],
          response: answers((schema.response ?? {}) as Readonly<Record<string, object>>),
        },
      };
    },
    transformObject: jsonSchemaTransformObject,
  };
}

/** `POST /v1/mutations/:id/commit` → `postMutationsCommit`, `GET /v1/mutations/:id` → `getMutation` */
function operationId(method: string, url: string): string {
  const parts = url.split('/').filter((part) => part !== '' && part !== 'v1');
  if (parts.at(-1)?.startsWith(':')) parts.splice(-2, 2, (parts.at(-2) ?? '').replace(/s$/, ''));
  const words = parts.filter((part) => !part.startsWith(':')).flatMap((part) => part.split(/[^A-Za-z0-9]+/));
  return method.toLowerCase() + words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join('');
}

function answers(said: Readonly<Record<string, object>>): Record<string, object> {
  const described = Object.entries(said)
    .filter(([status]) => !/^[45]xx$/i.test(status))
    .map(([status, answer]) => [
      status,
      'content' in answer || 'description' in answer ? answer : whole(status, answer),
    ]);
  return { ...(Object.fromEntries(described) as Record<string, object>), '4xx': REFUSAL, '5xx': REFUSAL };
}

function whole(status: string, schema: object): object {
  return { description: `${STATUS_CODES[status] ?? status}.`, content: { 'application/json': { schema } } };
}
