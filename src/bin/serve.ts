import { chmodSync, closeSync, existsSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { type Logger, pino } from 'pino';
import { formatDuration } from '../base/duration.ts';
import { type Refusal, RefusedError } from '../base/refusal.ts';
import { httpDoor } from '../doors/http/server.ts';
import { chronicle } from '../engine/chronicle.ts';
import { Verifying } from '../engine/verifying.ts';
import { type SelfTest, selfTest } from '../storage/selftest.ts';
import type { StatusView } from '../wire/http.ts';
import { systemClock } from './clock.ts';
import { readConfig } from './config.ts';
import { listenForNodes, openMesh } from './listen.ts';
import { drivers, newId, serveWebhooks, startController } from './compose.ts';
import { bindable, type Home, makeHome } from './home.ts';
import { openLink } from './link.ts';
import { ledgerAudit } from './ledger-audit.ts';
import { say } from './output.ts';
import { builtPage } from './page.ts';
import { openMcp } from './mcp.ts';
import { listening } from './listening.ts';
import { controllerStatus } from './controller-status.ts';
import type { Supervised } from './supervision.ts';
import { takeHome } from './take-home.ts';
import { VERSION } from './version.ts';

export interface ServeOptions {
  readonly home: Home;
  readonly node: string;
  /** TCP port on 127.0.0.1; undefined: none. */
  readonly port?: number;
  /** `host:port` to listen on for nodes, besides those of config.yaml. */
  readonly listen?: readonly string[];
  /** Ends by itself when nobody needs it. */
  readonly ephemeral: boolean;
  readonly logLevel: string;
  readonly supervised: Supervised;
}

/** A controller that takes requests. */
export interface Serving {
  readonly node: string;
  readonly socket: string;
  readonly url?: string;
  /** The file with the operator's token, for whoever comes by `url`. */
  readonly token: string;
  /** `host:port` where nodes are let in. */
  readonly listening: readonly string[];
  readonly selfTests: readonly SelfTest[];
  /** Resolves when it has stopped, by a signal or because nobody needed it any more. */
  readonly stopped: Promise<void>;
}

/** A controller that was started for a caller ends after so long with nothing to do; HAUKI_IDLE_MS says otherwise. */
const IDLE_MS = 15_000;
const IDLE_LOOKS = 15;
const PRUNE_MS = 3_600_000;

/**
 * Runs a controller in this process: lock, self-test, ledger and recovery, doors.
 *
 * @throws RefusedError when it cannot: `home_locked`, `selftest_failed`, `ledger_…`, or a port that is taken
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { home, node } = options;
  makeHome(home);
  const release = await takeHome(home);
  const undo: (() => unknown)[] = [release];
  try {
    const log = logTo(options);
    const { policy, reserve, streams, irc, webhooks: hooked, mesh: meshConfig } = readConfig(home.config);
    const listen = options.ephemeral ? [] : [...meshConfig.listen, ...(options.listen ?? [])];
    const mesh = openMesh(home.root, { ...meshConfig, listen });
    const backends = drivers(home, reserve);
    // Meanwhile: a self-test waits for the disk and for programs.
    const figures = options.ephemeral ? undefined : import('./metrics.ts');
    figures?.catch(() => undefined);
    const selfTests: SelfTest[] = [];
    for (const backend of backends) selfTests.push(await selfTest(backend, { newId, now: systemClock.now }));
    const failed = selfTests.find((test) => !test.ok);
    if (failed?.refused !== undefined) throw new RefusedError(failed.refused);

    const { authority } = mesh;
    const { controller, enrolment, stop } = await startController({ home, backends, policy, node, log, authority });
    undo.unshift(stop);
    undo.unshift(chronicle(controller.engine.feed, log));
    const webhooks = serveWebhooks(home, controller, hooked, log);
    undo.unshift(() => webhooks.stop());
    const audits = new AbortController();
    undo.unshift(() => audits.abort());
    const metrics = (await figures)?.serveMetrics(home, controller, webhooks, log);
    undo.unshift(() => metrics?.close());
    let end = (): void => {};
    let ircView: (() => StatusView['irc']) | undefined;
    const door = await httpDoor({
      controller,
      enrolment,
      log,
      token: tokenOf(home),
      ephemeral: options.ephemeral,
      limits: streams,
      irc: () => ircView?.(),
      webhooks,
      page: builtPage(),
      verifying: new Verifying(ledgerAudit(home.root, audits.signal), systemClock),
      mcp: openMcp(log),
      ...(metrics === undefined ? {} : { metrics }),
      retire: () => {
        if (!controller.engine.idle) return false;
        setImmediate(() => end());
        return true;
      },
    });
    undo.unshift(() => door.close());
    undo.unshift(openLink({ door, controller, log }));
    await listenOnSocket(door.local, home.socket);
    undo.unshift(() => rmSync(home.socket, { force: true }));
    const url = options.port === undefined ? undefined : await listenOnPort(door.remote, options.port);
    const nodes = await listenForNodes(mesh, door, log);
    undo.unshift(nodes.stop);

    if (irc !== undefined) {
      const { openIrc } = await import('./irc.ts');
      const opened = openIrc({ config: irc, home, controller, log });
      ircView = opened.view;
      undo.unshift(opened.close);
    }

    const prune = setInterval(() => void controller.pruneByItself(), PRUNE_MS);
    undo.unshift(() => clearInterval(prune));
    const { manager } = options.supervised;
    undo.unshift(() => manager.stopping());
    void controller.pruneByItself();

    const stopped = new Promise<void>((resolve) => {
      let ending = false;
      end = (): void => {
        if (ending) return;
        ending = true;
        void unwind(undo).then(resolve);
      };
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
      if (options.ephemeral) whenIdle(() => !controller.engine.idle || door.busy() || webhooks.busy(), end);
    });
    const { listening: addresses } = nodes;
    // Another turn of the loop that decides: when it hangs, so does this.
    const turns = async (): Promise<boolean> => {
      const turn = await controller.engine.submit({ type: 'tick' });
      return turn.ok || turn.error.code !== 'overloaded';
    };
    manager.ready(() => controllerStatus(controller), turns);
    log.info({ version: VERSION, socket: home.socket, url, listening: addresses, pid: process.pid }, 'ready');
    const found = { node, socket: home.socket, token: home.token, listening: addresses, selfTests, stopped };
    return { ...found, ...(url === undefined ? {} : { url }) };
  } catch (error) {
    await unwind(undo);
    throw error;
  }
}

function logTo({ node, logLevel, supervised: { sink } }: ServeOptions): Logger {
  return pino({ level: logLevel, base: { node } }, { write: sink });
}

async function unwind(undo: readonly (() => unknown)[]): Promise<void> {
  for (const step of undo) {
    try {
      await step();
    } catch (error) {
      // One that fails does not keep the others from being taken.
      say(`while stopping: ${String(error)}`);
    }
  }
}

function whenIdle(busy: () => boolean, run: () => void): void {
  const idleMs = Number(process.env['HAUKI_IDLE_MS']) || IDLE_MS;
  let idleSince = performance.now();
  const look = setInterval(() => {
    if (busy()) idleSince = performance.now();
    else if (performance.now() - idleSince > idleMs) {
      clearInterval(look);
      run();
    }
  }, idleMs / IDLE_LOOKS);
}

/** The secret of the TCP listener: made once, readable only by its owner. */
function tokenOf(home: Home): string {
  if (!existsSync(home.token))
    writeFileSync(home.token, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  return readFileSync(home.token, 'utf8').trim();
}

async function listenOnSocket(server: Server, socket: string): Promise<void> {
  // We hold the lock, so whoever made this socket is gone.
  rmSync(socket, { force: true });
  const umask = process.umask(0o177);
  try {
    await listening(server, { path: bindable(socket) }, `unix:${socket}`);
  } finally {
    process.umask(umask);
  }
  chmodSync(socket, 0o600);
}

async function listenOnPort(server: Server, port: number): Promise<string> {
  await listening(server, { host: '127.0.0.1', port }, `127.0.0.1:${port}`);
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : port}`;
}

/** For whoever started this process and waits on descriptor HAUKI_READY_FD: "ready", or why not. */
export function tellStarter(said: 'ready' | Refusal): void {
  const descriptor = Number(process.env['HAUKI_READY_FD']);
  if (!Number.isInteger(descriptor) || descriptor < 3) return;
  delete process.env['HAUKI_READY_FD'];
  try {
    writeSync(descriptor, `${typeof said === 'string' ? said : JSON.stringify(said)}\n`);
    closeSync(descriptor);
  } catch {
    // Whoever started us is not there any more.
  }
}

/** `btrfs: snapshot 4 ms, rollback 12 ms` */
export function describeSelfTest(test: SelfTest): string {
  if (!test.tried) return `${test.driver}: not tried (${test.refused?.message ?? 'no place for a scratch dataset'})`;
  if (!test.ok) return `${test.driver}: FAILED: ${test.refused?.message ?? ''}`;
  return `${test.driver}: snapshot ${formatDuration(test.snapshotMs ?? 0)}, rollback ${formatDuration(test.rollbackMs ?? 0)}, verified`;
}
