import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Code, CODES } from '../base/codes.ts';
import { refusal, type Refusal, RefusedError } from '../base/refusal.ts';
import { traceparentIn } from '../base/traceparent.ts';
import { Client } from '../client/client.ts';
import type { Address } from '../client/transport.ts';
import { STANDALONE } from './standalone.ts';
import { bindable, type Home, homeFrom, isTooLong, joinedHome, makeHome, nodeHomeFrom } from './home.ts';

/** The controller a command talks to. */
export interface Connection {
  readonly client: Client;
  /** Makes sure that it runs, when it is ours to start: the one of this HAUKI_HOME. A named one is never started. */
  readonly ensure: () => Promise<void>;
  /** False where we are one of many: a node or the bearer of a token, known to the controller by a name of its own. */
  readonly operator: boolean;
}

const NOT_INHERITED = /^(HAUKI_(MUTATION|FENCE|SNAPSHOT|INTENT)|NOTIFY_SOCKET|TRACEPARENT|WATCHDOG_(USEC|PID))$/;
const START_MS_MAX = 20_000;
/** A small young generation: a controller for one caller has little to do, and is 5 MB smaller for it. */
const MODEST = ['--max-semi-space-size=1'];

/**
 * @param named `--controller` or `HAUKI_CONTROLLER`: `unix:/path`, `http://…`, `https://…`; otherwise the one on HAUKI_HOME
 */
export function connect(named: string | undefined, env: NodeJS.ProcessEnv = process.env): Connection {
  const home = homeFrom(env);
  const name = named ?? (env['HAUKI_CONTROLLER'] || undefined);
  if (name !== undefined) {
    const address = addressOf(name, env, home);
    return { client: clientOf(address, env), ensure: async () => {}, operator: address.url?.protocol !== 'https:' };
  }
  const joined = joinedHome(env);
  if (joined !== undefined)
    return { client: clientOf(addressOfNode(joined), env), ensure: async () => {}, operator: false };
  // A long path is reached through its folder, which has to be there for that.
  if (isTooLong(home.socket)) makeHome(home);
  return {
    client: clientOf({ name: `unix:${home.socket}`, socketPath: bindable(home.socket) }, env),
    ensure: () => ensureStarted(home, env),
    operator: true,
  };
}

/** Whoever started us as part of a trace says so in TRACEPARENT. */
function clientOf(address: Address, env: NodeJS.ProcessEnv): Client {
  const traceparent = traceparentIn(env['TRACEPARENT']);
  return new Client({ ...address, ...(traceparent === undefined ? {} : { traceparent }) });
}

/** Calls the controller; when it is the one of this HAUKI_HOME and does not run, starts it and calls again. */
export async function calling<T>(connection: Connection, call: (client: Client) => Promise<T>): Promise<T> {
  try {
    return await call(connection.client);
  } catch (error) {
    if (!(error instanceof RefusedError) || error.refusal.code !== 'controller_unreachable') throw error;
    await connection.ensure();
    return call(connection.client);
  }
}

