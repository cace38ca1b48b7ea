import type { Server } from 'node:https';
import { RefusedError, refusal } from '../base/refusal.ts';
import type { HttpDoor } from '../doors/http/server.ts';
import type { Authority } from '../ports/authority.ts';
import type { Log } from '../ports/log.ts';
import { authorityOf } from '../trust/authority.ts';
import { Dropped } from '../trust/dropped.ts';
import { meshListener, renew } from '../trust/listener.ts';
import { freshController, meshFolder, type MeshHome, readMesh } from '../trust/mesh-home.ts';
import { hostAndPort, type ListenAddress, listenAddress, Networks } from '../trust/networks.ts';
import { systemClock } from './clock.ts';
import type { MeshConfig } from './config.ts';
import { listening } from './listening.ts';

/** A controller's mesh: its authority, and where it is to be reached. */
export interface OpenMesh {
  readonly home: string;
  readonly authority: () => Authority | undefined;
  readonly addresses: readonly ListenAddress[];
  readonly networks: Networks;
  /** `host:port` it listens on by now. */
  readonly reached: string[];
}

const RENEW_LOOK_MS = 24 * 3_600_000;

/**
 * Checks where a controller is to listen, before anything is begun.
 *
 * @throws RefusedError `address_refused`, `usage` for a network that is none
 */
export function openMesh(home: string, { listen, listenAnywhere, allowNetworks }: MeshConfig): OpenMesh {
  const addresses = [...new Set(listen)].map((text) => {
    const address = listenAddress(text, listenAnywhere);
    if (!address.ok) throw new RefusedError(address.error);
    return address.value;
  });
  const reached: string[] = [];
  let known: { readonly mesh: MeshHome; readonly authority: Authority } | undefined;
  const authority = (): Authority | undefined => {
    // Made while the controller runs, it counts from then on; it never changes afterwards.
    if (known === undefined) {
      const mesh = readMesh(home);
      if (mesh !== undefined) known = { mesh, authority: authorityOf(mesh, () => reached, systemClock.now) };
    }
    return known?.authority;
  };
  return { home, authority, addresses, networks: networksOf(allowNetworks), reached };
}

function networksOf(more: readonly string[]): Networks {
  try {
    return new Networks(more);
  } catch (error) {
    throw new RefusedError(refusal('usage', `allowNetworks in config.yaml: ${(error as Error).message}.`));
  }
}

/** Lets nodes in on every address of the mesh. @throws RefusedError `mesh_missing` when there is no mesh to let them into */
export async function listenForNodes(
  { home, addresses, networks, reached }: OpenMesh,
  door: HttpDoor,
  log: Log,
): Promise<{ readonly listening: readonly string[]; readonly stop: () => void }> {
  if (addresses.length === 0) return { listening: reached, stop: () => undefined };
  const mesh = readMesh(home);
  if (mesh === undefined) {
    throw new RefusedError(
      refusal('mesh_missing', `There is no mesh in ${meshFolder(home)}, and no other way for nodes to be let in.`),
    );
  }
  const hosts = addresses.map(({ host }) => host);
  const ca = mesh.ca.certificate;
  let identity = await freshController(home, mesh, hosts, systemClock.now());
  const dropped = new Dropped((about) => log.warn({ ...about }, 'peers were turned away before they said anything'));
  const servers: Server[] = [];
  for (const { host, port } of addresses) {
    const { server, known } = meshListener({ identity, ca, networks, handle: door.handle, dropped: dropped.count });
    door.admit(server, [...mesh.names, ...hosts], known);
    await listening(server, { host, port }, hostAndPort({ host, port }));
    servers.push(server);
    const bound = server.address();
    reached.push(hostAndPort({ host, port: typeof bound === 'object' && bound !== null ? bound.port : port }));
  }
  const look = setInterval(() => {
    void freshController(home, { ...mesh, controller: identity }, hosts, systemClock.now()).then(
      (fresh) => {
        if (fresh === identity) return;
        identity = fresh;
        for (const server of servers) renew(server, identity, ca);
        log.info({}, "the controller's certificate was renewed");
      },
      (error: unknown) => log.error({ error: String(error) }, "the controller's certificate could not be renewed"),
    );
  }, RENEW_LOOK_MS);
  return { listening: reached, stop: () => clearInterval(look) };
}
