import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import type { Metrics } from '../../ports/metrics.ts';
import { Denied } from '../../wire/http.ts';

/** Figures for Prometheus, and whatever reads its format. */
export const metricsRoutes: FastifyPluginAsyncZod<{ readonly metrics: Metrics }> = async (app, { metrics }) => {
  app.get(
    '/metrics',
    {
      config: { needs: ['read'] },
      schema: {
        summary: 'Figures in the text format of Prometheus.',
        response: {
          200: {
            description: 'Each metric says in HELP what it is; docs/metrics.md has them all.',
            content: { 'text/plain': { schema: z.string() } },
          },
          '4xx': Denied,
          '5xx': Denied,
        },
      },
    },
    async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()),
  );
};
