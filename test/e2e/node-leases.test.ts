import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { bundle } from '../ledger/process/bundle.ts';
import { until } from '../until.ts';
import { type Mesh, type Node, openMesh } from './mesh-place.ts';
import { freePorts } from './ngircd.ts';
import { openPlace, type Running } from './place.ts';
import { begin, found, said } from './worker.ts';

/* Work inside a node process, whose lease rides on the node's heartbeats. What partitions do to it: node-partition.test.ts. */

let program: string;
let mesh: Mesh;
let node: Node;
let worker: Running;

beforeAll(async () => {
  program = await bundle('worker', 'test/e2e/process');
  mesh = await openMesh(openPlace(), (await freePorts())[0]);
  node = await mesh.joined('crm');
}, 60_000);
afterAll(async () => {
  await mesh.place.close();
  rmSync(program, { force: true });
});

beforeEach(async () => {
  worker = node.start([program], { program: process.execPath, input: 'open', msMax: 300_000 });
  await until(() => worker.stderr().includes('linked to the controller'), 'it is linked');
});
afterEach(async () => {
  worker.child.kill('SIGKILL');
  await worker.done;
});

async function typesOf(dataset: string): Promise<string[]> {
  const { mutation = '' } = await found(worker, 'cleared', dataset);
  return (await mesh.place.show(mutation)).records.map(({ type }) => type);
}

const stageOf = async (dataset: string): Promise<string> => {
  const { mutation = '' } = await found(worker, 'cleared', dataset);
  return (await mesh.place.show(mutation)).stage;
};

test(
  'it is renewed by heartbeats alone, survives a controller killed and started again, and is committed',
  { timeout: 120_000 },
  async () => {
    const dataset = await begin(worker, mesh.place, 'renewed', '20s');
    await until(async () => (await typesOf(dataset)).includes('renewed'), 'a heartbeat renews it');
    expect(said(worker).filter(({ event }) => event === 'asked')).toEqual([]);

    process.kill(mesh.controller.pid, 'SIGKILL');
    await mesh.controller.done;
    await mesh.place.controller(['controller', '--port', '0', '--json', '--listen', mesh.address]);
    const renewals = (await typesOf(dataset)).filter((type) => type === 'renewed').length;
    const renewedAgain = async (): Promise<boolean> =>
      (await typesOf(dataset)).filter((type) => type === 'renewed').length > renewals;
    await until(renewedAgain, 'it is renewed with the new controller', 60_000);
    expect(await typesOf(dataset)).toContain('holder_back');
    expect(await stageOf(dataset)).toBe('cleared');
    writeFileSync(`${dataset}.go`, '');
    await found(worker, 'committed', dataset);
    expect(readFileSync(join(dataset, 'config'), 'utf8')).toBe('two\n');
  },
);

test('a node that sleeps for longer than its lease stops its work when it wakes', { timeout: 120_000 }, async () => {
  const dataset = await begin(worker, mesh.place, 'slept', '3s');
  process.kill(worker.pid, 'SIGSTOP');
  await until(async () => (await stageOf(dataset)) === 'rolled_back', 'it is undone', 60_000);
  expect(readFileSync(join(dataset, 'config'), 'utf8')).toBe('one\n');
  process.kill(worker.pid, 'SIGCONT');
  await found(worker, 'stopped', dataset);
  expect(await found(worker, 'failed', dataset)).toMatchObject({ stage: 'rolled_back' });
});

test('what is taken back is stopped at once: the heartbeats are told', { timeout: 120_000 }, async () => {
  const dataset = await begin(worker, mesh.place, 'taken back', '10m');
  const { mutation = '' } = await found(worker, 'cleared', dataset);
  expect((await mesh.place.run(['rollback', mutation])).code).toBe(0);
  await found(worker, 'stopped', dataset);
  expect(await found(worker, 'failed', dataset)).toMatchObject({ stage: 'rolled_back' });
});
