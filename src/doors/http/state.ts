import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import * as z from 'zod';
import { refusal } from '../../base/refusal.ts';
import type { Findings } from '../../core/findings/findings.ts';
import type { KeptState, Lock } from '../../engine/controller.ts';
import { stateOf } from '../../ports/webhooks.ts';
import * as contract from '../../wire/http.ts';
import { iso, mutationView } from '../../wire/view.ts';
import { hasScope } from './access.ts';
import { sendRefusal } from './answers.ts';
import type { HttpOptions } from './options.ts';
import type { Principal } from './principal.ts';

/** What there is: status, locks, snapshots, evidence, seals; and letting go of it. */
export const stateRoutes: FastifyPluginAsyncZod<HttpOptions> = async (app, options) => {
  const { controller } = options;
  const refusals = { '4xx': contract.Denied, '5xx': contract.Denied };
  const startedAt = iso(Date.now());

  app.get(
    '/healthz',
    { config: { needs: ['anyone'] }, schema: { summary: 'The process answers.', response: { 200: contract.Health } } },
    async () => ({
      status: 'ok',
    }),
  );

  app.get(
    '/readyz',
    {
      config: { needs: ['anyone'] },
      schema: {
        summary: 'Requests are taken: the ledger is open, the self-test passed.',
        response: { 200: contract.Health },
      },
    },
    async () => ({ status: 'ready' }),
  );

  app.get('/openapi.json', { config: { needs: ['peer'] }, schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );

  app.get(
    '/v1/status',
    {
      config: { needs: ['read'] },
      schema: { summary: 'How the controller stands.', response: { 200: contract.StatusView } },
    },
    async () => {
      const { state } = controller.engine;
      const open = [...state.mutations.values()];
      const head = await controller.head();
      const irc = options.irc?.();
      return {
        status: 'ready' as const,
        ...controller.identity,
        pid: process.pid,
        startedAt,
        memoryBytes: process.memoryUsage.rss(),
        open: open.filter((mutation) => mutation.stage !== 'queued').map(mutationView),
        queued: open.filter((mutation) => mutation.stage === 'queued').length,
        outcomes: { ...(await controller.countByStage()) },
        seals: [...state.seals].map(([dataset, { driver, wanted, settled }]) => {
          return { dataset, driver, sealed: wanted, settled };
        }),
        ledger: { records: head?.seq ?? 0, head: head?.hash ?? '' },
        findings: findingsView(state.findings),
        ...(irc === undefined ? {} : { irc }),
        ...webhooksView(options.webhooks),
      };
    },
  );

  app.get(
    '/v1/locks',
    {
      config: { needs: ['read', 'guard'] },
      schema: { summary: 'Who holds what, who waits.', response: { 200: contract.LockList } },
    },
    async ({ principal }) => ({
      locks: visibleLocks(controller.locks(), principal).map(({ mutation, blockedBy }) => ({
        ...mutationView(mutation),
        blockedBy: [...blockedBy],
      })),
    }),
  );

  app.get(
    '/v1/snapshots',
    {
      config: { needs: ['read'] },
      schema: { summary: 'The snapshots that are kept, and why each exists.', response: { 200: contract.KeptList } },
    },
    async () => ({ kept: (await controller.kept('snapshot')).map(keptView) }),
  );

  app.get(
    '/v1/evidence',
    {
      config: { needs: ['read'] },
      schema: { summary: 'Failed states that rollbacks kept.', response: { 200: contract.KeptList } },
    },
    async () => ({ kept: (await controller.kept('evidence')).map(keptView) }),
  );

  app.delete(
    '/v1/evidence/:id',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Remove the evidence of a mutation.',
        params: contract.MutationParams,
        response: { 200: z.object({ removed: z.array(z.string()) }), ...refusals },
      },
    },
    async (request, reply) => {
      const removed = await controller.removeEvidence(request.params.id);
      if (!removed.ok) return sendRefusal(reply, removed.error);
      return reply.send({ removed: removed.value.map((target) => target.name) });
    },
  );

  app.post(
    '/v1/prune',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Let go of what retention does not keep.',
        body: contract.PruneBody,
        response: { 200: contract.PruneView, ...refusals },
      },
    },
    async (request, reply) => {
      const dryRun = request.body.dryRun ?? false;
      const pruned = await controller.prune(dryRun);
      if (!pruned.ok) return sendRefusal(reply, pruned.error);
      const { freesBytes } = pruned.value;
      const going = pruned.value.going.map(({ target, why }) => ({
        kind: target.kind,
        name: target.name,
        mutation: target.mutation,
        why,
      }));
      return reply.send({ dryRun, going, ...(freesBytes === undefined ? {} : { freesBytes }) });
    },
  );

  app.post(
    '/v1/seals',
    {
      config: { needs: ['operate'] },
      schema: {
        summary: 'Make a dataset read-only unless a mutation is cleared, or lift that.',
        body: contract.SealBody,
        response: { 200: contract.SealView, ...refusals },
      },
    },
    async (request, reply) => {
      const { dataset, sealed } = request.body;
      const done = await controller.seal(dataset, sealed);
      if (!done.ok) return sendRefusal(reply, done.error);
      return reply.send({ dataset: done.value.name, driver: done.value.driver, sealed, settled: true });
    },
  );

  app.post(
    '/v1/retire',
    {
      config: { needs: ['admin'] },
      schema: { summary: 'End a controller that was started only for a caller, if nothing is open.', hide: true },
    },
    async (_request, reply) => {
      if (options.ephemeral && options.retire()) return reply.send({ status: 'retiring' });
      return sendRefusal(
        reply,
        refusal('home_locked', `Controller ${process.pid} stays: it was started to stay, or has work.`),
      );
    },
  );
};

/** Who may not see everything sees its own, and who stands before them. */
function visibleLocks(all: readonly Lock[], principal: Principal | undefined): readonly Lock[] {
  if (principal === undefined || hasScope(principal, 'read') || principal.kind === 'operator') return all;
  const own = all.filter(({ mutation }) => mutation.node === principal.name);
  const before = new Set(own.flatMap(({ blockedBy }) => blockedBy));
  return all.filter((lock) => own.includes(lock) || before.has(lock.mutation.id));
}

function webhooksView(webhooks: HttpOptions['webhooks']): Pick<contract.StatusView, 'webhooks'> {
  const all = webhooks?.list();
  if (all?.ok !== true || all.value.length === 0) return {};
  const count = { active: 0, retrying: 0, disabled: 0, dead: 0 };
  for (const webhook of all.value) {
    count[stateOf(webhook)] += 1;
    count.dead += webhook.dead;
  }
  return { webhooks: count };
}

function findingsView({ unknown, missing }: Findings): contract.StatusView['findings'] {
  return {
    unknown: { count: unknown.count, names: [...unknown.names] },
    missing: { count: missing.count, snapshots: missing.snapshots.map((one) => ({ ...one })) },
  };
}

function keptView({ createdAt, path, bytes, stage, ...kept }: KeptState): contract.KeptView {
  return {
    ...kept,
    createdAt: iso(createdAt),
    ...(stage === undefined ? {} : { stage }),
    ...(path === undefined ? {} : { path }),
    ...(bytes === undefined ? {} : { bytes }),
  };
}
