import { connect, type DetailedPeerCertificate } from 'node:tls';
import { refusal, RefusedError } from '../base/refusal.ts';
import { type Address, type MeshRoute, send, text } from '../client/transport.ts';
import type { Certified } from '../wire/mesh.ts';
import { makeRequest } from './certificate.ts';
import { controllerName } from './controller-name.ts';
import type { JoinToken } from './join-token.ts';
import { keepIdentity, keepJoined, nextKey } from './node-home.ts';
import { describedIn, routeAsNode } from './route.ts';

const CONNECT_MS_MAX = 10_000;

/**
 * Joins the mesh a token invites to. Whatever it is killed in, it can be done again: the key is kept before it is used, and the same key
 * with the same token gets its certificate again.
 *
 * @throws RefusedError `mesh_other` before anything secret is sent, `token_…`, `controller_unreachable`
 */
export async function joinMesh(
  home: string,
  token: JoinToken,
  reached: (step: string) => void = () => undefined,
): Promise<Certified> {
  const key = nextKey(home);
  reached('key');
  const { ca, url } = await findController(token);
  // From here on the CA is known, and TLS does the checking as it always will.
  const route: MeshRoute = { urls: [url], tls: { ca, servername: controllerName(token.mesh) } };
  const request = await makeRequest(key, token.node);
  const { node, secret, mesh, controllers } = token;
  const certified = await post({ name: url.origin, mesh: async () => route }, '/v1/join', { node, secret, request });
  reached('answer');
  await keepJoined(home, { node, mesh, controllers }, { ...certified, key }, ca);
  reached('kept');
  return certified;
}

/** A new key and a new certificate for a node that has joined. Killed anywhere, it can be done again. @throws RefusedError */
export async function rotateCertificate(
  home: string,
  reached: (step: string) => void = () => undefined,
): Promise<Certified> {
  const { node } = await describedIn(home);
  const key = nextKey(home);
  const request = await makeRequest(key, node);
  reached('key');
  const address = { name: 'the controller', mesh: () => routeAsNode(home) };
  const certified = await post(address, '/v1/rotate', { request });
  reached('answer');
  keepIdentity(home, { ...certified, key });
  return certified;
}

async function post(address: Address, path: string, body: unknown): Promise<Certified> {
  const response = await send(address, { method: 'POST', path, body, answerMsMax: CONNECT_MS_MAX });
  const answer = JSON.parse(await text(response)) as unknown;
  if (response.statusCode === 200) return answer as Certified;
  const { code, message, hint } = answer as ReturnType<typeof refusal>;
  throw new RefusedError(refusal(code, message, hint));
}

/** The first address that answers with the CA of the token, and that CA's certificate. */
async function findController(token: JoinToken): Promise<{ readonly ca: string; readonly url: URL }> {
  let last: unknown;
  for (const controller of token.controllers) {
    const url = new URL(`https://${controller}`);
    try {
      return { ca: await caOf(url, token), url };
    } catch (error) {
      last = error;
      // A stranger at one address is not passed over: people should know of it.
      if (error instanceof RefusedError && error.refusal.code === 'mesh_other') throw error;
    }
  }
  throw last;
}

/**
 * The CA's certificate as the server sends it, believed because its fingerprint stands in the token. Nothing is sent but the handshake, and
 * the connection is not used for more: that the server really has a certificate of this CA is proven on the next one.
 */
function caOf(url: URL, { caFingerprint, mesh }: JoinToken): Promise<string> {
  return new Promise((resolve, reject) => {
    const unreachable = (why: string): void =>
      reject(
        new RefusedError(refusal('controller_unreachable', `The controller at ${url.host} does not answer (${why}).`)),
      );
    const socket = connect({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 443),
      servername: controllerName(mesh),
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
    });
    socket.setTimeout(CONNECT_MS_MAX, () => {
      socket.destroy();
      unreachable('ETIMEDOUT');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => unreachable(error.code ?? error.message));
    socket.once('secureConnect', () => {
      const found = chainOf(socket.getPeerCertificate(true)).find(
        ({ fingerprint256 }) => fingerprint256.replaceAll(':', '').toLowerCase() === caFingerprint,
      );
      socket.end();
      if (found !== undefined) return resolve(pemOf(found.raw));
      const words = `What answers at ${url.host} does not belong to the mesh this join token is for: its CA has another fingerprint.`;
      reject(new RefusedError(refusal('mesh_other', words)));
    });
  });
}

/** From the server's own certificate up. A self-signed one is its own issuer. */
function chainOf(first: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = first;
  while (next !== undefined && !chain.includes(next)) {
    chain.push(next);
    next = next.issuerCertificate as DetailedPeerCertificate | undefined;
  }
  return chain;
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
