import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { killGroup, startHost } from './host.ts';

/** What a command in the guest came to. */
export interface Outcome {
  /** Its exit code, or 128 + n when it died of signal n. */
  readonly code: number;
  /** As UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
  /** The same, byte for byte. */
  readonly bytes: { readonly stdout: Buffer; readonly stderr: Buffer };
}

/** A command in the guest that goes on. */
export interface Remote {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Rejects when the guest is lost, or when it is stopped from here. */
  readonly done: Promise<Outcome>;
}

export interface RemoteOptions {
  readonly stdin?: string | Buffer;
  /** Gets what it says as it comes, both streams. */
  readonly onOutput?: (text: string) => void;
  /** Ends it. */
  readonly stop: AbortSignal;
}

/** What ssh itself says when the connection and not the command has failed; then too its exit code is 255. */
const LOST =
  /^(?:ssh: |Connection (?:to|closed|reset|timed out)|kex_exchange|client_loop|mux_client|Control socket|Timeout, server|banner exchange)/m;

/** The guest is gone, or does not answer. */
export class Lost extends Error {}

/**
 * Commands over one ssh connection: an own `ssh -N` holds it, and each command is a channel of it, which takes 20 ms
 * where a connection of its own takes a second.
 */
export class Ssh {
  readonly #options: readonly string[];
  readonly #folder: string;
  #master: ChildProcess | undefined;

  /**
   * @param keys folder with `key` and `known_hosts`
   * @param folder for the control socket; its path is short, since a socket's may have 107 bytes at most
   * @param port of the guest's sshd, on 127.0.0.1
   */
  constructor(keys: string, folder: string, port: number) {
    this.#folder = folder;
    this.#options = [
      ...['-F', 'none', '-i', join(keys, 'key'), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
      // The key of this run's guest and no other: whatever else may listen on the port is refused.
      ...['-o', `UserKnownHostsFile=${join(keys, 'known_hosts')}`, '-o', 'HostKeyAlias=lab'],
      ...['-o', 'StrictHostKeyChecking=yes', '-o', 'LogLevel=ERROR', '-o', 'ConnectTimeout=5'],
      ...['-o', 'ServerAliveInterval=15', '-o', 'ServerAliveCountMax=8'],
      ...['-S', join(folder, 'ssh'), '-p', String(port), '-l', 'root'],
    ];
  }

  /** Arguments that lead `ssh` to the guest: for a person, and for the interactive shell. */
  get argv(): readonly string[] {
    return ['ssh', ...this.#options, '127.0.0.1'];
  }

  /**
   * Connects, if the guest lets it by now.
   *
   * @param until of performance.now(), after which it gives up
   * @returns whether commands can be run
   */
  async connect(log: string, until: number): Promise<boolean> {
    // One that was killed left its socket, and ssh then holds the connection without listening.
    rmSync(join(this.#folder, 'ssh'), { force: true });
    const master = startHost(['ssh', '-M', '-N', ...this.#options, '127.0.0.1'], log);
    let ended = false;
    master.once('exit', () => void (ended = true));
    while (!ended && performance.now() < until) {
      const check = spawn('ssh', ['-O', 'check', ...this.#options, '127.0.0.1'], { stdio: 'ignore' });
      const code = await new Promise<number | null>((resolve) => void check.once('exit', resolve));
      if (code === 0) {
        this.#master = master;
        return true;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    killGroup(master, 'SIGKILL');
    return false;
  }

  close(): void {
    if (this.#master !== undefined) killGroup(this.#master, 'SIGKILL');
    this.#master = undefined;
  }

  get #connected(): boolean {
    return this.#master !== undefined && this.#master.exitCode === null && this.#master.signalCode === null;
  }

  /** @param line for the guest's shell; see words.ts */
  start(line: string, { stdin, onOutput, stop }: RemoteOptions): Remote {
    // Without its master ssh would open a connection of its own, past the check that there is a guest.
    if (!this.#connected) throw new Lost(`there is no connection to the guest (its socket was in ${this.#folder})`);
    stop.throwIfAborted();
    const child = spawn('ssh', [...this.#options, '127.0.0.1', line], { detached: true, stdio: 'pipe' });
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => {
      out.push(chunk);
      onOutput?.(chunk.toString('utf8'));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err.push(chunk);
      onOutput?.(chunk.toString('utf8'));
    });
    // A command that does not read its input may be gone before it is written.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    const stdout = (): string => Buffer.concat(out).toString('utf8');
    const stderr = (): string => Buffer.concat(err).toString('utf8');
    const done = new Promise<Outcome>((resolve, reject) => {
      const end = (): void => {
        killGroup(child, 'SIGKILL');
        // The process that holds the connection has our ends of the pipes as well, so 'close' may be long in coming.
        reject(stop.reason as Error);
      };
      stop.addEventListener('abort', end, { once: true });
      child.once('error', reject);
      child.once('close', (code) => {
        stop.removeEventListener('abort', end);
        const finish = (): void => {
          if (code === null || (code === 255 && (LOST.test(stderr()) || !this.#connected)))
            return reject(new Lost(`the guest was lost: ${stderr().trim() || 'the connection ended'}`));
          const bytes = { stdout: Buffer.concat(out), stderr: Buffer.concat(err) };
          return resolve({ code, stdout: stdout(), stderr: stderr(), bytes });
        };
        // 255 is what a lost connection gives, and what a command may end with: the connection's own end tells.
        if (code === 255) setTimeout(finish, 500);
        else finish();
      });
    });
    // Whoever does not wait for it must not be hurt by it.
    done.catch(() => {});
    return { stdout, stderr, done };
  }
}
