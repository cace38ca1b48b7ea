import type { Duplex } from 'node:stream';

import type { Refusal } from '../base/refusal.ts';

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

/** A command that an agent asks to be run under guard. */
export interface CommandAsk {
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly string[];
  /** Absolute. */
  readonly cwd?: string | undefined;
  readonly timeoutMs: number;
}

/** What a stream said: its beginning, and its end where that is another. */
export interface Said {
  readonly text: string;
  /** Bytes left out between beginning and end. */
  readonly leftOut: number;
}

/** How a command under guard ended, and what became of the state. */
export interface Ran {
  readonly stage: 'committed' | 'rolled_back' | 'quarantined' | 'unknown';
  readonly mutation: string;
  readonly snapshot: string;
  /** The command's own; 128+n for signal n. Undefined when it did not begin or was ended before its time. */
  readonly exitCode?: number;
  readonly signal?: string;
  readonly stdout: Said;
  readonly stderr: Said;
  /** Why it did not begin, was ended before its time, or its outcome is not known. */
  readonly reason?: Refusal;
  /** Where the failed state is kept. */
  readonly evidence: readonly string[];
}
