import { randomUUID } from 'node:crypto';
import {
  createMcpHandler,
  isJSONRPCRequest,
  isLegacyRequest,
  type McpHttpHandler,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import type { Log } from '../../ports/log.ts';
import type { McpCaller, McpEndpoint } from '../../ports/mcp.ts';
import type { Agent } from './agent.ts';
import { mcpServer } from './server.ts';

export interface SessionsOptions {
  readonly version: string;
  readonly log: Log;
  /** @param shared many requests speak as it that belong to no session; see AgentOptions */
  readonly agentOf: (caller: McpCaller, shared: boolean) => Agent;
}

interface Session {
  readonly caller: string;
  readonly agent: Agent;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  usedMono: number;
}

/** More than that many sessions of one caller, or of all, are refused. */
const OF_ONE_MAX = 64;
const OF_ALL_MAX = 1_024;
/** A session that holds nothing and was not used for so long is forgotten. */
const IDLE_MS = 3_600_000;
/** How long a controller that stops waits for the commands of its sessions to end. */
const END_MS_MAX = 10_000;

/**
 * The MCP endpoint: sessions, each of one caller, with one agent. A session ends by DELETE, or with the controller. Requests without
 * sessions (revision 2026-07-28 has none) share one agent a caller.
 */
export class Sessions implements McpEndpoint {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  /** Of those who have no session, by caller. */
  readonly #shared = new Map<string, { readonly agent: Agent; usedMono: number }>();
  readonly #modern: McpHttpHandler;
  #closed = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#modern = createMcpHandler(
      ({ authInfo }) => {
        const caller = authInfo?.extra?.['caller'] as McpCaller | undefined;
        if (caller === undefined) throw new TypeError('a request came without its caller');
        return mcpServer(this.#sharedAgent(caller), options.version);
      },
      { legacy: 'reject', onerror: (error) => this.#report(error) },
    );
  }

  async answer(request: Request, body: unknown, caller: McpCaller): Promise<Response> {
    if (this.#closed) return refused(503, 'The controller is stopping.');
    this.#forgetIdle();
    if (!(await isLegacyRequest(request, body))) {
      const authInfo = { token: '', clientId: caller.key, scopes: [], extra: { caller } };
      return this.#modern.fetch(request, { authInfo, parsedBody: body });
    }
    const id = request.headers.get('mcp-session-id');
    const session = id === null ? await this.#opened(caller) : this.#sessions.get(id);
    if (session instanceof Response) return session;
    // Somebody else's session is none.
    if (session === undefined || session.caller !== caller.key) return refused(404, 'There is no such session.');
    session.usedMono = performance.now();
    cancelWithConnection(request, body, session.transport);
    return session.transport.handleRequest(request, { parsedBody: body });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const agents = [
      ...[...this.#sessions.values()].map(({ agent }) => agent),
      ...[...this.#shared.values()].map(({ agent }) => agent),
    ];
    const ended = Promise.all(agents.map((agent) => agent.end()));
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END_MS_MAX).unref())]);
    await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close()));
    await this.#modern.close();
    this.#sessions.clear();
    this.#shared.clear();
  }

  /** A session that becomes one when its first request is an `initialize`; whatever else it is, it is refused and nothing stays. */
  async #opened(caller: McpCaller): Promise<Session | Response> {
    const own = [...this.#sessions].filter(([, session]) => session.caller === caller.key);
    const full = own.length >= OF_ONE_MAX ? own : this.#sessions.size >= OF_ALL_MAX ? [...this.#sessions] : [];
    if (full.length > 0 && !this.#madeRoom(full))
      return refused(
        503,
        `${caller.name} has ${own.length} sessions, there are ${this.#sessions.size}, and all hold something: no more are opened.`,
      );
    const agent = this.#options.agentOf(caller, false);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void this.#sessions.set(id, session),
      onsessionclosed: (id) => this.#end(id),
    });
    const session: Session = { caller: caller.key, agent, transport, usedMono: performance.now() };
    const server = mcpServer(agent, this.#options.version);
    // oxlint-disable-next-line unicorn/prefer-add-event-listener -- it is no event target
    server.server.onerror = (error) => this.#report(error);
    await server.connect(transport);
    return session;
  }

  #end(id: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    session.agent.end().catch((error: unknown) => this.#report(error));
  }

  /** Few clients say when they end a session: the one that holds nothing, and was used longest ago, goes. */
  #madeRoom(among: readonly (readonly [string, Session])[]): boolean {
    const idle = among.filter(([, { agent }]) => !agent.busy).toSorted(([, a], [, b]) => a.usedMono - b.usedMono)[0];
    if (idle === undefined) return false;
    const [id, { transport }] = idle;
    this.#end(id);
    void transport.close();
    return true;
  }

  #sharedAgent(caller: McpCaller): Agent {
    const shared = this.#shared.get(caller.key) ?? { agent: this.#options.agentOf(caller, true), usedMono: 0 };
    shared.usedMono = performance.now();
    this.#shared.set(caller.key, shared);
    return shared.agent;
  }

  #forgetIdle(): void {
    const idle = ({ agent, usedMono }: Pick<Session, 'agent' | 'usedMono'>): boolean =>
      !agent.busy && performance.now() - usedMono > IDLE_MS;
    for (const [id, session] of this.#sessions) {
      if (!idle(session)) continue;
      this.#end(id);
      void session.transport.close();
    }
    for (const [key, shared] of this.#shared) if (idle(shared)) this.#shared.delete(key);
  }

  #report(error: unknown): void {
    this.#options.log.warn({ error: String(error) }, 'a request to /mcp failed');
  }
}

/** An answer cannot be had again on another connection: whoever waited for it here is gone, or has to ask anew. */
function cancelWithConnection(
  request: Request,
  body: unknown,
  transport: WebStandardStreamableHTTPServerTransport,
): void {
  const waiting = [body].flat().filter((message) => isJSONRPCRequest(message));
  const cancel = (): void => {
    for (const { id } of waiting) {
      const params = { requestId: id, reason: 'the connection closed' };
      transport.onmessage?.({ jsonrpc: '2.0', method: 'notifications/cancelled', params });
    }
  };
  request.signal.addEventListener('abort', cancel, { once: true });
}

function refused(status: number, message: string): Response {
  return Response.json({ jsonrpc: '2.0', error: { code: -32_000, message }, id: null }, { status });
}
