import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { issueNode, makeRequest, newAuthority } from '../../src/trust/certificate.ts';
import { controllerName } from '../../src/trust/controller-name.ts';
import { readToken, writeToken } from '../../src/trust/join-token.ts';
import { newKey } from '../../src/trust/key.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { codeOf, type Mesh, type Node, openMesh } from './mesh-place.ts';
import { openPlace, type Outcome, type Place } from './place.ts';

/*
 * A controller and nodes as real processes, on loopback addresses. Ports below the ephemeral range, so that nobody else has them by
 * chance.
 */
const PORT = 17_701 + (process.pid % 500) * 3;

let place: Place;
let mesh: Mesh;
beforeAll(async () => {
  place = openPlace();
  mesh = await openMesh(place, PORT);
});
afterAll(async () => place.close());

const denied = async (running: Promise<Outcome>): Promise<string | undefined> => {
  const outcome = await running;
  expect(outcome.code).not.toBe(0);
  return codeOf(outcome);
};
/** A command on a HAUKI_HOME with a mesh must not start a controller of its own: it would hold the ledger and hear no node. */
test('a command does not start a controller where there is a mesh', async () => {
  const own = openPlace();
  try {
    await own.json(['mesh', 'init', '--address', '127.0.0.1:1']);
    const { code, stdout } = await own.run(['guard', '--intent', 'x', '--path', own.site, '--json', '--', 'true']);
    expect(code).toBe(75);
    expect(JSON.parse(stdout)).toMatchObject({
      code: 'controller_unreachable',
      hint: expect.stringContaining('hauki controller') as string,
    });
    expect(existsSync(join(own.home, 'controller.pid'))).toBe(false);
  } finally {
    await own.close();
  }
});

/** Secrets, ids and all as they stand in a token, with something changed. */
const forged = (token: string, more: object): string => {
  const read = readToken(token);
  if (!read.ok) throw new Error('a token that cannot be read');
  return writeToken({ ...read.value, ...more });
};
const filesWith = (secret: string): string =>
  spawnSync('grep', ['-rlaF', secret, place.folder], { encoding: 'utf8' }).stdout;
const config = (): string => readFileSync(join(place.site, 'config'), 'utf8');

