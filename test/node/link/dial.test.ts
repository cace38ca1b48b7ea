import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { dialInTurn } from '../../../src/node/link/dial.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Something that listens and says this to whoever says something. */
async function listening(says: string, end: boolean): Promise<URL> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => (end ? socket.end(says) : socket.write(says)));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** Why a connection did not come about. */
async function refused(url: URL): Promise<string> {
  const dial = dialInTurn([{ words: 'it', url }], 300);
  const nothing = (): void => {};
  return new Promise((closed) => void dial({ opened: nothing, said: nothing, ponged: nothing, closed }));
}

describe('a controller that does not let a node in', () => {
  it.each<[string, string, boolean, RegExp]>([
    ['says nothing', '', false, /no answer within 300 ms/],
    [
      'begins an answer that never ends',
      'HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\n\r\n{',
      false,
      /^it: (403|no answer)/,
    ],
    ['hangs up', '', true, /socket hang up/],
    ['speaks no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', true, /Parse Error/],
    ['is a web server', 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi', true, /200: refused/],
    [
      'says why',
      'HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n{"message":"Node crm was revoked. 🦅"}',
      true,
      /403: Node crm was revoked/,
    ],
  ])('because it %s', async (_, says, end, why) => {
    expect(await refused(await listening(says, end))).toMatch(why);
  });

  it('is passed over for the next one', async () => {
    const [first, second] = [await listening('', true), await listening('HTTP/1.1 418 No\r\n\r\n', true)];
    const dial = dialInTurn([
      { words: 'first', url: first },
      { words: 'second', url: second },
    ]);
    const nothing = (): void => {};
    const whys: string[] = [];
    for (let times = 0; times < 3; times += 1) {
      whys.push(await new Promise((closed) => void dial({ opened: nothing, said: nothing, ponged: nothing, closed })));
    }
    expect(whys.map((why) => why.split(':')[0])).toEqual(['first', 'second', 'first']);
  });

  it('has a folder or certificate that cannot be read: no more than a failure', async () => {
    const tls = (): never => {
      throw new Error('node.pem cannot be read');
    };
    const dial = dialInTurn([{ words: 'it', url: new URL('https://127.0.0.1:1'), tls }]);
    const nothing = (): void => {};
    const why = await new Promise((closed) => void dial({ opened: nothing, said: nothing, ponged: nothing, closed }));
    expect(why).toBe('it: node.pem cannot be read');
  });
});
