import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';

import type { TaskResult } from '../../src/core/task/ending.ts';
import { until } from '../until.ts';
import { type NodeHere, nodeAt } from './mesh.ts';
import { openMesh } from './mesh-place.ts';
import { type Place, place, type Running } from './place.ts';

/* A controller, a node with a spool, and a folder outside what is guarded in which tasks leave word that they ran. */

export interface Tasks {
  readonly own: Place;
  readonly controller: Running;
  /** As it was started, by arguments. */
  readonly startController: () => Promise<Running>;
  readonly node: NodeHere;
  readonly spool: string;
  /** Writes a task into the inbox as whoever is careful would: beside it, then by one rename. */
  readonly drop: (name: string, text: string) => void;
  readonly names: (folder: string) => string[];
  readonly ended: (name: string, outcome: TaskResult['outcome']) => Promise<TaskResult>;
  readonly log: (name: string, outcome: TaskResult['outcome']) => string;
  /** How often a task of `counting` ran. */
  readonly count: (name: string) => number;
  /** A script that leaves word that it ran, then does this, in the guarded folder. */
  readonly counting: (name: string, script: string, header?: string) => string;
}

/**
 * @param rules what node.yaml says of tasks; by default, unsigned ones are run on the place's site
 * @param linked whether the node has joined the mesh, and so can be told things and halted; joining takes its time
 */
export async function tasksAt(rules: object = { unsigned: 'run' }, linked = false): Promise<Tasks> {
  const own = place();
  const mesh = linked ? await openMesh(own, await freePort()) : undefined;
  const joined = await mesh?.joined('crm');
  // Then it speaks with its controller over mutual TLS, as in production.
  const told = joined === undefined ? {} : (JSON.parse(readFileSync(join(joined.home, 'node.yaml'), 'utf8')) as object);
  const controller = mesh?.controller ?? (await own.controller());
  const spool = join(own.folder, 'spool');
  const node = nodeAt(own, 'crm', { ...told, spool, tasks: { datasets: [own.site], ...rules } });
  await until(() => existsSync(join(spool, 'inbox')), 'the spool is there');
  const runs = join(own.folder, 'runs');
  mkdirSync(runs);
  const at = (...names: string[]): string => join(spool, ...names);
  return {
    own,
    controller,
    startController: () => own.controller(),
    node,
    spool,
    drop: (name, text) => {
      writeFileSync(join(own.folder, 'draft'), text, { mode: 0o755 });
      renameSync(join(own.folder, 'draft'), at('inbox', name));
    },
    names: (folder) => readdirSync(at(folder)).filter((name) => !name.endsWith('.result.json')),
    ended: async (name, outcome) => {
      await until(
        () => existsSync(at(outcome, name)),
        `${name} is ${outcome}; it is not in ${JSON.stringify(listed(spool))}\n${node.running.stderr()}`,
        40_000,
      );
      return JSON.parse(readFileSync(at(outcome, `${name}.result.json`), 'utf8')) as TaskResult;
    },
    log: (name, outcome) => readFileSync(at(outcome, `${name}.log`), 'utf8'),
    count: (name) => (existsSync(join(runs, name)) ? readFileSync(join(runs, name), 'utf8').length : 0),
    counting: (name, script, header = '') => `#!/bin/sh\n${header}printf x >>'${join(runs, name)}'\n${script}\n`,
  };
}

function listed(spool: string): string[] {
  return existsSync(spool) ? (readdirSync(spool, { recursive: true }) as string[]) : [];
}

/** One that nobody listens on: test files run beside each other in one process. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