function addressOf(name: string, env: NodeJS.ProcessEnv, home: Home): Address {
  if (name.startsWith('unix:')) {
    const path = name.slice('unix:'.length);
    if (!path.startsWith('/')) throw wrongAddress(name);
    return { name, socketPath: existsSync(dirname(path)) ? bindable(path) : path };
  }
  let url: URL;
  try {
    url = new URL(name);
  } catch {
    throw wrongAddress(name);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw wrongAddress(name);
  if (url.protocol === 'https:') return secureAddress(name, url, env, home);
  const token = env['HAUKI_TOKEN'] || tokenIn(home);
  return { name, url, ...(token === undefined ? {} : { token }) };
}

/** As the node this machine is. TLS is a big part of Node, and loaded only for this. */
function addressOfNode(node: string): Address {
  return {
    name: `the controller of ${node}/node.yaml`,
    mesh: async () => (await import('../trust/route.ts')).routeAsNode(node),
  };
}

/** With the token of HAUKI_TOKEN, which tells the CA by HAUKI_CA; without one, as the node this machine is. */
function secureAddress(name: string, url: URL, env: NodeJS.ProcessEnv, home: Home): Address {
  const token = env['HAUKI_TOKEN'] || undefined;
  const node = nodeHomeFrom(env);
  const joined = existsSync(join(node, 'node.pem'));
  const known = [join(node, 'ca.pem'), join(home.root, 'mesh', 'ca.pem')].find((path) => existsSync(path));
  const ca = env['HAUKI_CA'] || known;
  return {
    name,
    url,
    ...(token === undefined ? {} : { token }),
    mesh: async () =>
      (await import('../trust/route.ts')).routeToUrl(url, ca, token === undefined && joined ? node : undefined),
  };
}

function wrongAddress(name: string): RefusedError {
  return new RefusedError(
    refusal(
      'usage',
      `"${name}" is not the address of a controller.`,
      'Write unix:/path/to/controller.sock, http://host:port or https://host:port.',
    ),
  );
}

function tokenIn(home: Home): string | undefined {
  try {
    return readFileSync(home.token, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/**
 * A controller with a mesh is a service. One that a command starts for itself would not listen for the nodes, and would hold the
 * ledger while the service wants to come back.
 */
function awaited({ root }: Home): Refusal {
  const message = `The controller of the mesh in ${root} does not run.`;
  return refusal(
    'controller_unreachable' satisfies Code,
    message,
    'Start it: "hauki controller --listen HOST:PORT", or its service.',
  );
}

/** See standalone.ts. */
function unstarted({ root }: Home): Refusal {
  const message = `No controller runs on ${root}, and this executable cannot start one.`;
  return refusal('controller_unreachable' satisfies Code, message, 'Name one with --controller, or join a mesh.');
}

async function ensureStarted(home: Home, env: NodeJS.ProcessEnv): Promise<void> {
  makeHome(home);
  const client = new Client({ name: `unix:${home.socket}`, socketPath: bindable(home.socket) });
  // It runs, and could not do what it was asked: another one could not either.
  if (await client.ready()) return;
  if (STANDALONE) throw new RefusedError(unstarted(home));
  if (existsSync(home.mesh)) throw new RefusedError(awaited(home));
  const said = await start(home, env);
  // Somebody else is starting one on this HAUKI_HOME at this moment: then theirs will answer.
  if (said !== undefined && said.code !== 'home_locked') throw new RefusedError(said);
  const patience = performance.now() + START_MS_MAX;
  while (!(await client.ready())) {
    if (performance.now() > patience) throw new RefusedError(said ?? silent(home));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts a controller that lives on without us, and waits until it says on descriptor 3 that it is ready, or why not. */
async function start(home: Home, env: NodeJS.ProcessEnv): Promise<Refusal | undefined> {
  mkdirSync(dirname(home.log), { recursive: true, mode: 0o700 });
  const log = openSync(home.log, 'a', 0o600);
  const child = spawn(process.execPath, [...MODEST, process.argv[1] ?? '', 'controller', '--ephemeral'], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', log, log, 'pipe'],
    env: environmentFor(home, env),
  });
  child.unref();
  const channel = child.stdio[3];
  let said = '';
  await new Promise<void>((resolve) => {
    channel?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    channel?.once('end', resolve);
    child.once('error', () => resolve());
    setTimeout(resolve, START_MS_MAX).unref();
  });
  channel?.destroy();
  if (said.trim() === 'ready') return undefined;
  try {
    const reason = JSON.parse(said) as Refusal;
    if (Object.hasOwn(CODES, reason.code)) return reason;
  } catch {
    // It died without a word.
  }
  return silent(home);
}

/** The controller is nobody's child: it must not be taken for a process of the mutation it was started from, nor speak for a service. */
function environmentFor(home: Home, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const clean = Object.entries(env).filter(([name]) => !NOT_INHERITED.test(name));
  return { ...Object.fromEntries(clean), HAUKI_HOME: home.root, HAUKI_READY_FD: '3' };
}

function silent(home: Home): Refusal {
  return refusal('controller_unreachable' satisfies Code, 'The controller could not be started.', `See ${home.log}.`);
}
