import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { Client, type MessageEvent } from 'irc-framework';

import { transportOver } from '../../src/doors/irc/transport.ts';
import { until } from '../until.ts';

/** Debian's IRC server, started by a test on a port of its own. */
export interface Ngircd {
  readonly port: number;
  readonly tlsPort: number;
  /** PEM file of the certificate authority that signed its certificate. */
  readonly ca: string;
  start: () => Promise<void>;
  /** @returns when the process has ended */
  kill: (signal?: NodeJS.Signals) => Promise<void>;
  signal: (signal: NodeJS.Signals) => void;
  readonly close: () => Promise<void>;
}

export interface NgircdOptions {
  readonly password?: string;
  readonly tls?: boolean;
}

/** Not started yet: a server that is dead at boot is a case too. */
export async function ngircd(folder: string, { password, tls = false }: NgircdOptions = {}): Promise<Ngircd> {
  mkdirSync(folder, { recursive: true });
  const [port, tlsPort] = await freePorts();
  const ca = join(folder, 'ca.pem');
  const config = join(folder, 'ngircd.conf');
  if (tls) certificate(folder);
  writeFileSync(
    config,
    [
      '[Global]',
      'Name = irc.hauki.test',
      'Info = for tests',
      'Listen = 127.0.0.1',
      `Ports = ${port}`,
      `PidFile = ${join(folder, 'ngircd.pid')}`,
      ...(password === undefined ? [] : [`Password = ${password}`]),
      ...(process.getuid?.() === 0 ? ['ServerUID = root', 'ServerGID = root'] : []),
      '[Limits]',
      // Its throttle slows every client down to some commands a second, whatever they are.
      'MaxPenaltyTime = 0',
      'MaxConnectionsIP = 0',
      'MaxNickLength = 20',
      'PingTimeout = 3600',
      '[Options]',
      'DNS = no',
      'Ident = no',
      'PAM = no',
      'SyslogFacility = local1',
      ...(tls
        ? [
            '[SSL]',
            `CertFile = ${join(folder, 'server.pem')}`,
            `KeyFile = ${join(folder, 'server.key')}`,
            `Ports = ${tlsPort}`,
          ]
        : []),
      '',
    ].join('\n'),
  );
  let child: ChildProcess | undefined;
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const ended = new Promise((resolve) => running.once('close', resolve));
    running.kill(signal);
    await ended;
  };
  return {
    port,
    tlsPort,
    ca,
    start: async () => {
      const started = spawn('/usr/sbin/ngircd', ['--nodaemon', '--config', config], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child = started;
      let said = '';
      for (const stream of [started.stdout, started.stderr])
        stream.on('data', (bytes: Buffer) => void (said += bytes.toString()));
      await until(() => {
        if (started.exitCode !== null) throw new Error(`ngircd ended: ${said}`);
        return said.includes(`Now listening on [127.0.0.1]:${tls ? tlsPort : port}`);
      }, `ngircd listens: ${said}`);
    },
    kill,
    signal: (signal) => void child?.kill(signal),
    close: async () => {
      child?.kill('SIGCONT');
      await kill();
    },
  };
}

/** The server's password, or with an account that account's. */
export interface Credentials {
  readonly password?: string | undefined;
  readonly account?: string;
}

/** A person's client, which sits in channels and keeps what it sees, as its log would. */
export interface Person {
  readonly client: Client;
  readonly said: MessageEvent[];
  /** Lines of all that was said, in the format of irssi. */
  readonly log: () => string;
  readonly lines: (from?: string) => string[];
  readonly heard: (words: string | RegExp, msMax?: number) => Promise<string>;
  readonly leave: () => void;
}

export async function person(
  port: number,
  nick: string,
  channels: readonly string[],
  { password, account }: Credentials = {},
): Promise<Person> {
  const client = new Client();
  const said: MessageEvent[] = [];
  const joined = new Set<string>();
  client.on('privmsg', (event) => void said.push(event));
  client.on('notice', (event) => {
    if (!event.from_server) said.push(event);
  });
  client.on('join', (event) => {
    if (event.nick === client.user.nick) joined.add(event.channel);
  });
  let registered = false;
  client.on('registered', () => {
    registered = true;
    for (const channel of channels) client.join(channel);
  });
  client.connect({
    host: '127.0.0.1',
    port,
    nick,
    username: nick,
    gecos: nick,
    ...(password === undefined || account !== undefined ? {} : { password }),
    account: account === undefined ? {} : { account, password: password ?? '' },
    version: null,
    auto_reconnect: false,
    ping_interval: 0,
    ping_timeout: 0,
    message_max_length: 400,
    transport: transportOver(undefined),
  });
  await until(
    () => registered && channels.every((channel) => joined.has(channel)),
    `${nick} is in ${channels.join(', ')}`,
  );
  const lines = (from?: string): string[] =>
    said.filter((event) => from === undefined || event.nick === from).map(({ message }) => message);
  return {
    client,
    said,
    lines,
    log: () => said.map(({ nick: by, message }) => `12:34 <@${by}> ${message}`).join('\n'),
    heard: (words, msMax) =>
      until(
        () => lines().find((line) => (typeof words === 'string' ? line.includes(words) : words.test(line))),
        `${nick} hears ${String(words)}; heard so far:\n${lines().join('\n')}`,
        msMax,
      ),
    leave: () => client.connection.transport?.disposeSocket(),
  };
}

export async function freePorts(): Promise<[number, number]> {
  const servers = await Promise.all(
    [0, 0].map(async (port) => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [ports[0] ?? 0, ports[1] ?? 0];
}

/** A certificate authority, and a certificate by it for 127.0.0.1. */
function certificate(folder: string): void {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  writeFileSync(join(folder, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:irc.hauki.test\n');
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=test authority');
  openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=irc.hauki.test');
  openssl(
    'x509',
    '-req',
    '-in',
    'server.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'server.pem',
    '-days',
    '2',
    '-extfile',
    'names',
  );
}
