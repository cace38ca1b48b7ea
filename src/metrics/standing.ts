import { Gauge, type Registry } from 'prom-client';
import { isFinal, STAGES } from '../core/mutation/mutation.ts';
import type { Member } from '../core/node/member.ts';
import type { Controller } from '../engine/controller.ts';
import type { Clock } from '../ports/clock.ts';
import { stateOf, type Webhooks } from '../ports/webhooks.ts';

export interface StandingOptions {
  readonly controller: Pick<Controller, 'engine' | 'mesh' | 'head'>;
  readonly clock: Clock;
  readonly webhooks: Pick<Webhooks, 'list'>;
}

const OPEN = STAGES.filter((stage) => !isFinal({ stage }));
const LIVENESSES = ['live', 'late', 'lost', 'unheard'] as const;
const PHASES = ['flushing', 'frozen', 'proving', 'resuming'] as const;
const WEBHOOK_STATES = ['active', 'retrying', 'disabled'] as const;
/** So many nodes are told of by name. A mesh that has more is one whose nodes are counted. */
const NODES_MAX = 1_000;

/** How things stand, looked up when somebody asks: mutations, nodes, barriers, webhooks, findings. */
export function standingIn(registry: Registry, { controller, clock, webhooks }: StandingOptions): void {
  const { engine, mesh } = controller;
  const gauge = <L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    look: (gauge: Gauge<L>) => void | Promise<void>,
  ): void => {
    // It lives in the registry; nobody else asks for it.
    void new Gauge<L>({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        this.reset();
        await look(this);
      },
    });
  };
  const open = () => [...engine.state.mutations.values()];
  /** Those whose certificate ran out as well: barriers wait for them. */
  const members = (): Member[] => [...engine.state.nodes.values()].filter(({ revokedAt }) => revokedAt === undefined);

  gauge('hauki_mutations_open', 'Mutations that have not ended, by stage.', ['stage'], (it) => {
    for (const stage of OPEN) it.set({ stage }, 0);
    for (const { stage } of open()) it.inc({ stage });
  });
  gauge('hauki_queue_length', 'Mutations that wait for their locks.', [], (it) =>
    it.set(open().filter(({ stage }) => stage === 'queued').length),
  );
  gauge(
    'hauki_queue_oldest_seconds',
    'For how long the first in the queue has waited; 0 when nobody waits.',
    [],
    (it) => {
      const since = open().flatMap(({ stage, requestedAt }) => (stage === 'queued' ? [requestedAt] : []));
      it.set(since.length === 0 ? 0 : secondsSince(Math.min(...since)));
    },
  );
  gauge('hauki_seals', 'Datasets that are to be read-only unless a mutation is cleared.', [], (it) =>
    it.set([...engine.state.seals.values()].filter(({ wanted }) => wanted).length),
  );
  gauge(
    'hauki_findings',
    'Where ledger and storage contradicted one another at the start: snapshots without a record, records without a snapshot.',
    ['kind'],
    (it) => {
      const { unknown, missing } = engine.state.findings;
      it.set({ kind: 'unknown' }, unknown.count);
      it.set({ kind: 'missing' }, missing.count);
    },
  );

  gauge('hauki_nodes', 'Nodes of the mesh, by when they were last heard of.', ['liveness'], (it) => {
    for (const liveness of LIVENESSES) it.set({ liveness }, 0);
    for (const { name } of members()) it.inc({ liveness: mesh.presence(name)?.liveness ?? 'unheard' });
  });
  gauge(
    'hauki_node_heartbeat_age_seconds',
    'Since the last heartbeat of a node; not there for one that was not heard since this controller started.',
    ['node'],
    (it) => {
      for (const { name } of members().slice(0, NODES_MAX)) {
        const heardAt = mesh.presence(name)?.heardAt;
        if (heardAt !== undefined) it.set({ node: name }, secondsSince(heardAt));
      }
    },
  );
  gauge(
    'hauki_node_certificate_expiry_timestamp_seconds',
    "When a node's certificate runs out, in seconds since the epoch.",
    ['node'],
    (it) => {
      for (const { name, expiresAt } of members().slice(0, NODES_MAX)) it.set({ node: name }, expiresAt / 1_000);
    },
  );

  gauge('hauki_barriers_active', 'Barriers under way, by phase.', ['phase'], (it) => {
    for (const phase of PHASES) it.set({ phase }, 0);
    for (const { phase } of mesh.barriers()) it.inc({ phase });
  });
  gauge('hauki_barrier_awaited_nodes', 'Nodes whose word barriers wait for.', [], (it) =>
    it.set(mesh.barriers().reduce((sum, { awaited }) => sum + awaited.length, 0)),
  );
  gauge('hauki_barrier_oldest_seconds', 'For how long the oldest barrier has stood; 0 without any.', [], (it) =>
    it.set(Math.max(0, ...mesh.barriers().map(({ forMs }) => forMs)) / 1_000),
  );

  gauge('hauki_webhooks', 'Webhooks, by state.', ['state'], (it) => {
    for (const state of WEBHOOK_STATES) it.set({ state }, 0);
    for (const webhook of listed()) it.inc({ state: stateOf(webhook) });
  });
  gauge('hauki_webhook_dead_letters', 'Events that were given up and are kept.', [], (it) =>
    it.set(listed().reduce((sum, { dead }) => sum + dead, 0)),
  );
  gauge('hauki_webhook_lag_records', 'Records that the webhook furthest behind has before it.', [], async (it) => {
    const head = (await controller.head())?.seq ?? 0;
    const cursors = listed().flatMap((one) => (stateOf(one) === 'disabled' ? [] : [one.cursor]));
    it.set(cursors.length === 0 ? 0 : Math.max(0, head - Math.min(...cursors)));
  });

  function listed() {
    const all = webhooks.list();
    return all.ok ? all.value : [];
  }

  function secondsSince(at: number): number {
    return Math.max(0, clock.now() - at) / 1_000;
  }
}