describe('a node that joined', () => {
  let crm: Node;
  beforeAll(async () => {
    crm = await mesh.joined('crm', ['--datasets', `${place.site},/nowhere`, '--ttl-max', '15m', '--rate', '1000']);
  });

  test('guards what is on the controller’s host without a flag, as itself', async () => {
    const kept = await crm.startGuard('echo two > config', ['--json']).done;
    expect([kept.code, config()]).toEqual([0, 'two\n']);
    const undone = await crm.startGuard('echo three > config; exit 3').done;
    expect([undone.code, config()]).toEqual([3, 'two\n']);
    expect((await mesh.log()).slice(0, 2).map(({ node, stage }) => [node, stage])).toEqual([
      ['crm', 'rolled_back'],
      ['crm', 'committed'],
    ]);
  });

  test('is held to its policy and its name, and sees only its own; each denial is on record', async () => {
    await place.guard('true');
    const foreign = (await mesh.log())[0]?.mutation ?? '';
    expect(await denied(crm.run(['guard', '--json', '--intent', 'x', '--path', place.folder, '--', 'true']))).toBe(
      'policy_denied',
    );
    expect(await denied(crm.startGuard('true', ['--json', '--ttl', '16m']).done)).toBe('duration_invalid');
    expect(await denied(crm.startGuard('true', ['--json', '--node', 'shop']).done)).toBe('forbidden');
    for (const args of [
      ['show', foreign],
      ['diff', foreign],
      ['rollback', foreign],
      ['status'],
      ['prune'],
      ['node', 'list'],
      ['token', 'list'],
      ['node', 'invite', 'spy'],
      ['log', '--node', 'shop'],
    ]) {
      expect([args[0], await denied(crm.run([...args, '--json']))]).toEqual([args[0], 'forbidden']);
    }
    const own = JSON.parse((await crm.run(['log', '--json'])).stdout) as { mutations: { node: string }[] };
    expect(new Set(own.mutations.map(({ node }) => node))).toEqual(new Set(['crm']));
    const onRecord = (await mesh.events()).filter(({ type }) => type === 'access_denied');
    expect(onRecord).toContainEqual(
      expect.objectContaining({ as: 'node crm', what: 'POST /v1/prune', code: 'forbidden' }),
    );
  });

  test('cannot end what is another’s, whatever it knows of it', async () => {
    const shop = await mesh.joined('shop');
    const running = shop.startGuard('echo ready; sleep 30');
    await until(() => running.stdout().includes('ready'), 'the other works');
    const held = (await mesh.log())[0];
    const identity = readFileSync(join(crm.home, 'node.pem'));
    for (const verb of ['commit', 'rollback', 'renew', 'attach']) {
      const answer = await post(
        mesh,
        `/v1/mutations/${held?.mutation}/${verb}`,
        { fence: held?.fence },
        { cert: identity, key: identity },
      );
      expect([verb, answer.status]).toEqual([verb, 403]);
    }
    running.child.kill('SIGINT');
    running.child.kill('SIGINT');
    expect((await running.done).code).not.toBe(0);
  });

  test('rotates its key while a guarded command runs, which goes on', async () => {
    const before = (await mesh.place.json<{ fingerprint: string }>(['node', 'show', 'crm'])).fingerprint;
    const running = crm.startGuard('echo ready; sleep 4; echo four > config', ['--ttl', '3s']);
    await until(() => running.stdout().includes('ready'), 'the guard works');
    expect((await crm.run(['node', 'rotate'])).code).toBe(0);
    const { code, stderr } = await running.done;
    expect([code, stderr.includes('committed'), config()]).toEqual([0, true, 'four\n']);
    expect((await mesh.place.json<{ fingerprint: string }>(['node', 'show', 'crm'])).fingerprint).not.toBe(before);
    expect((await crm.startGuard('true').done).code).toBe(0);
  });

  test.each(['key', 'answer'])('can rotate again when it was killed after the %s', async (step) => {
    const killed = await crm.run(['node', 'rotate'], { env: { HAUKI_FAULT: `rotate:after-${step}` } });
    expect(killed.signal).toBe('SIGKILL');
    expect((await crm.startGuard('true').done).code).toBe(0);
    expect((await crm.run(['node', 'rotate'])).code).toBe(0);
    expect((await crm.startGuard('true').done).code).toBe(0);
  });

  test('is cut off at once when it is revoked, also while it holds a clearance', async () => {
    const running = crm.startGuard('echo five > config; echo ready; sleep 30');
    await until(() => running.stdout().includes('ready'), 'the guard works');
    expect((await place.run(['node', 'revoke', 'crm'])).code).toBe(0);
    const { code, stderr } = await running.done;
    expect([code, stderr]).toEqual([70, expect.stringContaining('Node crm was revoked')]);
    await until(async () => (await mesh.log())[0]?.stage === 'rolled_back', 'the change is undone');
    expect(config()).toBe('four\n');
    expect(await denied(crm.startGuard('true', ['--json']).done)).toBe('node_revoked');
    expect(await denied(crm.run(['node', 'rotate', '--json']))).toBe('node_revoked');
    expect(await denied(place.guard('true', ['--node', 'crm', '--json']))).toBe('node_revoked');
  });

  test('finds its controller by the next address when the first leads nowhere, also from YAML a person wrote', async () => {
    const node = await mesh.joined('wanderer');
    const { mesh: id } = JSON.parse(readFileSync(join(node.home, 'node.yaml'), 'utf8')) as { mesh: string };
    const yaml = `# moved\nnode: wanderer\nmesh: "${id}"\ncontrollers:\n  - 127.0.0.1:9\n  - ${mesh.address}\n`;
    writeFileSync(join(node.home, 'node.yaml'), yaml);
    expect((await node.startGuard('true').done).code).toBe(0);
    writeFileSync(join(node.home, 'node.yaml'), 'node: wanderer\ncontrollers: nowhere\n');
    expect(await denied(node.startGuard('true', ['--json']).done)).toBe('usage');
  });

  test('is let in again with a new token', async () => {
    expect((await crm.join(await mesh.invite('crm'))).code).toBe(0);
    expect((await crm.startGuard('true').done).code).toBe(0);
  });
});

