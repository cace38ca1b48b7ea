import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import { RefusedError } from '../../src/base/refusal.ts';
import {
  type Identity,
  issueController,
  issueNode,
  makeRequest,
  newAuthority,
  readRequest,
} from '../../src/trust/certificate.ts';
import { newKey } from '../../src/trust/key.ts';
import { createMesh, freshController, readMesh } from '../../src/trust/mesh-home.ts';
import { keepIdentity, keepJoined, nextKey } from '../../src/trust/node-home.ts';
import { controllerKnown, nodeKey } from '../../src/trust/signing-keys.ts';

const MESH = '0123456789abcdef';
const NOW = Date.UTC(2026, 5, 16);
const DAY = 86_400_000;
const VALID = { now: NOW, expiresAt: NOW + 30 * DAY };
let ca: Identity;
beforeAll(async () => {
  ca = await newAuthority(MESH, VALID);
});

describe('certificates', () => {
  test('of a CA are for signing, of a controller for its names, of a node for itself', async () => {
    const root = new X509Certificate(ca.certificate);
    expect([root.ca, root.subject]).toEqual([true, `CN=hauki mesh ${MESH}`]);

    const controller = new X509Certificate(
      (await issueController(ca, { mesh: MESH, names: ['store', '10.0.0.5'], ...VALID })).certificate,
    );
    expect(controller.verify(root.publicKey)).toBe(true);
    expect(controller.checkHost('store')).toBe('store');
    expect(controller.checkHost(`controller.${MESH}.hauki.internal`)).toBeDefined();
    expect(controller.checkIP('10.0.0.5')).toBe('10.0.0.5');
    expect(controller.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);

    const node = new X509Certificate(await issueNode(ca, await makeRequest(newKey(), 'crm'), 'crm', VALID));
    expect(node.verify(root.publicKey)).toBe(true);
    expect([node.subject, node.ca, node.keyUsage]).toEqual(['CN=crm', false, ['1.3.6.1.5.5.7.3.2']]);
    expect(node.checkHost(`controller.${MESH}.hauki.internal`)).toBeUndefined();
    expect(Date.parse(node.validTo)).toBe(VALID.expiresAt);
    expect(Date.parse(node.validFrom)).toBeLessThan(NOW);
  });

  test('name whom the mesh invited, whatever the request says', async () => {
    const request = await makeRequest(newKey(), 'somebody else');
    expect(new X509Certificate(await issueNode(ca, request, 'crm', VALID)).subject).toBe('CN=crm');
  });

  test('a request is read with the key in it, the same for the same key', async () => {
    const key = newKey();
    const [one, other] = [
      await readRequest(await makeRequest(key, 'crm')),
      await readRequest(await makeRequest(key, 'shop')),
    ];
    expect(one).toEqual(other);
    expect(one).toMatchObject({ fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
  });

  test('a request that was tampered with, or is none, is refused', async () => {
    const pem = await makeRequest(newKey(), 'crm');
    const der = Buffer.from(pem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1;
    const bent = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    for (const text of [
      '',
      'nonsense',
      bent,
      ca.certificate,
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----',
    ]) {
      expect(await readRequest(text)).toMatch(/^is /);
    }
  });
});

describe('what is kept', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-trust-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const described = { mesh: MESH, names: ['store'], addresses: ['store:7717'] };
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);

  test('of a mesh: once, with its keys closed to others', async () => {
    const home = join(folder, 'controller');
    expect(readMesh(home)).toBeUndefined();
    const made = await createMesh(home, described, NOW);
    expect(readMesh(home)).toEqual(made);
    expect([mode(join(home, 'mesh/ca.key')), mode(join(home, 'mesh/controller.key'))]).toEqual(['600', '600']);
    await expect(createMesh(home, described, NOW)).rejects.toThrow(RefusedError);
    expect(readMesh(home)).toEqual(made);
  });

  test('two that make it at once make one', async () => {
    const home = join(folder, 'race');
    const both = await Promise.allSettled([createMesh(home, described, NOW), createMesh(home, described, NOW)]);
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
    const { ca: kept, controller } = readMesh(home) ?? { ca, controller: ca };
    expect(new X509Certificate(controller.certificate).verify(new X509Certificate(kept.certificate).publicKey)).toBe(
      true,
    );
  });

  test('a controller renews its certificate in time, for another address, and when its key is not the one', async () => {
    const home = join(folder, 'renewing');
    const mesh = await createMesh(home, described, NOW);
    expect(await freshController(home, mesh, ['store'], NOW + DAY)).toBe(mesh.controller);
    const later = await freshController(home, mesh, [], NOW + 300 * DAY);
    expect(Date.parse(new X509Certificate(later.certificate).validTo)).toBeGreaterThan(NOW + 600 * DAY);
    const moved = await freshController(home, mesh, ['10.0.0.9'], NOW);
    expect(new X509Certificate(moved.certificate).checkIP('10.0.0.9')).toBe('10.0.0.9');
    writeFileSync(join(home, 'mesh/controller.key'), newKey());
    const broken = readMesh(home) ?? mesh;
    const mended = await freshController(home, broken, [], NOW);
    expect(new X509Certificate(mended.certificate).checkPrivateKey(createPrivateKey(mended.key))).toBe(true);
    expect(readMesh(home)?.controller).toEqual(mended);
  });

  test('a mesh whose files are not whole is told so', async () => {
    const home = join(folder, 'broken');
    await createMesh(home, described, NOW);
    rmSync(join(home, 'mesh/ca.key'));
    expect(() => readMesh(home)).toThrow(/mesh_missing/);
  });

  test('of a node: one key until it has its certificate, then the next', async () => {
    const home = join(folder, 'node');
    const first = nextKey(home);
    expect(nextKey(home)).toBe(first);
    expect(mode(join(home, 'next.key'))).toBe('600');
    const given = (certificate: string, key: string): Parameters<typeof keepIdentity>[1] => ({
      certificate,
      key,
      controller: told(),
    });
    const described = { node: 'crm', mesh: MESH, controllers: ['store:7717'] };
    await keepJoined(home, described, given('CERTIFICATE', nextKey(home)), ca.certificate);
    const controller = controllerKnown(home);
    const before = controller().publicKey;

    expect(readFileSync(join(home, 'node.pem'), 'utf8')).toBe(`CERTIFICATE\n${first}`);
    expect(mode(join(home, 'node.pem'))).toBe('600');
    expect(JSON.parse(readFileSync(join(home, 'node.yaml'), 'utf8'))).toMatchObject({ node: 'crm' });
    const second = nextKey(home);
    expect(second).not.toBe(first);
    const key = nodeKey(home);
    expect(key().equals(createPrivateKey(first))).toBe(true);
    keepIdentity(home, given('NEXT', second));
    expect(readFileSync(join(home, 'node.pem'), 'utf8')).toBe(`NEXT\n${second}`);
    // Whoever runs meanwhile has the new keys from now on.
    expect(key().equals(createPrivateKey(second))).toBe(true);
    expect(controller().publicKey.equals(before)).toBe(false);
    writeFileSync(join(home, 'controller.json'), 'half');
    expect(controller().name).toBe('store');
  });

  test('of a node that joined before controllers told their key: it is told what to do', () => {
    expect(() => controllerKnown(folder)).toThrow(/controller\.json cannot be used.*mesh_missing.*hauki node rotate/);
    expect(() => nodeKey(folder)).toThrow(/node\.pem cannot be used.*mesh_missing/);
  });
});

test('joining keeps what an operator wrote into node.yaml', async () => {
  const home = mkdtempSync(join(tmpdir(), 'hauki-trust-'));
  try {
    const described = { node: 'crm', mesh: MESH, controllers: ['store:7717'] };
    writeFileSync(join(home, 'node.yaml'), '# ours\nnode: old\nhalt:\n  freezeMax: 20s # short\n');
    await keepJoined(
      home,
      described,
      { certificate: 'CERTIFICATE', key: nextKey(home), controller: told() },
      ca.certificate,
    );
    const text = readFileSync(join(home, 'node.yaml'), 'utf8');
    expect(text).toMatch(/^# ours\nnode: crm\nhalt:\n {2}freezeMax: 20s # short\n/);
    expect(parse(text)).toEqual({ ...described, halt: { freezeMax: '20s' } });
    writeFileSync(join(home, 'node.yaml'), '- a list\n');
    await expect(
      keepJoined(
        home,
        described,
        { certificate: 'CERTIFICATE', key: nextKey(home), controller: told() },
        ca.certificate,
      ),
    ).rejects.toThrow(/node.yaml cannot be used/);
  } finally {
    rmSync(home, { recursive: true });
  }
});

/** What a controller says of itself, with a new key each time. */
function told(): { name: string; publicKey: string } {
  const { publicKey } = generateKeyPairSync('ed25519');
  return { name: 'store', publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64') };
}
