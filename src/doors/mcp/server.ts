import { McpServer } from '@modelcontextprotocol/server';
import type { Agent } from './agent.ts';
import { addResources } from './resources.ts';
import { addTools } from './tools.ts';

/** What an agent is told before it does anything. */
function instructionsFor({ runs }: Agent): string {
  const ways = runs
    ? `- One command makes the change: run_guarded. It freezes, runs, and commits or puts the state back.
- You edit files yourself, or it takes several steps: request_clearance, then the change, then check it (diff shows what you changed), then commit, or rollback if it went wrong.`
    : '- request_clearance, then the change, then check it (diff shows what you changed), then commit, or rollback if it went wrong.';
  return `hauki is undo for live systems. State that it guards is not changed without its clearance: a snapshot is taken and a lock held first, so that a change that fails is undone exactly.

Before you change such state:
${ways}

Denied means do not do it: no change then, not by other means either. The answer says why, and what to do next.
A clearance belongs to this session. If you end, die, or call no tool for as long as its ttl, the change is undone.
Never repair a failed change by hand: roll it back, then think.
To learn why something is as it is, call explain before you change it.`;
}

/** An MCP server for one agent, not connected yet. */
export function mcpServer(agent: Agent, version: string): McpServer {
  const server = new McpServer(
    { name: 'hauki', title: 'hauki: undo for live systems', version },
    { instructions: instructionsFor(agent), capabilities: { tools: {}, resources: {} } },
  );
  addTools(server, agent);
  addResources(server, agent);
  return server;
}
