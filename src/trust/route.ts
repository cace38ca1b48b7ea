import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { MeshRoute } from '../client/transport.ts';
import { controllerName, meshNamedIn } from './controller-name.ts';
import type { NodeDescription } from './node-home.ts';

/*
 * How a command reaches a controller by TLS. Read again for every connection: a certificate that was rotated meanwhile counts at once, and
 * a guarded command can outlive the one it began with.
 */

/** As a node that has joined: to the controllers of its node.yaml, with its certificate. */
export async function routeAsNode(home: string): Promise<MeshRoute> {
  const { controllers } = await describedIn(home);
  const urls = controllers.map(urlOf).filter(({ protocol }) => protocol === 'https:');
  if (urls.length === 0)
    throw wrong(join(home, 'node.yaml'), 'it names no controller that is reached by TLS (host:port)');
  return { urls, tls: asNode(home) };
}

/**
 * To a controller by its URL.
 *
 * @param ca file with the CA to believe; undefined: those that Node believes
 * @param node HAUKI_NODE_HOME to show the certificate of; undefined: none is shown
 */
export function routeToUrl(url: URL, ca: string | undefined, node: string | undefined): MeshRoute {
  if (node !== undefined) return { urls: [url], tls: asNode(node) };
  return { urls: [url], tls: ca === undefined ? {} : believing(read(ca)) };
}

/** @throws RefusedError `usage` when node.yaml does not say it */
export async function describedIn(home: string): Promise<NodeDescription> {
  const path = join(home, 'node.yaml');
  const text = read(path);
  const { node, mesh, controllers } = (await parsed(text, path)) as Partial<Record<keyof NodeDescription, unknown>>;
  const known =
    Array.isArray(controllers) &&
    controllers.every((one) => typeof one === 'string' && URL.canParse(isUrl(one) ? one : `https://${one}`));
  if (typeof node !== 'string' || typeof mesh !== 'string' || !known || controllers.length === 0) {
    throw wrong(path, 'it does not say node, mesh and controllers');
  }
  return { node, mesh, controllers: controllers as string[] };
}

/** As `hauki node join` wrote it, it is JSON, which costs nothing to read; a person may have made YAML of it. */
async function parsed(text: string, path: string): Promise<object> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const { parse } = await import('yaml');
    try {
      value = parse(text);
    } catch (error) {
      throw wrong(path, (error as Error).message.split('\n')[0] ?? 'it is no YAML');
    }
  }
  return typeof value === 'object' && value !== null ? value : {};
}

function asNode(home: string): MeshRoute['tls'] {
  const identity = read(join(home, 'node.pem'));
  return { ...believing(read(join(home, 'ca.pem'))), cert: identity, key: identity };
}

function believing(ca: string): MeshRoute['tls'] {
  const mesh = meshNamedIn(new X509Certificate(ca).subject);
  return { ca, ...(mesh === undefined ? {} : { servername: controllerName(mesh) }) };
}

/** `https://host:port`, and what only the node process takes: `unix:/path`, `http://…`. */
function isUrl(controller: string): boolean {
  return /^(unix:\/|https?:\/\/)/.test(controller);
}

function urlOf(controller: string): URL {
  return new URL(isUrl(controller) ? controller : `https://${controller}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new RefusedError(
      refusal(
        'mesh_missing',
        `${path} cannot be read: ${(error as Error).message}.`,
        'Join the mesh again with a new token; docs/mesh.md shows how.',
      ),
    );
  }
}

function wrong(path: string, what: string): RefusedError {
  return new RefusedError(
    refusal('usage', `${path} cannot be used: ${what}.`, 'Mend it; docs/mesh.md says what may stand there.'),
  );
}