describe('a join token', () => {
  test('works once', async () => {
    const token = await mesh.invite('once');
    expect((await mesh.node('once').join(token)).code).toBe(0);
    expect(await denied(mesh.node('thief').join(token))).toBe('token_used');
    expect((await mesh.node('once').startGuard('true').done).code).toBe(0);
  });

  test('used by two at once lets one in', async () => {
    const token = await mesh.invite('twins');
    const codes = (await Promise.all([mesh.node('twin-a').join(token), mesh.node('twin-b').join(token)])).map(
      ({ code }) => code,
    );
    expect(new Set(codes)).toEqual(new Set([0, 75]));
  });

  test.each(['key', 'answer', 'kept'])('works again for who was killed after the %s', async (step) => {
    const name = `killed-${step}`;
    const token = await mesh.invite(name);
    const node = mesh.node(name);
    expect((await node.join(token, { env: { HAUKI_FAULT: `join:after-${step}` } })).signal).toBe('SIGKILL');
    expect(
      await denied(mesh.node(`${name}-thief`).join(step === 'key' ? forged(token, { secret: 'x'.repeat(43) }) : token)),
    ).toMatch(/token_(used|unknown)/);
    // After the last step nothing is left to be done but to tidy up, and asking again with another key would be a second use.
    expect((await node.join(token)).code).toBe(step === 'kept' ? 75 : 0);
    expect((await node.startGuard('true').done).code).toBe(0);
  });

  test('expires', async () => {
    const token = await mesh.invite('late', ['--valid', '500ms']);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(await denied(mesh.node('late').join(token))).toBe('token_expired');
    // What the token says of its end is for people; the controller knows better.
    expect(await denied(mesh.node('late').join(forged(token, { expiresAt: Date.now() + 3_600_000 })))).toBe(
      'token_expired',
    );
  });

  test('is for one name', async () => {
    const token = await mesh.invite('alice');
    expect(await denied(mesh.node('mallory').join(forged(token, { node: 'mallory' })))).toBe('token_unknown');
    expect((await mesh.node('alice').join(token)).code).toBe(0);
  });

  test('of another mesh finds a stranger, and tells it no secret', async () => {
    const token = await mesh.invite('astray');
    const elsewhere = openPlace();
    try {
      const other = await openMesh(elsewhere, PORT + 1);
      const misled = forged(token, { controllers: [other.address] });
      expect(await denied(mesh.node('astray').join(misled))).toBe('mesh_other');
      // Not even by who knows the other mesh's CA: its controller has no such invitation.
      const known = readToken(await other.invite('other'));
      const ca = known.ok ? { caFingerprint: known.value.caFingerprint, mesh: known.value.mesh } : {};
      expect(await denied(mesh.node('astray').join(forged(misled, ca)))).toBe('token_unknown');
      const heard = (await other.events()).filter(({ type }) => type === 'access_denied');
      expect(heard).toHaveLength(1);
      // And a node of the one is nobody to the other.
      const shop = await mesh.joined('traveller');
      const described = JSON.parse(readFileSync(join(shop.home, 'node.yaml'), 'utf8')) as object;
      writeFileSync(join(shop.home, 'node.yaml'), JSON.stringify({ ...described, controllers: [other.address] }));
      expect(await denied(shop.startGuard('true', ['--json']).done)).toBe('mesh_other');
    } finally {
      await elsewhere.close();
    }
  });

  test('that is mistyped is told so before anything is asked', async () => {
    const token = await mesh.invite('typo');
    for (const wrong of [token.slice(0, -1), `${token}x`, token.toLowerCase(), 'hello', '']) {
      const { code, stdout } = await mesh.node('typo').join(wrong);
      expect([code, (JSON.parse(stdout) as { code: string }).code]).toEqual([64, 'token_invalid']);
    }
    expect(existsSync(mesh.node('typo').home)).toBe(false);
  });

  test('can come from stdin, and its secret is nowhere on either side', async () => {
    const token = await mesh.invite('quiet');
    const read = readToken(token);
    const secret = read.ok ? read.value.secret : '';
    expect((await mesh.node('quiet').run(['node', 'join', '-'], { input: `${token}\n` })).code).toBe(0);
    // Files come and go meanwhile, which grep minds; what it found is what counts.
    expect(filesWith(secret)).toBe('');
    expect(mesh.controller.stderr()).not.toContain(secret);
  });

  test('is not made for what cannot be a node', async () => {
    for (const name of ['a/b', 'a b', 'n'.repeat(300), '🦉', '../up', 'a\nb', '']) {
      const outcome = await place.run(['node', 'invite', name, '--json']);
      expect([name, outcome.code, codeOf(outcome)]).toEqual([name, 64, 'node_invalid']);
    }
    await mesh.joined('taken');
    expect(await denied(place.run(['node', 'invite', 'taken', '--json']))).toBe('name_taken');
  });
});

