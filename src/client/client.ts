import type { IncomingMessage } from 'node:http';
import { type Code, CODES } from '../base/codes.ts';
import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import type { Traceparent } from '../base/traceparent.ts';
import type {
  BarrierList,
  Cleared,
  Denied,
  DiffView,
  KeptList,
  LockList,
  MutationAsk,
  MutationDetail,
  MutationList,
  MutationView,
  PlanView,
  PruneView,
  Revoked,
  SealView,
  StatusView,
} from '../wire/http.ts';
import type { DeadList, RetryView, WebhookAdded, WebhookAsk, WebhookList, WebhookView } from '../wire/events.ts';
import type {
  Invite,
  Invited,
  NodeList,
  NodeView,
  TokenAsk,
  TokenIssued,
  TokenList,
  Whoami,
  Commanded,
  PolicyView,
} from '../wire/mesh.ts';
import type { LedgerPage, LedgerView, VerificationView } from '../wire/ledger.ts';
import type { TaskDenied, TaskDrop, TaskDropped, TaskList } from '../wire/tasks.ts';
import { type Address, type Call, lines, send, text } from './transport.ts';

/** A clearance that hangs on an open connection. */
export interface Attached {
  readonly decision: Cleared | Denied;
  /** What comes after the decision; ends when the connection does. */
  readonly after: AsyncGenerator<Revoked>;
  readonly close: () => void;
}

/** A renewal without an answer is asked for again on a new connection, while there is still a lease to be renewed. */
const RENEW_MS_MAX = 5_000;

/**
 * A controller's HTTP API as functions. What the controller refuses, and a controller that cannot be reached, is thrown as
 * RefusedError.
 */
export class Client {
  readonly address: Address;

  constructor(address: Address) {
    this.address = address;
  }

  /** The same controller, as part of a trace. */
  tracing(traceparent: Traceparent): Client {
    return new Client({ ...this.address, traceparent });
  }

  /** Asks for clearance on a connection that stays open for as long as the clearance is wanted. */
  async requestAttached(ask: Omit<MutationAsk, 'attach'>, signal?: AbortSignal): Promise<Attached> {
    const body = { ...ask, attach: true };
    return this.#attached({ method: 'POST', path: '/v1/mutations', body, ...(signal === undefined ? {} : { signal }) });
  }

  /** Hangs a clearance on a new connection. */
  async attach(mutation: string, fence: number): Promise<Attached> {
    return this.#attached({ method: 'POST', path: `${path(mutation)}/attach`, body: { fence } });
  }

  async request(ask: MutationAsk, key?: string): Promise<Cleared> {
    const headers = key === undefined ? {} : { 'idempotency-key': key };
    return this.#json({ method: 'POST', path: '/v1/mutations', body: ask, headers });
  }

  renew(mutation: string, fence: number): Promise<MutationView> {
    return this.#json({ method: 'POST', path: `${path(mutation)}/renew`, body: { fence }, answerMsMax: RENEW_MS_MAX });
  }

  commit(mutation: string, fence: number): Promise<MutationView> {
    return this.#json({ method: 'POST', path: `${path(mutation)}/commit`, body: { fence } });
  }

