import type { FastifyBaseLogger } from 'fastify';

import type { Controller } from '../../engine/controller.ts';
import type { Enrolment } from '../../engine/enrolment.ts';
import type { Verifying } from '../../engine/verifying.ts';
import type { McpEndpoint } from '../../ports/mcp.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { Webhooks } from '../../ports/webhooks.ts';
import type { PageOptions } from './page.ts';
import type { StreamLimits } from './stream.ts';
import type { StatusView } from '../../wire/http.ts';

/** What the HTTP door needs to know. */
export interface HttpOptions {
  readonly controller: Controller;
  readonly enrolment: Enrolment;
  readonly log: FastifyBaseLogger;
  /** What an operator shows on the loopback port; on the Unix socket it is let in by file permission. */
  readonly token: string;
  /** Asked by `POST /v1/retire`: ends the controller if nothing is open. */
  readonly retire: () => boolean;
  readonly ephemeral: boolean;
  /** Who is told by HTTP; without it, the routes for that are not there. */
  readonly webhooks?: Webhooks;
  /** Looks at the ledger from outside; without it, the routes for that are not there. */
  readonly verifying?: Verifying;
  /** What browsers are shown; without it, nothing. */
  readonly page?: PageOptions['page'];
  /** What answers agents; without it, /mcp is not there. */
  readonly mcp?: McpEndpoint;
  /** Figures about the controller; without it, nobody is told any. */
  readonly metrics?: Metrics;
  /** How slow a reader of events may be. */
  readonly limits?: StreamLimits;
  /** How the IRC door fares; undefined where there is none. */
  readonly irc?: () => StatusView['irc'];
}

/** What the routes know besides. */
export interface RouteOptions extends HttpOptions {
  /** The controller is stopping: connections close because of us, and say nothing about their callers. */
  readonly closing: () => boolean;
}
