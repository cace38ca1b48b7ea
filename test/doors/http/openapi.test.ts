import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Validator } from '@seriousme/openapi-schema-validator';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { httpDoor, type HttpDoor } from '../../../src/doors/http/server.ts';
import { Controller } from '../../../src/engine/controller.ts';
import { Enrolment } from '../../../src/engine/enrolment.ts';
import { Verifying } from '../../../src/engine/verifying.ts';
import { PATIENCE } from '../../../src/webhooks/courier.ts';
import { Targets } from '../../../src/webhooks/target.ts';
import { startWebhooks } from '../../../src/webhooks/webhooks.ts';
import { ask } from '../../e2e/http.ts';
import { Place } from '../../engine/place.ts';

/* The contract that a running door hands out, against what it answers to. */

interface Operation {
  readonly summary?: string;
  readonly operationId?: string;
  readonly 'x-needs'?: readonly string[];
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Readonly<Record<string, unknown>> }>
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** What is answered and is no part of the contract: the contract itself, and a word between one hauki and another. */
const APART = new Set(['GET /openapi.json', 'POST /v1/retire']);

const folder = mkdtempSync(join(tmpdir(), 'hauki-door-'));
const to = { socketPath: join(folder, 'door.sock') };
let door: HttpDoor;
let document: Document;

beforeAll(async () => {
  const place = new Place();
  const { options } = place;
  const engine = await place.start();
  const controller = new Controller(engine, options, place.mesh);
  const authority = (): undefined => undefined;
  const enrolment = new Enrolment(engine, {
    node: 'host',
    clock: options.clock,
    authority,
    newSecret: () => 's',
    publicKey: 'key',
  });
  const webhooks = startWebhooks({
    source: controller,
    targets: new Targets([]),
    clock: options.clock,
    random: () => 0,
    log: options.log,
    patience: PATIENCE,
    newId: () => 'w1',
    exists: false,
    open: () => {
      throw new Error('not part of this test');
    },
  });
  const log = pino({ level: 'silent' });
  door = await httpDoor({
    controller,
    enrolment,
    log,
    token: 'secret',
    ephemeral: false,
    retire: () => false,
    webhooks,
    verifying: new Verifying(
      {
        bytes: async () => 0,
        verify: () => {
          throw new Error('not part of this test');
        },
      },
      options.clock,
    ),
    metrics: { contentType: 'text/plain', text: async () => '', readerCame: () => () => undefined },
  });
  await new Promise<void>((resolve) => door.local.listen(to.socketPath, resolve));
  document = (await ask(to, 'GET', '/openapi.json')).json as Document;
});
afterAll(async () => {
  await door.close();
  rmSync(folder, { recursive: true });
});

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  );

describe('the contract', () => {
  test('is OpenAPI 3.1', async () => {
    const verdict = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
    expect(verdict.valid ? [] : verdict.errors).toEqual([]);
    expect(document.openapi).toMatch(/^3\.1\./);
  });

  test('has every route, and no other', () => {
    const answered = door.routes
      .filter(({ method }) => method !== 'HEAD')
      .map(({ method, url }) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
      .filter((route) => !APART.has(route));
    expect(
      operations()
        .map(([route]) => route)
        .toSorted(),
    ).toEqual(answered.toSorted());
    expect(answered.length).toBeGreaterThan(20);
  });

  test('says of every route what it does, who may ask, what it answers, and how it refuses', () => {
    for (const [route, { summary, operationId, responses, 'x-needs': needs = [] }] of operations()) {
      const refusal = ['application/json', 'application/problem+json'];
      const lacking = [
        summary === undefined && 'a summary',
        operationId === undefined && 'an operationId',
        needs.length === 0 && 'who may ask',
        !Object.entries(responses).some(
          ([status, { content }]) => status === '204' || (status.startsWith('2') && content !== undefined),
        ) && 'a success',
        ...['4XX', '5XX'].map((status) =>
          JSON.stringify(Object.keys(responses[status]?.content ?? {})) === JSON.stringify(refusal) ? false : status,
        ),
        ...Object.values(responses).map(({ description }) => description === 'Default Response' && 'a description'),
      ];
      expect({ route, lacking: lacking.filter((one) => one !== false) }).toEqual({ route, lacking: [] });
    }
    const ids = operations().map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('names nothing that is not there', () => {
    const text = JSON.stringify(document);
    const named = new Set(
      [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name ?? ''),
    );
    const { schemas } = (document as unknown as { components: { schemas: Record<string, unknown> } }).components;
    expect([...named].filter((name) => !(name in schemas))).toEqual([]);
    expect(named).toContain('Denied');
    expect(named).toContain('Problem');
  });

  test('holds for streams too', () => {
    const of = (route: string): Operation | undefined => operations().find(([name]) => name === route)?.[1];
    const events = of('GET /v1/events');
    expect(Object.keys(events?.responses['200']?.content ?? {})).toEqual(['text/event-stream']);
    expect(events?.responses['101']?.description).toContain('WebSocket');
    const attach = of('POST /v1/mutations/{id}/attach');
    expect(Object.keys(attach?.responses['200']?.content ?? {})).toEqual(['application/x-ndjson']);
  });
});
