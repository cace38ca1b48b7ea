import type { IncomingMessage } from 'node:http';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { revokedRefusal } from '../core/node/member.ts';
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
    identify: (request) => nodeAsking(door, controller, request),
    heard: (node, heartbeat, carrier) => mesh.heard(node, heartbeat, carrier),
    clock: systemClock,
    log,
  });
  mesh.addCarrier(link);
  const stopRenewing = renewByHeartbeat(mesh, controller, systemClock);
  const stopRefusing = controller.engine.feed.subscribe(({ event }) => {
    if (event.type !== 'node_revoked') return;
    link.refuse(event.node);
    mesh.forget(event.node);
  });
  door.upgrades.add(link);
  return () => {
    stopRenewing();
    stopRefusing();
    link.close();
  };
}

/** A node by its certificate. An operator speaks for any node there is, and names it. */
function nodeAsking(door: HttpDoor, controller: Controller, request: IncomingMessage): Result<string, Refusal> {
  const asking = door.principalOf(request);
  if (!asking.ok) return asking;
  if (asking.value?.kind === 'node') return ok(asking.value.name);
  if (asking.value?.kind !== 'operator') return err(refusal('forbidden', 'Only nodes have links.'));
  const name = String(request.headers['hauki-node']);
  const { nodes } = controller.engine.state;
  if (!nodes.has(name)) return err(refusal('node_unknown', `There is no node ${name} in this mesh.`));
  const revoked = revokedRefusal(nodes, name);
  return revoked === undefined ? ok(name) : err(revoked);
}
