import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type ReadResourceResult,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import type { Agent } from './agent.ts';
import { reasonOf } from './answers.ts';
import { lineOf } from './history.ts';

/** What an agent's host can put before it without a tool: nodes and recent mutations, as JSON. */

const JSON_TYPE = 'application/json';
const RECENT = 50;
const LISTED = 20;

export function addResources(server: McpServer, agent: Agent): void {
  server.registerResource(
    'nodes',
    'hauki://nodes',
    { title: 'Nodes', description: 'The nodes of the mesh, and how each was last heard of.', mimeType: JSON_TYPE },
    (uri) => reading(agent, uri, () => agent.nodes()),
  );
  server.registerResource(
    'mutations',
    'hauki://mutations',
    {
      title: 'Recent mutations',
      description: 'Who changed what lately, why, and what came of it.',
      mimeType: JSON_TYPE,
    },
    (uri) => reading(agent, uri, async () => ({ mutations: await recent(agent, RECENT) })),
  );
  server.registerResource(
    'mutation',
    new ResourceTemplate('hauki://mutations/{id}', {
      list: async () => {
        // A list that this caller may not see is an empty one.
        const lines = await recent(agent, LISTED).catch(() => []);
        const resources = lines.map(({ mutation, intent, outcome, node }) => ({
          uri: `hauki://mutations/${mutation}`,
          name: mutation,
          title: intent,
          description: `${outcome}, by ${node}`,
          mimeType: JSON_TYPE,
        }));
        return { resources };
      },
    }),
    { title: 'One mutation', description: 'Everything on record about one mutation.', mimeType: JSON_TYPE },
    (uri, { id }) => reading(agent, uri, () => agent.show(String(id))),
  );
}

async function recent(agent: Agent, limit: number): Promise<ReturnType<typeof lineOf>[]> {
  const { mutations } = await agent.log({ limit: String(limit) });
  return mutations.map(lineOf);
}

async function reading(agent: Agent, uri: URL, read: () => Promise<object>): Promise<ReadResourceResult> {
  try {
    const value = await agent.during(read);
    return { contents: [{ uri: uri.href, mimeType: JSON_TYPE, text: JSON.stringify(value) }] };
  } catch (error) {
    const { code, message, hint } = reasonOf(error);
    if (code === 'mutation_unknown') throw new ResourceNotFoundError(uri.href, message);
    throw new ProtocolError(ProtocolErrorCode.InvalidRequest, `${message} ${hint}`, { code });
  }
}
