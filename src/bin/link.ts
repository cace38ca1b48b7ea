import type { IncomingMessage } from 'node:http';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { nodeRefusal } from '../core/policy/policy.ts';
import type { HttpDoor } from '../doors/http/server.ts';
import { LinkDoor } from '../doors/link/door.ts';
import type { Controller } from '../engine/controller.ts';
import { renewByHeartbeat } from '../engine/mesh/renewing.ts';
import type { Log } from '../ports/log.ts';
import { systemClock } from './clock.ts';

export interface LinkParts {
  readonly door: HttpDoor;
  readonly controller: Controller;
  readonly log: Log;
}

/** Lets nodes link to a controller on its servers, as a carrier of its mesh. @returns what ends it */
export function openLink({ door, controller, log }: LinkParts): () => void {
  const { mesh } = controller;
  const link = new LinkDoor({
    identify: nodeNamed,
    heard: (node, heartbeat, carrier) => mesh.heard(node, heartbeat, carrier),
    clock: systemClock,
    log,
  });
  mesh.addCarrier(link);
  const stopRenewing = renewByHeartbeat(mesh, controller, systemClock);
  door.upgrades.add(link);
  return () => {
    stopRenewing();
    link.close();
  };
}

/** On the controller's own socket an operator speaks for any node, and names it. */
function nodeNamed({ headers }: IncomingMessage): Result<string, Refusal> {
  const node = headers['hauki-node'];
  if (typeof node !== 'string') return err(refusal('usage', 'The header hauki-node does not say which node links.'));
  const refused = nodeRefusal(node);
  return refused === undefined ? ok(node) : err(refused);
}
