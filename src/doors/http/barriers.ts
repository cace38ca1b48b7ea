import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as contract from '../../wire/http.ts';
import type { HttpOptions } from './options.ts';

/** Barriers under way: who has flushed, who is awaited. */
export const barrierRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, { controller }) => {
  app.get(
    '/v1/barriers',
    {
      config: { needs: ['read', 'guard'] },
      schema: {
        summary: 'The barriers under way: who has flushed, who is awaited, and for how long.',
        response: { 200: contract.BarrierList },
      },
    },
    async () => ({
      barriers: controller.mesh.barriers().map((barrier) => ({
        ...barrier,
        answered: [...barrier.answered],
        awaited: [...barrier.awaited],
        broken: [...barrier.broken],
      })),
    }),
  );
};
