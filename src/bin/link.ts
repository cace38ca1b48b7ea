import type { IncomingMessage } from 'node:http';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { identify, revokedRefusal } from '../core/node/member.ts';
import type { Principal } from '../doors/http/principal.ts';
import type { HttpDoor } from '../doors/http/server.ts';
import { refuseUpgrade } from '../doors/http/upgrades.ts';
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
    heard: (node, heartbeat, carrier) => mesh.heard(node, heartbeat, carrier),
    output: (node, pieces) => mesh.tails.hear(node, pieces),
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
  door.upgrades.add({
    path: link.path,
    needs: ['node', 'admin'],
    accept: (request, socket, head, principal) => {
      const node = nodeSpeaking(principal, request, controller);
      if (node.ok) link.accept(request, socket, head, node.value, () => standing(principal, controller));
      else refuseUpgrade(socket, node.error);
    },
    close: () => link.close(),
  });
  return () => {
    stopRenewing();
    stopRefusing();
  };
}

/** Whether what somebody was let in by still counts: a certificate runs out, and the key in it may have been rotated away. */
function standing(principal: Principal, { engine }: Controller): boolean {
  if (principal.kind !== 'node') return true;
  const now = systemClock.now();
  return now < (principal.until ?? Infinity) && identify(engine.state.nodes, principal, now).ok;
}

/** A node by its certificate. An operator speaks for any node there is, and names it. */
function nodeSpeaking(
  principal: Principal,
  { headers }: IncomingMessage,
  { engine }: Controller,
): Result<string, Refusal> {
  if (principal.kind === 'node') return ok(principal.name);
  if (principal.kind !== 'operator') return err(refusal('forbidden', 'Only nodes have links.'));
  const name = String(headers['hauki-node']);
  const { nodes } = engine.state;
  if (!nodes.has(name)) return err(refusal('node_unknown', `There is no node ${name} in this mesh.`));
  const revoked = revokedRefusal(nodes, name);
  return revoked === undefined ? ok(name) : err(revoked);
}