describe('whoever is not who they should be', () => {
  test('shows the certificate of another CA, and is refused by name and on record', async () => {
    const node = await mesh.joined('changeling');
    const ca = await newAuthority('f'.repeat(16), { now: Date.now(), expiresAt: Date.now() + 3_600_000 });
    const key = newKey();
    const cert = await issueNode(ca, await makeRequest(key, 'changeling'), 'changeling', {
      now: Date.now(),
      expiresAt: Date.now() + 3_600_000,
    });
    writeFileSync(join(node.home, 'node.pem'), `${cert}\n${key}`);
    expect(await denied(node.startGuard('true', ['--json']).done)).toBe('certificate_refused');
    expect(await mesh.events()).toContainEqual(
      expect.objectContaining({ type: 'access_denied', code: 'certificate_refused' }),
    );
  });

  test('comes with the certificate of a node that the mesh gave another key since', async () => {
    const node = await mesh.joined('copied');
    const old = readFileSync(join(node.home, 'node.pem'));
    await place.run(['node', 'revoke', 'copied']);
    expect((await node.join(await mesh.invite('copied'))).code).toBe(0);
    writeFileSync(join(node.home, 'node.pem'), old);
    expect(await denied(node.startGuard('true', ['--json']).done)).toBe('certificate_refused');
  });

  test('shows nothing at all', async () => {
    expect(await post(mesh, '/v1/mutations', { intent: 'x', datasets: [place.site] })).toMatchObject({ status: 401 });
    expect(await post(mesh, '/healthz', undefined, {}, 'GET')).toMatchObject({ status: 200 });
  });

  test('shows the operator’s token, which counts on this machine only', async () => {
    const token = readFileSync(join(place.home, 'token'), 'utf8').trim();
    expect(
      await post(mesh, '/v1/status', undefined, { headers: { authorization: `Bearer ${token}` } }, 'GET'),
    ).toMatchObject({ status: 401 });
  });

  test('sends 100 MB', async () => {
    const node = await mesh.joined('loud');
    const identity = readFileSync(join(node.home, 'node.pem'));
    const answer = await post(
      mesh,
      '/v1/mutations',
      { intent: 'x'.repeat(100_000_000), datasets: [place.site] },
      { cert: identity, key: identity },
    );
    expect([413, 'ECONNRESET', 'EPIPE']).toContain(answer.status);
    expect((await node.startGuard('true').done).code).toBe(0);
  });
});

