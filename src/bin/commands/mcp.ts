import { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
import { nodeRefusal } from '../../core/policy/policy.ts';
import { RefusedError } from '../../base/refusal.ts';
import { mcpServer } from '../../doors/mcp/server.ts';
import { Agent } from '../../node/agent/agent.ts';
import { localReach } from '../../reach/local/local.ts';
import { systemClock } from '../clock.ts';
import { connect } from '../connect.ts';
import { say } from '../output.ts';
import { VERSION } from '../version.ts';
import { nodeName } from './asking.ts';
import { refuseWithin } from './guard.ts';

export interface McpOptions {
  readonly node?: string;
  readonly controller?: string;
}

/** How often to look whether whoever started us is still there. */
const PARENT_MS = 1_000;
/** How long what is being undone may take before this process ends without having seen it: the controller does it all the same. */
const END_MS_MAX = 15_000;

/** The connection to the agent. Whatever ends it is told, also what does not come from the agent's end. */
class Wire extends StdioServerTransport {
  readonly #ended: () => void;

  constructor(ended: () => void) {
    super();
    this.#ended = ended;
  }

  override async close(): Promise<void> {
    await super.close();
    this.#ended();
  }
}

/** `hauki mcp`: serves one agent on stdin and stdout, and ends with it. */
export async function mcp({ node, controller }: McpOptions): Promise<number> {
  const connection = connect(controller);
  const name = node ?? (connection.operator ? nodeName() : undefined);
  const refused = name === undefined ? undefined : nodeRefusal(name);
  if (refused !== undefined) throw new RefusedError(refused);
  const agent = new Agent({
    client: connection.client,
    ensure: connection.ensure,
    clock: systemClock,
    reach: localReach(),
    before: (ask) => refuseWithin(ask, connection),
    ...(name === undefined ? {} : { node: name }),
  });
  await gone(() => mcpServer(agent, VERSION));
  const limit = new Promise((resolve) => setTimeout(resolve, END_MS_MAX).unref());
  await Promise.race([agent.end(), limit]);
  return 0;
}

/** Serves, until the agent is gone: it closed its end, died, or asks for an end. */
function gone(serverOf: Parameters<typeof serveStdio>[0]): Promise<void> {
  return new Promise((resolve) => {
    const parent = process.ppid;
    // Somebody else may still hold our stdin open when whoever started us was killed.
    const look = setInterval(() => {
      if (process.ppid !== parent) over();
    }, PARENT_MS);
    const over = (): void => {
      clearInterval(look);
      resolve();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, over);
    serveStdio(serverOf, { transport: new Wire(over), onerror: (error) => say(error.message) });
  });
}
