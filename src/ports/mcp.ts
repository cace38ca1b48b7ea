import type { Duplex } from 'node:stream';

/** Who speaks to the MCP endpoint of a controller. */
export interface McpCaller {
  /** The same for one caller at each of its requests, and nobody else's. */
  readonly key: string;
  /** For people: `token ci`. */
  readonly name: string;
  /** An operator runs commands on this host anyway; for nobody else are commands run here. */
  readonly operator: boolean;
  /**
   * A connection to the controller's own HTTP API, inside this process, on which the caller may what it may elsewhere, for as long
   * as it may.
   */
  readonly connect: () => Duplex;
}

/** What answers MCP over streamable HTTP. */
export interface McpEndpoint {
  /** @param body as parsed from JSON; undefined for none */
  answer(request: Request, body: unknown, caller: McpCaller): Promise<Response>;
  /** The controller stops: every session ends. */
  close(): Promise<void>;
}