needs('openssl').describe('by openssl', () => {
  const openssl = (args: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn('openssl', ['s_client', '-connect', mesh.address, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.once('close', () => resolve(text));
    });

  test('TLS 1.3 is spoken with a certificate that its CA answers for', async () => {
    const text = await openssl([
      '-tls1_3',
      '-CAfile',
      join(place.home, 'mesh/ca.pem'),
      '-verify_return_error',
      '-verify_ip',
      '127.0.0.1',
    ]);
    expect(text).toMatch(/TLSv1\.3/);
    expect(text).toMatch(/Verify(?: return code|): ?(?:0 \(ok\)|OK)|Verification: OK/);
  });

  test('TLS 1.2 is refused', async () => {
    expect(await openssl(['-tls1_2'])).toMatch(/alert protocol version|no protocols available|handshake failure/);
  });
});

describe('an API token', () => {
  test('does what its scopes say, until it is revoked', async () => {
    const { token } = await place.json<{ token: string }>([
      'token',
      'create',
      'ci',
      '--scope',
      'guard',
      '--expires',
      '30d',
    ]);
    const env = { HAUKI_TOKEN: token, HAUKI_CONTROLLER: `https://${mesh.address}` };
    const asCi = (args: readonly string[]): Promise<Outcome> => place.run([...args, '--json'], { env });
    const kept = await place.guard('echo six > config', ['--json'], { env });
    expect([kept.code, config()]).toEqual([0, 'six\n']);
    expect((await mesh.log())[0]).toMatchObject({ node: 'ci', stage: 'committed' });
    expect(await denied(asCi(['status']))).toBe('forbidden');
    expect(await denied(asCi(['token', 'list']))).toBe('forbidden');
    const list = await place.run(['token', 'list']);
    expect(list.stdout).toMatch(/^ci +guard/m);
    expect(filesWith(token)).toBe('');
    expect((await place.run(['token', 'revoke', 'ci'])).code).toBe(0);
    expect(await denied(asCi(['log']))).toBe('unauthorized');
  });

  test('that may read, reads; one that expired is worth nothing', async () => {
    const make = async (name: string, ...args: string[]): Promise<NodeJS.ProcessEnv> => {
      const { token } = await place.json<{ token: string }>(['token', 'create', name, ...args]);
      return {
        HAUKI_TOKEN: token,
        HAUKI_CONTROLLER: `https://${mesh.address}`,
        HAUKI_CA: join(place.home, 'mesh/ca.pem'),
      };
    };
    const env = await make('eyes', '--scope', 'read');
    expect((await place.run(['status'], { env })).code).toBe(0);
    expect(await denied(place.guard('true', ['--json'], { env }))).toBe('forbidden');
    const brief = await make('brief', '--scope', 'read,guard', '--expires', '300ms');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(await denied(place.run(['status', '--json'], { env: brief }))).toBe('unauthorized');
  });

  test('is asked for properly', async () => {
    expect((await place.run(['token', 'create', 'x'])).code).toBe(64);
    expect((await place.run(['token', 'create', 'x', '--scope', 'everything'])).code).toBe(64);
    expect((await place.run(['token', 'create', 'a b', '--scope', 'read'])).code).toBe(64);
    expect((await place.run(['token', 'revoke', 'nobody'])).code).toBe(75);
  });
});

describe('a controller', () => {
  test.each([
    ['0.0.0.0:7717', 'address_refused', 64],
    ['[::]:7717', 'address_refused', 64],
    ['192.168.1.5:7717', 'address_refused', 64],
    ['8.8.8.8', 'address_refused', 64],
    ['10.0.0.5:7717', 'mesh_missing', 75],
  ])('that is to listen on %s without more is refused', async (address, code, exit) => {
    const fresh = openPlace();
    try {
      const outcome = await fresh.run(['controller', '--json', '--port', '0', '--listen', address]);
      expect([codeOf(outcome), outcome.code]).toEqual([code, exit]);
    } finally {
      await fresh.close();
    }
  });

  test('without a mesh invites nobody, and says what to do', async () => {
    const fresh = openPlace();
    try {
      await fresh.controller();
      const outcome = await fresh.run(['node', 'invite', 'crm', '--json']);
      expect(JSON.parse(outcome.stdout)).toMatchObject({
        code: 'mesh_missing',
        hint: expect.stringContaining('mesh init') as string,
      });
    } finally {
      await fresh.close();
    }
  });

  test('keeps its keys closed to others', () => {
    const open = readdirSync(join(place.home, 'mesh')).filter((name) => name.endsWith('.key'));
    expect(open.toSorted()).toEqual(['ca.key', 'controller.key']);
    const { stdout } = spawnSync('find', [place.folder, '-name', '*.key', '-o', '-name', 'node.pem'], {
      encoding: 'utf8',
    });
    const loose = stdout
      .trim()
      .split('\n')
      .filter((path) => spawnSync('stat', ['-c', '%a', path], { encoding: 'utf8' }).stdout.trim() !== '600');
    expect(loose).toEqual([]);
  });
});

/** One request over TLS; `status` is the error's code where there was no answer. */
function post(
  { address }: Mesh,
  path: string,
  body: unknown,
  options: object = {},
  method = 'POST',
): Promise<{ readonly status: number | string | undefined; readonly text: string }> {
  const ca = readFileSync(join(place.home, 'mesh/ca.pem'));
  const { mesh: id } = JSON.parse(readFileSync(join(place.home, 'mesh/mesh.json'), 'utf8')) as { mesh: string };
  const { headers = {}, ...tls } = options as { headers?: object };
  return new Promise((resolve) => {
    const asked = httpsRequest(
      new URL(path, `https://${address}`),
      {
        method,
        ca,
        servername: controllerName(id),
        agent: false,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...tls,
      },
      (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('close', () => resolve({ status: response.statusCode, text }));
      },
    );
    asked.on('error', (error: NodeJS.ErrnoException) => resolve({ status: error.code, text: '' }));
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
