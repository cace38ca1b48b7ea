import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { refusal } from '../../base/refusal.ts';
import { SCOPES } from '../../core/token/token.ts';
import type { Enrolment } from '../../engine/enrolment.ts';
import { Denied } from '../../wire/http.ts';
import { SessionAsk, SessionView } from '../../wire/session.ts';
import { iso } from '../../wire/view.ts';
import { hasScope } from './access.ts';
import { Attempts } from './attempts.ts';
import { sessionCookie } from './browser.ts';
import { describePrincipal, type Doorkeeper } from './principal.ts';

export interface SessionOptions {
  readonly keeper: Doorkeeper;
  readonly enrolment: Enrolment;
}

/** A browser logs in, asks as whom, and logs out. */
export const sessionRoutes: FastifyPluginAsyncZod<SessionOptions> = async (app, { keeper, enrolment }) => {
  const refusals = { '4xx': Denied, '5xx': Denied };
  const attempts = new Attempts(() => performance.now());

  app.post(
    '/v1/session',
    {
      config: { needs: ['anyone'] },
      schema: {
        summary: 'Log in: a token for a cookie.',
        description:
          'For browsers. The cookie stands for the token until the session has been idle for 30 minutes, for 12 hours at most, and no longer than the token itself. Requests with it that change something carry `x-hauki-page: 1`.',
        body: SessionAsk,
        response: { 204: z.undefined().meta({ description: 'The cookie is set.' }), ...refusals },
      },
    },
    async ({ raw, body }, reply) => {
      const begun = keeper.begin(raw, body.token);
      // A token that is one is never kept waiting: on loopback everybody has the same address, and nobody guesses 256 bits.
      if (begun.ok) return reply.header('set-cookie', sessionCookie(raw, begun.value)).code(204).send();
      if (begun.error.code !== 'unauthorized') return reply.refuse(begun.error);
      const address = raw.socket.remoteAddress ?? 'local';
      const waitMs = attempts.waitMs(address);
      if (waitMs > 0) {
        void reply.header('retry-after', String(Math.ceil(waitMs / 1_000)));
        return reply.refuse(refusal('rate_limited', 'Too many tokens that are none were shown from this address.'));
      }
      attempts.failed(address);
      return reply.refuse(begun.error);
    },
  );

  app.get(
    '/v1/session',
    {
      // Nobody is refused who only asks whether he is somebody: a page does so before it shows where to log in.
      config: { needs: ['anyone'] },
      schema: {
        summary: 'As whom this caller is known, and for how long.',
        response: { 200: SessionView, ...refusals },
      },
    },
    async ({ raw }, reply) => {
      const found = keeper.principalOf(raw, reply.raw);
      void reply.header('cache-control', 'no-store');
      const principal = found.ok ? found.value : undefined;
      if (!found.ok && found.error.code === 'session_over')
        void reply.header('set-cookie', sessionCookie(raw, undefined));
      const leftMs = keeper.leftMs(raw);
      return {
        principal: principal === undefined ? null : describePrincipal(principal),
        scopes: SCOPES.filter((scope) => hasScope(principal, scope)),
        ...(principal === undefined || leftMs === undefined ? {} : { until: iso(enrolment.now + leftMs) }),
      };
    },
  );

  app.delete(
    '/v1/session',
    {
      config: { needs: ['anyone'] },
      schema: {
        summary: 'Log out: the session ends, with every stream it has open.',
        response: { 204: z.undefined().meta({ description: 'There is no session any more.' }), ...refusals },
      },
    },
    async ({ raw }, reply) => {
      const ended = keeper.end(raw);
      if (!ended.ok) return reply.refuse(ended.error);
      return reply.header('set-cookie', sessionCookie(raw, undefined)).code(204).send();
    },
  );
};
