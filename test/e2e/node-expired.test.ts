import { createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { issueNode, makeRequest } from '../../src/trust/certificate.ts';
import { readMesh } from '../../src/trust/mesh-home.ts';
import type { NodeList } from '../../src/wire/mesh.ts';
import { until } from '../until.ts';
import { openMesh } from './mesh-place.ts';
import { freePorts } from './ngircd.ts';
import { place } from './place.ts';

const LEFT_MS = 10_000;

test(
  'a link ends with the certificate it was opened with; the one renewed meanwhile opens the next',
  { timeout: 90_000 },
  async () => {
    const mesh = await openMesh(place(), (await freePorts())[0]);
    const node = await mesh.joined('crm');
    const pem = join(node.home, 'node.pem');
    const key = createPrivateKey(readFileSync(pem, 'utf8')).export({ type: 'pkcs8', format: 'pem' }).toString();
    const ca = readMesh(mesh.place.home)?.ca ?? { certificate: '', key: '' };
    const validity = { now: Date.now(), expiresAt: Date.now() + LEFT_MS };
    const certificate = await issueNode(ca, await makeRequest(key, 'crm'), 'crm', validity);
    writeFileSync(pem, `${certificate.trimEnd()}\n${key}`, { mode: 0o600 });

    const running = node.start(['node', 'run'], { msMax: 80_000 });
    const links = (): number => running.stderr().split('linked to the controller').length - 1;
    await until(() => links() === 1, 'it is linked');
    expect(await node.run(['node', 'rotate'])).toMatchObject({ code: 0 });
    expect(links()).toBe(1);
    await until(
      () => /certificate that this link was opened with does not count any more/.test(running.stderr()),
      'it ends',
      30_000,
    );
    await until(() => links() === 2, 'it is linked again', 30_000);
    const { nodes } = await mesh.place.json<NodeList>(['node', 'list']);
    expect(nodes).toMatchObject([{ node: 'crm', state: 'joined', presence: { liveness: 'live' } }]);
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  },
);

test(
  'a link ends with the key it was opened with, when two others have taken its place',
  { timeout: 60_000 },
  async () => {
    const mesh = await openMesh(place(), (await freePorts())[0]);
    const node = await mesh.joined('crm');
    const running = node.start(['node', 'run'], { msMax: 50_000 });
    const links = (): number => running.stderr().split('linked to the controller').length - 1;
    await until(() => links() === 1, 'it is linked');
    expect(await node.run(['node', 'rotate'])).toMatchObject({ code: 0 });
    expect(await node.run(['node', 'rotate'])).toMatchObject({ code: 0 });
    await until(() => links() === 2, 'it is linked again');
    expect(running.stderr()).toContain('the certificate that this link was opened with does not count any more');
    running.child.kill('SIGTERM');
    expect((await running.done).code).toBe(0);
  },
);
