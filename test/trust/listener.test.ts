import { request as httpsRequest, type Server } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Identity, issueController, issueNode, makeRequest, newAuthority } from '../../src/trust/certificate.ts';
import { controllerName } from '../../src/trust/controller-name.ts';
import { Dropped, type DroppedPeers } from '../../src/trust/dropped.ts';
import { newKey } from '../../src/trust/key.ts';
import { meshListener, renew } from '../../src/trust/listener.ts';
import { Networks } from '../../src/trust/networks.ts';

const MESH = '0123456789abcdef';
const valid = (): { now: number; expiresAt: number } => ({ now: Date.now(), expiresAt: Date.now() + 3_600_000 });

let ca: Identity;
let node: Identity;
const servers: Server[] = [];
const dropped: string[] = [];

/** Whoever asks for `/known` is known from then on. */
async function listen(networks: Networks): Promise<number> {
  const identity = await issueController(ca, { mesh: MESH, names: ['localhost'], ...valid() });
  const { server, known } = meshListener({
    identity,
    ca: ca.certificate,
    networks,
    handle: (request, response) => {
      const socket = request.socket as TLSSocket;
      if (request.url === '/known') known(socket);
      response.end(`${socket.authorized} ${socket.getPeerX509Certificate()?.subject ?? '-'} ${socket.getProtocol()}`);
    },
    dropped: (_peer, why) => dropped.push(why),
  });
  servers.push(server);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function get(port: number, options: object = {}): Promise<string> {
  return new Promise((resolve) => {
    const asked = httpsRequest(
      { host: '127.0.0.1', port, servername: controllerName(MESH), ca: ca.certificate, agent: false, ...options },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve(text));
      },
    );
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asked.end();
  });
}

/** What comes back on a bare connection until it closes. */
function bytesFrom(port: number, sent?: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connectTcp(port, '127.0.0.1', () => {
      if (sent !== undefined) socket.write(sent);
    });
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

beforeAll(async () => {
  ca = await newAuthority(MESH, valid());
  const key = newKey();
  node = { key, certificate: await issueNode(ca, await makeRequest(key, 'crm'), 'crm', valid()) };
});
afterAll(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

describe('the listener for nodes', () => {
  test('knows a node by its certificate, and a stranger by none', async () => {
    const port = await listen(new Networks());
    expect(await get(port, { cert: node.certificate, key: node.key })).toBe('true CN=crm TLSv1.3');
    expect(await get(port)).toBe('false - TLSv1.3');
  });

  test('does not take the certificate of another CA for one of its own', async () => {
    const port = await listen(new Networks());
    const other = await newAuthority(MESH, valid());
    const key = newKey();
    const cert = await issueNode(other, await makeRequest(key, 'crm'), 'crm', valid());
    expect(await get(port, { cert, key })).toBe('false CN=crm TLSv1.3');
  });

  test('goes on with a certificate that took the old one’s place, and still asks for that of a node', async () => {
    const port = await listen(new Networks());
    const other = await newAuthority('f'.repeat(16), valid());
    const moved = await issueController(other, { mesh: 'f'.repeat(16), names: [], ...valid() });
    const server = servers.at(-1);
    if (server !== undefined) renew(server, moved, other.certificate);
    const told = await get(port, { ca: other.certificate, servername: controllerName('f'.repeat(16)) });
    expect(told).toBe('false - TLSv1.3');
    const key = newKey();
    const cert = await issueNode(other, await makeRequest(key, 'shop'), 'shop', valid());
    const known = { ca: other.certificate, servername: controllerName('f'.repeat(16)), cert, key };
    expect(await get(port, known)).toBe('true CN=shop TLSv1.3');
  });

  test('speaks TLS 1.3 and nothing older', async () => {
    const port = await listen(new Networks());
    expect(await get(port, { maxVersion: 'TLSv1.2' })).toMatch(/PROTOCOL_VERSION|EPROTO/);
  });

  test('proves to be the controller of this mesh, which no node can', async () => {
    const port = await listen(new Networks());
    expect(await get(port, { servername: controllerName('f'.repeat(16)) })).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    const { server } = meshListener({
      identity: node,
      ca: ca.certificate,
      networks: new Networks(),
      handle: (_request, response) => void response.end('got it'),
      dropped: () => undefined,
    });
    servers.push(server);
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const answer = await get((server.address() as AddressInfo).port, { checkServerIdentity: () => undefined });
    expect(answer).toBe('INVALID_PURPOSE');
  });

  test('says not a byte to a peer from elsewhere, and reads none', async () => {
    const nowhere = { has: () => false } as unknown as Networks;
    const port = await listen(nowhere);
    const before = dropped.length;
    expect(await bytesFrom(port)).toBe('');
    expect(await bytesFrom(port, 'GET / HTTP/1.1\r\n\r\n')).toBe('');
    expect(dropped.slice(before)).toEqual(['network', 'network']);
    expect(await get(port)).toMatch(/ECONNRESET/);
  });

  test('lets no crowd of strangers in from one address, and lets the next in when one has gone', async () => {
    const port = await listen(new Networks());
    const crowd = await Promise.all(
      Array.from({ length: 256 }, () => {
        const socket = connectTcp(port, '127.0.0.1');
        socket.on('error', () => undefined);
        return new Promise<typeof socket>((resolve) => socket.once('connect', () => resolve(socket)));
      }),
    );
    expect(await bytesFrom(port)).toBe('');
    crowd[0]?.destroy();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await get(port)).toMatch(/^false/);
    for (const socket of crowd) socket.destroy();
  });

  test('counts a peer as a stranger whatever certificate it shows, until it is known', async () => {
    const port = await listen(new Networks());
    const before = dropped.length;
    const shown = { cert: node.certificate, key: node.key };
    const open = async (path?: string): Promise<TLSSocket> => {
      const to = { host: '127.0.0.1', port, servername: controllerName(MESH), ca: ca.certificate };
      const socket = connect({ ...to, ...shown });
      socket.on('error', () => undefined);
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      if (path !== undefined) {
        socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
        await new Promise((resolve) => socket.once('data', resolve));
      }
      return socket;
    };
    const peers = [await open(), await open('/'), await open('/known'), await open('/known')];
    const crowd = Array.from({ length: 254 }, () => connectTcp(port, '127.0.0.1').on('error', () => undefined));
    await Promise.all(crowd.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    expect(await get(port, shown)).toBe('ECONNRESET');
    expect(dropped.slice(before)).toEqual(['crowd']);
    for (const socket of [...peers, ...crowd]) socket.destroy();
  });

  test('hangs up on who is slow to shake hands', { timeout: 15_000 }, async () => {
    const port = await listen(new Networks());
    const before = dropped.length;
    expect(await bytesFrom(port)).toBe('');
    expect(dropped.slice(before)).toContain('handshake');
  });

  test('hangs up on who sends a head letter by letter', { timeout: 30_000 }, async () => {
    const port = await listen(new Networks());
    const socket = connect({ host: '127.0.0.1', port, servername: controllerName(MESH), ca: ca.certificate });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\nx-slow: ');
    const drip = setInterval(() => socket.write('x'), 200);
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    clearInterval(drip);
    expect(text).toMatch(/^(HTTP\/1\.1 408|$)/);
  });
});

test('who is turned away is counted, and said once in a while', () => {
  const said: DroppedPeers[] = [];
  const counter = new Dropped((about) => said.push(about));
  for (let index = 0; index < 10_000; index += 1) counter.count(`192.168.0.${index % 250}`, 'network');
  expect(said).toEqual([{ network: 1, crowd: 0, handshake: 0, peers: ['192.168.0.0'] }]);
});
