import type { Log } from '../ports/log.ts';
import type { McpEndpoint } from '../ports/mcp.ts';
import { VERSION } from './version.ts';

/** What answers /mcp. Loaded with the first request to it: most controllers never see one. */
export function openMcp(log: Log): McpEndpoint {
  let opened: Promise<McpEndpoint> | undefined;
  return {
    answer: async (request, body, caller) => {
      // The program may have been replaced under a controller that runs; a later request may find its parts again.
      opened ??= load(log).catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      return (await opened).answer(request, body, caller);
    },
    close: async () => (await opened?.catch(() => undefined))?.close(),
  };
}

async function load(log: Log): Promise<McpEndpoint> {
  const [{ Sessions }, { Agent }, { Client }, { localReach }, { systemClock }] = await Promise.all([
    import('../doors/mcp/sessions.ts'),
    import('../node/agent/agent.ts'),
    import('../client/client.ts'),
    import('../reach/local/local.ts'),
    import('./clock.ts'),
  ]);
  return new Sessions({
    version: VERSION,
    log,
    agentOf: ({ connect, operator }, shared) =>
      new Agent({
        client: new Client({ name: 'this controller', connect }),
        clock: systemClock,
        ensure: async () => undefined,
        shared,
        // Here is the controller's own host: commands of others have no business on it.
        ...(operator ? { reach: localReach() } : {}),
      }),
  });
}
