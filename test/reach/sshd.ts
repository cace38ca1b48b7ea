import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

import type { Destination, SshOptions } from '../../src/reach/ssh/ssh.ts';
import { until } from '../until.ts';

/** An OpenSSH server of a test's own, on a loopback port, with its own host key and one user key. */
export interface Sshd {
  readonly destination: Destination;
  /** The keys and the known host; nothing of the user's own configuration. */
  readonly options: SshOptions;
  readonly folder: string;
  /** The client that a process runs: its child. */
  readonly connection: (parent: number) => Promise<number>;
  /** Takes no more connections; those that are there go on. */
  readonly deafen: () => Promise<void>;
  /** Ends the server; a connection goes on until its command has ended. */
  readonly close: () => Promise<void>;
}

/**
 * @param options.environment of its sessions: `PATH=/bin`
 * @param options.lines more of its configuration
 */
export async function startSshd({
  environment = [],
  lines = [],
}: {
  environment?: readonly string[];
  lines?: readonly string[];
} = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-sshd-'));
  const file = (name: string): string => join(folder, name);
  // As root it separates its privileges there; the service makes the folder, and we are not the service.
  if (process.getuid?.() === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  for (const key of ['host key', 'user key']) keygen(file(key));
  const port = await freePort();
  const quoted = (name: string): string => `"${file(name)}"`;
  writeFileSync(
    file('config'),
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${quoted('host key')}`,
      `AuthorizedKeysFile ${quoted('user key.pub')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin prohibit-password',
      'MaxStartups 200',
      'MaxSessions 200',
      'AcceptEnv LC_* LANG',
      // Has bash leave the user's .bashrc alone: what that says, and how long it takes, is another machine's.
      `SetEnv ${['SHLVL=9', ...environment].join(' ')}`,
      ...lines,
      '',
    ].join('\n'),
  );
  const [type, key] = readFileSync(file('host key.pub'), 'utf8').split(' ');
  writeFileSync(file('known hosts %h'), `[127.0.0.1]:${port} ${type} ${key}\n`);
  writeFileSync(file('client'), 'Host *\n  SendEnv LC_* LANG\n');
  let said = '';
  const child: ChildProcess = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', file('config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => said.includes('Server listening'), `sshd listens: ${said}`);
  const user = userInfo().username;
  return {
    folder,
    destination: { name: `ssh:${user}@127.0.0.1:${port}`, host: '127.0.0.1', user, port },
    options: { knownHosts: file('known hosts %h'), identity: file('user key'), config: file('client') },
    connection: (parent) =>
      until(() => {
        const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').map(Number);
        return children.find((pid) => pid > 0 && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'ssh\n');
      }, 'ssh runs'),
    deafen: async () => {
      child.kill('SIGTERM');
      await until(() => child.exitCode !== null || child.signalCode !== null, 'sshd ends');
    },
    close: async () => {
      child.kill('SIGTERM');
      await until(() => child.exitCode !== null || child.signalCode !== null, 'sshd ends');
      rmSync(folder, { recursive: true });
    },
  };
}

export function keygen(path: string): void {
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`);
}

/** A port that nobody listens on, for now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
