import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

import { expect, onTestFinished, test } from 'vitest';

import type { ApiToken } from '../../../src/core/token/token.ts';
import { Doorkeeper } from '../../../src/doors/http/principal.ts';
import { digestOf } from '../../../src/engine/enrolment.ts';

test('a connection is known when it is let in and counted, and not by what it shows', () => {
  const digest = digestOf('hauki_ci');
  const tokens = new Map<string, ApiToken>([[digest, { name: 'ci', digest, scopes: ['read'], issuedAt: 0 }]]);
  const engine = { state: { tokens, nodes: new Map() }, feed: { subscribe: () => () => undefined } };
  const keeper = new Doorkeeper({ controller: { engine }, enrolment: { now: 0 }, token: 'x' } as never);
  onTestFinished(() => keeper.close());
  let known = 0;
  const ask = (token: string): string | undefined => {
    const socket = new EventEmitter() as Socket;
    keeper.enter(socket, 'mesh', [], () => (known += 1));
    const headers = { authorization: `Bearer ${token}` };
    const found = keeper.principalOf({ socket, headers } as unknown as IncomingMessage);
    return found.ok ? found.value?.kind : found.error.code;
  };
  expect([ask('hauki_other'), known]).toEqual(['unauthorized', 0]);
  for (let times = 1; times <= 1_024; times += 1) expect([ask('hauki_ci'), known]).toEqual(['token', times]);
  expect([ask('hauki_ci'), known]).toEqual(['overloaded', 1_024]);
});
