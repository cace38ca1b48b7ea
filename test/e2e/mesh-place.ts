import { join } from 'node:path';

import type { MutationList, RecordView } from '../../src/wire/http.ts';
import type { Invited } from '../../src/wire/mesh.ts';
import type { Outcome, Place, RunOptions, Running } from './place.ts';

/** A controller with a mesh, and nodes of it: each a HAUKI_NODE_HOME of its own. */
export interface Mesh {
  readonly place: Place;
  readonly controller: Running;
  /** `host:port`, as it stands in join tokens. */
  readonly address: string;
  readonly invite: (node: string, more?: readonly string[]) => Promise<string>;
  readonly node: (name: string) => Node;
  /** Invites and joins. */
  readonly joined: (name: string, more?: readonly string[]) => Promise<Node>;
  readonly log: () => Promise<MutationList['mutations']>;
  /** The ledger's events from the beginning. */
  readonly events: () => Promise<readonly RecordView['event'][]>;
}

export interface Node {
  readonly home: string;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<Outcome>;
  readonly start: (args: readonly string[], options?: RunOptions) => Running;
  readonly join: (token: string, options?: RunOptions) => Promise<Outcome>;
  /** `hauki guard --intent test --path <site>` with more options, then a line for `sh`. */
  readonly startGuard: (script: string, more?: readonly string[], options?: RunOptions) => Running;
}

/** @param port of the loopback address nodes are let in on */
export async function openMesh(place: Place, port: number, more: readonly string[] = []): Promise<Mesh> {
  const address = `127.0.0.1:${port}`;
  await place.json(['mesh', 'init', '--address', address]);
  const controller = await place.controller(['controller', '--port', '0', '--json', '--listen', address, ...more]);
  return meshAt(place, controller, address);
}

export function meshAt(place: Place, controller: Running, address: string): Mesh {
  const invite: Mesh['invite'] = async (node, more = []) =>
    (await place.json<Invited>(['node', 'invite', node, ...more])).token;
  const node: Mesh['node'] = (name) => {
    const home = join(place.folder, `node-${name}`);
    const within = (options: RunOptions = {}): RunOptions => ({
      ...options,
      env: { HAUKI_NODE_HOME: home, ...options.env },
    });
    const start: Node['start'] = (args, options) => place.start(args, within(options));
    return {
      home,
      start,
      run: async (args, options) => start(args, options).done,
      join: (token, options) => start(['node', 'join', token, '--json'], options).done,
      startGuard: (script, moreArgs = [], options = {}) =>
        start(['guard', '--intent', 'test', '--path', place.site, ...moreArgs, '--', 'sh', '-c', script], options),
    };
  };
  return {
    place,
    controller,
    address,
    invite,
    node,
    joined: async (name, more) => {
      const made = node(name);
      const { code, stderr, stdout } = await made.join(await invite(name, more));
      if (code !== 0) throw new Error(`node ${name} could not join: ${stdout}${stderr}`);
      return made;
    },
    log: () => place.mutations(),
    events: async () => {
      const { stdout } = await place.run(['audit', 'export']);
      return stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { event: RecordView['event'] }).event);
    },
  };
}

/** The code in the JSON a command printed. */
export function codeOf({ stdout }: Outcome): string | undefined {
  return (JSON.parse(stdout) as { code?: string }).code;
}
