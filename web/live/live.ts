import type { BarrierList, KeptList, LockList, PruneView, StatusView } from '../../src/wire/http.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { get, send } from '../api.ts';
import { History } from './history.ts';
import { Observed } from './observed.ts';
import { Paced } from './paced.ts';
import { Resource } from './resource.ts';
import { type Connection, EventStream, type Happened } from './stream.ts';

/** Heartbeats and what a barrier waits for make no records, so they are asked for. */
const NODES_EVERY_MS = 2_000;
const BARRIERS_EVERY_MS = 1_000;

/** How often those that look at the ledger ask again at most, however much happens. */
const LATEST_EVERY_MS = 500;

/** So long after nobody looks at the page any more its connection is let go, ms. */
const HIDDEN_MS = 30_000;

/** What says nothing of mutations' snapshots and evidence. */
const KEEPS_ALL = new Set(['requested', 'renewed', 'holder_lost', 'holder_back', 'halt_started', 'flushed']);

/** Everything the page shows of a controller, kept current by its stream of events. */
export class Live {
  readonly connection = new Observed<Connection>({ state: 'connecting' });
  readonly status = new Resource(() => get<StatusView>('/v1/status'), { gatherMs: 250, everyMs: 15_000 });
  readonly history = new History((path) => get(path));
  readonly locks = new Resource(() => get<LockList>('/v1/locks'));
  readonly nodes = new Resource(() => get<NodeList>('/v1/nodes'), { everyMs: NODES_EVERY_MS });
  readonly barriers = new Resource(() => get<BarrierList>('/v1/barriers'), { everyMs: BARRIERS_EVERY_MS });
  readonly snapshots = new Resource(() => get<KeptList>('/v1/snapshots'), { gatherMs: 400 });
  readonly evidence = new Resource(() => get<KeptList>('/v1/evidence'), { gatherMs: 400 });
  readonly prune = new Resource(() => send<PruneView>('POST', '/v1/prune', { dryRun: true }), { gatherMs: 800 });
  /** The newest event; what looks at one mutation or at the ledger asks again when it changes. */
  readonly latest = new Paced<Happened | undefined>(undefined, LATEST_EVERY_MS);
  /** How often the connection came back: whatever could not be had meanwhile is asked for again. */
  readonly back = new Observed(0);
  readonly #stream: EventStream;
  #wasLive = false;

  constructor() {
    this.#stream = new EventStream({
      happened: (event) => this.#happened(event),
      connection: (connection) => {
        const back = connection.state === 'live' && (this.#wasLive || this.connection.value.state === 'stale');
        this.#wasLive ||= connection.state === 'live';
        this.connection.set(connection);
        if (back) this.#back();
        // Whoever was logged out meanwhile learns it by the next question.
        if (connection.state === 'refused') this.status.invalidate();
      },
      lost: () => {
        void this.history.load();
        this.#invalidate();
      },
    });
  }

  /** @returns what ends it */
  begin(): () => void {
    void this.#stream.run();
    let hidden: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      clearTimeout(hidden);
      if (document.visibilityState === 'visible') {
        this.#stream.resume();
        this.#stream.nudge();
      } else {
        hidden = setTimeout(() => this.#stream.rest(), HIDDEN_MS);
      }
    };
    const online = (): void => this.#stream.nudge();
    addEventListener('online', online);
    document.addEventListener('visibilitychange', look);
    // It may have been opened behind another tab.
    look();
    return () => {
      clearTimeout(hidden);
      this.#stream.end();
      removeEventListener('online', online);
      document.removeEventListener('visibilitychange', look);
    };
  }

  /** Events say what happened to mutations meanwhile, but not to the rest, nor what could not be asked for. */
  #back(): void {
    this.history.again();
    this.#invalidate();
    this.back.set(this.back.value + 1);
  }

  #invalidate(): void {
    for (const resource of [this.status, this.locks, this.nodes, this.barriers]) resource.invalidate();
    this.#keptChanged();
  }

  #happened(event: Happened): void {
    const { data } = event;
    const { type } = data;
    this.latest.set(event);
    this.status.invalidate();
    const mutation = mutationOf(data);
    if (mutation !== undefined) {
      this.history.touch(mutation);
      this.locks.invalidate();
      if (!KEEPS_ALL.has(type)) this.#keptChanged();
    }
    if (type.startsWith('node_')) this.nodes.invalidate();
    if (['halt_started', 'flushed', 'master_taken'].includes(type)) this.barriers.invalidate();
  }

  #keptChanged(): void {
    for (const resource of [this.snapshots, this.evidence, this.prune]) resource.invalidate();
  }
}

function mutationOf(data: Happened['data']): string | undefined {
  const target = data['target'] as { readonly mutation?: unknown } | undefined;
  const id = data['mutation'] ?? target?.mutation;
  return typeof id === 'string' ? id : undefined;
}