  /** @param fence the holder's token; an operator gives none */
  rollback(mutation: string, fence?: number): Promise<MutationView> {
    return this.#json({
      method: 'POST',
      path: `${path(mutation)}/rollback`,
      body: fence === undefined ? {} : { fence },
    });
  }

  plan(mutation: string): Promise<PlanView> {
    return this.#json({ method: 'GET', path: `${path(mutation)}/plan` });
  }

  resolve(mutation: string, choice: 'commit' | 'rollback'): Promise<MutationView> {
    return this.#json({ method: 'POST', path: `${path(mutation)}/resolve`, body: { choice } });
  }

  pin(mutation: string, pinned: boolean): Promise<MutationView> {
    return this.#json({ method: 'PUT', path: `${path(mutation)}/pin`, body: { pinned } });
  }

  show(mutation: string): Promise<MutationDetail> {
    return this.#json({ method: 'GET', path: path(mutation) });
  }

  diff(mutation: string): Promise<DiffView> {
    return this.#json({ method: 'GET', path: `${path(mutation)}/diff` });
  }

  log(query: Readonly<Record<string, string>>): Promise<MutationList> {
    return this.#json({ method: 'GET', path: `/v1/mutations?${new URLSearchParams(query).toString()}` });
  }

  status(): Promise<StatusView> {
    return this.#json({ method: 'GET', path: '/v1/status' });
  }

  locks(): Promise<LockList> {
    return this.#json({ method: 'GET', path: '/v1/locks' });
  }

  barriers(): Promise<BarrierList> {
    return this.#json({ method: 'GET', path: '/v1/barriers' });
  }

  snapshots(): Promise<KeptList> {
    return this.#json({ method: 'GET', path: '/v1/snapshots' });
  }

  evidence(): Promise<KeptList> {
    return this.#json({ method: 'GET', path: '/v1/evidence' });
  }

  removeEvidence(mutation: string): Promise<{ readonly removed: readonly string[] }> {
    return this.#json({ method: 'DELETE', path: `/v1/evidence/${encodeURIComponent(mutation)}` });
  }

  prune(dryRun: boolean): Promise<PruneView> {
    return this.#json({ method: 'POST', path: '/v1/prune', body: { dryRun } });
  }

  seal(dataset: string, sealed: boolean): Promise<SealView> {
    return this.#json({ method: 'POST', path: '/v1/seals', body: { dataset, sealed } });
  }

  ledger(): Promise<LedgerView> {
    return this.#json({ method: 'GET', path: '/v1/ledger' });
  }

  /** Records of the ledger, the newest first. @param before the `next` of the page before */
  ledgerRecords(before?: number): Promise<LedgerPage> {
    return this.#json({ method: 'GET', path: `/v1/ledger/records${before === undefined ? '' : `?before=${before}`}` });
  }

  /** Walks the whole ledger, which takes a while for a large one. */
  verifyLedger(): Promise<VerificationView> {
    return this.#json({ method: 'POST', path: '/v1/ledger/verify' });
  }

  nodes(): Promise<NodeList> {
    return this.#json({ method: 'GET', path: '/v1/nodes' });
  }

  command(node: string, verb: 'ping' | 'thaw' | 'poll'): Promise<Commanded> {
    return this.#json({ method: 'POST', path: `/v1/nodes/${encodeURIComponent(node)}/commands`, body: { verb } });
  }

  /** What was heard of a node's tasks. */
  tasks(node: string): Promise<TaskList> {
    return this.#json({ method: 'GET', path: `/v1/nodes/${encodeURIComponent(node)}/tasks` });
  }

  /** Has a node take a signed task into its inbox, which it does at once or not at all. */
  dropTask(node: string, drop: TaskDrop): Promise<TaskDropped> {
    return this.#json({ method: 'POST', path: `/v1/nodes/${encodeURIComponent(node)}/tasks`, body: drop });
  }

  /** A node's word that it denied a task by itself. */
  reportTask(denied: TaskDenied): Promise<unknown> {
    return this.#json({ method: 'POST', path: '/v1/tasks/denied', body: denied });
  }

  /** The raw stream of what a task says: server-sent events, `output` and `state`. */
  async taskStream(node: string, task: string, follow: boolean, signal?: AbortSignal): Promise<IncomingMessage> {
    const response = await send(this.address, {
      method: 'GET',
      path: `/v1/nodes/${encodeURIComponent(node)}/tasks/${encodeURIComponent(task)}/output?follow=${follow}`,
      headers: { accept: 'text/event-stream' },
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.statusCode !== 200) throw refusedBy(await text(response));
    return response;
  }

  policy(): Promise<PolicyView> {
    return this.#json({ method: 'GET', path: '/v1/policy' });
  }

  node(name: string): Promise<NodeView> {
    return this.#json({ method: 'GET', path: `/v1/nodes/${encodeURIComponent(name)}` });
  }

  invite(ask: Invite): Promise<Invited> {
    return this.#json({ method: 'POST', path: '/v1/nodes', body: ask });
  }

  revokeNode(name: string): Promise<unknown> {
    return this.#json({ method: 'DELETE', path: `/v1/nodes/${encodeURIComponent(name)}` });
  }

  tokens(): Promise<TokenList> {
    return this.#json({ method: 'GET', path: '/v1/tokens' });
  }

  issueToken(ask: TokenAsk): Promise<TokenIssued> {
    return this.#json({ method: 'POST', path: '/v1/tokens', body: ask });
  }

  revokeToken(name: string): Promise<unknown> {
    return this.#json({ method: 'DELETE', path: `/v1/tokens/${encodeURIComponent(name)}` });
  }

  whoami(): Promise<Whoami> {
    return this.#json({ method: 'GET', path: '/v1/whoami' });
  }

  addWebhook(ask: WebhookAsk): Promise<WebhookAdded> {
    return this.#json({ method: 'POST', path: '/v1/webhooks', body: ask });
  }

  webhooks(): Promise<WebhookList> {
    return this.#json({ method: 'GET', path: '/v1/webhooks' });
  }

  webhook(id: string): Promise<WebhookView> {
    return this.#json({ method: 'GET', path: `/v1/webhooks/${encodeURIComponent(id)}` });
  }

  /** @returns it as it was */
  removeWebhook(id: string): Promise<WebhookView> {
    return this.#json({ method: 'DELETE', path: `/v1/webhooks/${encodeURIComponent(id)}` });
  }

  /** Events that were given up, at most 100 of them, oldest first. @param after only those after this record */
  deadLetters(id: string, after = 0): Promise<DeadList> {
    return this.#json({ method: 'GET', path: `/v1/webhooks/${encodeURIComponent(id)}/dead?after=${after}` });
  }

  /** @param seq one dead letter; all of them, without it */
  retryWebhook(id: string, seq?: number): Promise<RetryView> {
    const body = seq === undefined ? {} : { seq };
    return this.#json({ method: 'POST', path: `/v1/webhooks/${encodeURIComponent(id)}/retry`, body });
  }

  retire(): Promise<unknown> {
    return this.#json({ method: 'POST', path: '/v1/retire', body: {} });
  }

  /** True when the controller answers that it takes requests. */
  async ready(): Promise<boolean> {
    try {
      const response = await send(this.address, { method: 'GET', path: '/readyz' });
      await text(response);
      return response.statusCode === 200;
    } catch {
      return false;
    }
  }

  /** The raw stream of server-sent events. @param query as in `GET /v1/events`, with the cursor `after` */
  async eventStream(query: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<IncomingMessage> {
    const response = await send(this.address, {
      method: 'GET',
      path: `/v1/events?${new URLSearchParams(query).toString()}`,
      headers: { accept: 'text/event-stream' },
      ...(signal === undefined ? {} : { signal }),
    });
    if (response.statusCode !== 200) throw refusedBy(await text(response));
    return response;
  }

  async #attached(call: Call): Promise<Attached> {
    const response = await send(this.address, call);
    const close = (): void => void response.destroy();
    if (!String(response.headers['content-type']).includes('ndjson')) throw refusedBy(await text(response));
    const stream = lines(response);
    const unreachable = (): RefusedError =>
      new RefusedError(
        refusal('controller_unreachable', `The controller at ${this.address.name} broke off before it answered.`),
      );
    const first = await stream.next().catch(() => Promise.reject(unreachable()));
    if (first.done) throw unreachable();
    return { decision: JSON.parse(first.value) as Cleared | Denied, after: parsed(stream), close };
  }

  async #json<T>(call: Call): Promise<T> {
    const response = await send(this.address, call);
    const body = await text(response);
    if ((response.statusCode ?? 500) >= 300) throw refusedBy(body);
    return JSON.parse(body) as T;
  }
}

async function* parsed(stream: AsyncGenerator<string>): AsyncGenerator<Revoked> {
  try {
    for await (const line of stream) yield JSON.parse(line) as Revoked;
  } catch {
    // A connection that breaks ends the stream like one that closes: the caller cannot tell them apart, and need not.
  }
}

function path(mutation: string): string {
  return `/v1/mutations/${encodeURIComponent(mutation)}`;
}

function refusedBy(body: string): RefusedError {
  let reason: Partial<Refusal> = {};
  try {
    reason = JSON.parse(body) as Partial<Refusal>;
  } catch {
    // Whatever answered there, it was no controller.
  }
  const { code, message, hint, evidence } = reason;
  if (code === undefined || !(code in CODES) || message === undefined) {
    return new RefusedError(refusal('controller_unreachable', 'What answered is not a hauki controller.'));
  }
  return new RefusedError(refusal(code satisfies Code, message, hint, evidence));
}
