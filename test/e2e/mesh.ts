import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { systemClock } from '../../src/bin/clock.ts';
import { LinkDoor } from '../../src/doors/link/door.ts';
import { Mesh } from '../../src/engine/mesh/mesh.ts';
import type { HeartbeatRecord } from '../../src/node/node.ts';
import { CGROUPS } from '../needs.ts';
import { until } from '../until.ts';
import type { Place, Running, RunOptions } from './place.ts';

/* A controller's side of the mesh in the test's own process, and real node processes linked to it. */

/** Nodes stay halted for so long without a word, ms. */
export const HALT_MS = 2_000;

export interface MeshHere {
  mesh: Mesh;
  /** As when its process is killed: all connections break, nobody listens. */
  readonly die: () => Promise<void>;
  /** Another takes its place, which knows of nothing. */
  readonly live: () => Promise<void>;
}

/** A mesh on the socket where the controller of a place would be. */
export async function meshAt({ home }: Place): Promise<MeshHere> {
  const path = join(home, 'controller.sock');
  mkdirSync(home, { recursive: true });
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let door: LinkDoor | undefined;
  const here: MeshHere = {
    mesh: new Mesh({ clock: systemClock }),
    live: async () => {
      const mesh = new Mesh({ clock: systemClock, haltMs: HALT_MS, answerMs: 3_000 });
      here.mesh = mesh;
      const opened = new LinkDoor({
        heard: (node, heartbeat, carrier) => mesh.heard(node, heartbeat, carrier),
        clock: systemClock,
        log,
      });
      door = opened;
      mesh.addCarrier(opened);
      const listening = createServer();
      server = listening;
      listening.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
      });
      listening.on('upgrade', (request, socket, head) =>
        opened.accept(request, socket, head, String(request.headers['hauki-node'])),
      );
      rmSync(path, { force: true });
      await new Promise<void>((resolve) => listening.listen(path, resolve));
    },
    die: async () => {
      const closed = new Promise((resolve) => server?.close(resolve));
      for (const socket of sockets) socket.destroy();
      door?.close();
      await closed;
    },
  };
  await here.live();
  onTestFinished(() => here.die());
  return here;
}

export interface NodeHere {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  running: Running;
  /** What stands in its heartbeat.json. */
  readonly heartbeat: () => HeartbeatRecord | undefined;
  readonly hauki: (args: readonly string[]) => Promise<{ code: number | null; stdout: string; stderr: string }>;
  readonly start: (options?: RunOptions) => void;
  readonly signal: (signal: NodeJS.Signals) => void;
}

/** A node process of its own home. @param config what stands in node.yaml beside the name */
export function nodeAt(place: Place, name: string, config: object = {}): NodeHere {
  const home = join(place.folder, `node-${name}`);
  const env = { HAUKI_NODE_HOME: home };
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'node.yaml'), JSON.stringify({ node: name, ...config }));
  const begin = (options: RunOptions = {}): Running =>
    place.start(['node', 'run'], { msMax: 600_000, ...options, env: { ...env, ...options.env } });
  const node: NodeHere = {
    home,
    env,
    running: begin(),
    heartbeat: () => {
      const file = join(home, 'heartbeat.json');
      return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as HeartbeatRecord) : undefined;
    },
    hauki: (args) => place.run(args, { env }),
    start: (options) => void (node.running = begin(options)),
    signal: (signal) => void process.kill(node.running.pid, signal),
  };
  // A stopped process would not notice that the test is over.
  onTestFinished(() => {
    try {
      node.signal('SIGKILL');
    } catch {
      // It has ended.
    }
  });
  return node;
}

export function isLive({ mesh }: MeshHere, ...names: readonly string[]): Promise<boolean> {
  return until(() => names.every((name) => mesh.presence(name)?.liveness === 'live'), `${names.join(', ')} live`);
}

export interface Group {
  readonly path: string;
  readonly isFrozen: () => boolean;
}

let groups = 0;

/** A control group with a process in it. */
export function group(): Group {
  const path = join(CGROUPS ?? '', `hauki-e2e-${process.pid}-${(groups += 1)}`);
  mkdirSync(path);
  const child: ChildProcess = spawn('sleep', ['1000'], { stdio: 'ignore' });
  writeFileSync(join(path, 'cgroup.procs'), String(child.pid));
  onTestFinished(async () => {
    writeFileSync(join(path, 'cgroup.kill'), '1');
    await until(() => readFileSync(join(path, 'cgroup.procs'), 'utf8') === '', 'the group is empty');
    rmdirSync(path);
  });
  return { path, isFrozen: () => /frozen 1/.test(readFileSync(join(path, 'cgroup.events'), 'utf8')) };
}
