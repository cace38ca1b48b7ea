import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

import type { Place } from './place.ts';
import { ROOT } from './place.ts';

/* AI agents, by the official client of their protocol. */

/** What a tool answered. */
export interface Answer {
  readonly isError: boolean;
  readonly text: string;
  /** Its facts: what it is depends on the tool. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface Cleared {
  readonly mutation: string;
  readonly fence: number;
}

export interface TestAgent {
  readonly client: Client;
  readonly call: (tool: string, args?: Record<string, unknown>, signal?: AbortSignal) => Promise<Answer>;
  /** Clearance for a directory. @throws when it is denied */
  readonly clear: (dataset: string, more?: Record<string, unknown>) => Promise<Cleared>;
  /** It says nothing more, and takes its leave. */
  readonly close: () => Promise<void>;
}

export type Era = 'legacy' | 'auto';

/** `hauki mcp` as a child of this process. */
export async function stdioAgent(
  place: Place,
  args: readonly string[] = [],
  era: Era = 'legacy',
): Promise<TestAgent & { readonly pid: number }> {
  const env = Object.fromEntries(
    Object.entries(place.env).filter((one): one is [string, string] => one[1] !== undefined),
  );
  const transport = new StdioClientTransport({
    command: `${ROOT}/hauki`,
    args: ['mcp', ...args],
    env,
    cwd: place.folder,
    stderr: 'ignore',
  });
  const agent = await connected(transport, era);
  return { ...agent, pid: transport.pid ?? 0 };
}

/** @param headers what says who asks */
export async function httpAgent(
  url: string,
  headers: Record<string, string>,
  era: Era = 'legacy',
): Promise<TestAgent & { readonly transport: StreamableHTTPClientTransport }> {
  const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit: { headers } });
  return { ...(await connected(transport, era)), transport };
}

async function connected(transport: Transport, era: Era): Promise<TestAgent> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: era } });
  await client.connect(transport);
  const call: TestAgent['call'] = async (name, args = {}, signal) => {
    const options = signal === undefined ? {} : { signal };
    const { content, structuredContent, isError } = await client.callTool({ name, arguments: args }, options);
    const [first] = content;
    return {
      isError: isError ?? false,
      text: first?.type === 'text' ? first.text : '',
      facts: (structuredContent ?? {}) as Answer['facts'],
    };
  };
  return {
    client,
    call,
    clear: async (dataset, more = {}) => {
      const { isError, text, facts } = await call('request_clearance', {
        intent: 'test',
        datasets: [dataset],
        ...more,
      });
      if (isError) throw new Error(text);
      return facts as unknown as Cleared;
    },
    close: () => client.close(),
  };
}
