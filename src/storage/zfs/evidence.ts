import { spawn } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import { refusal, type Refusal } from '../../base/refusal.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import type { Syscalls } from '../tree/syscalls.ts';
import { options } from './by-command.ts';
import type { Commands } from './command.ts';
import { containerOf, poolOf } from './names.ts';
import { CONTAINER_RIGHTS, FREE_SPACE, notAllowed } from './refusals.ts';

/**
 * The failed state becomes a dataset of its own that rests on the PRE snapshot: the increment from PRE to FAIL is received into a
 * clone of PRE. A plain clone of FAIL would keep FAIL, and with it the dataset from going back.
 */
export interface Keeping {
  readonly pre: string;
  readonly fail: string;
  readonly into: string;
  readonly properties: Readonly<Record<string, string>>;
}

/** A receiver that waits for what was changed. */
export interface Receiving {
  send(): Promise<Refusal | undefined>;
  /** Ends it, if nothing was sent; else does nothing. To be called in any case. */
  cancel(): void;
}

const CONTAINER_OPTIONS = ['-o', 'canmount=off', '-o', 'mountpoint=none', '-o', 'com.sun:auto-snapshot=false'];

export class EvidenceRoom {
  readonly #commands: Commands;
  readonly #folder: string;
  /** Pools that are known to have hauki's own dataset. */
  readonly #prepared = new Set<string>();

  /** @param home HAUKI_HOME; evidence is mounted in its store */
  constructor(commands: Commands, home: string) {
    this.#commands = commands;
    this.#folder = join(home, 'store', 'zfs');
  }

  mountpointOf(evidence: string): string {
    return join(this.#folder, evidence.slice(evidence.lastIndexOf('/') + 1));
  }

  isPrepared(pool: string): boolean {
    return this.#prepared.has(pool);
  }

  /** Makes hauki's own dataset in a pool, unless it is there. */
  async prepare(pool: string): Promise<Refusal | undefined> {
    const refused = await this.#make(pool);
    if (refused === undefined) this.#prepared.add(pool);
    return refused;
  }

  async #make(pool: string): Promise<Refusal | undefined> {
    const container = containerOf(pool);
    const ran = await this.#commands.zfs(['create', ...CONTAINER_OPTIONS, container]);
    if (ran.code === 0) return undefined;
    const { kind, message } = readFailure(ran.stderr.toString());
    // A user may have created it, and yet not be able to mount what is never to be mounted.
    if (kind === 'exists') return undefined;
    if (kind === 'permission') return notAllowed('rollback_failed', 'zfs create', container, CONTAINER_RIGHTS);
    return refusal('rollback_failed', `${container}, where failed states are kept, could not be made: ${message}.`);
  }

  /** Receives what was changed since PRE. The receiver is started at once, so that it is ready when there is something to send. */
  receive(keeping: Keeping, type: 'filesystem' | 'volume', sys: Syscalls): Receiving {
    const { pre, fail, into, properties } = keeping;
    const root = process.geteuid?.() === 0;
    const mountpoint = this.mountpointOf(into);
    const place =
      type === 'volume' ? [] : ['-o', `mountpoint=${mountpoint}`, '-o', `canmount=${root ? 'on' : 'noauto'}`];
    if (type === 'filesystem') mkdirSync(mountpoint, { recursive: true, mode: 0o700 });
    const { read, write } = sys.pipe();
    const receiving = this.#start(
      [
        'receive',
        ...(root ? [] : ['-u']),
        '-o',
        `origin=${pre}`,
        '-o',
        'readonly=on',
        ...place,
        ...options(properties),
        into,
      ],
      read,
    );
    sys.close(read);
    let waits = true;
    return {
      send: async () => {
        waits = false;
        const sending = this.#start(['send', '-i', pre, fail], 'ignore', write);
        // Ours would keep the receiver waiting for more.
        sys.close(write);
        const [sent, received] = await Promise.all([sending.ended, receiving.ended]);
        if (sent.code === 0 && received.code === 0) return undefined;
        // Who breaks off first knows why; the other only that nobody listens, or nobody speaks.
        const unheard = sent.stderr === '' || /broken pipe/i.test(sent.stderr);
        return this.#notKept(keeping, unheard ? received.stderr : sent.stderr);
      },
      cancel: () => {
        if (!waits) return;
        waits = false;
        receiving.child.kill('SIGKILL');
        sys.close(write);
        if (type === 'filesystem') removeEmpty(mountpoint);
      },
    };
  }

  #notKept({ into, pre }: Keeping, stderr: string): Refusal {
    const { kind, message } = readFailure(stderr);
    const dataset = pre.slice(0, pre.indexOf('@'));
    if (kind === 'permission')
      return notAllowed('rollback_failed', 'zfs receive', containerOf(poolOf(into)), CONTAINER_RIGHTS);
    return refusal(
      'rollback_failed',
      `${dataset} is not put back, because its failed state could not be kept in ${into} first: ${message}.`,
      kind === 'space' ? FREE_SPACE : undefined,
      { cause: kind === 'space' ? 'low_space' : 'snapshot_failed' },
    );
  }

  /** Mounts evidence that its receive left unmounted; one that is mounted stays so. Needs root, or sudo's leave for just that; without, it stays so. */
  async mount(evidence: string): Promise<void> {
    const ran = await this.#commands.zfs(['mount', evidence]);
    if (ran.code !== 0 && process.geteuid?.() !== 0)
      await this.#commands.sudo(['mount', evidence]).catch(() => undefined);
  }

  /** Destroys evidence with the one snapshot that is a part of it. What others took of it stays, and keeps it. */
  async destroy(evidence: string): Promise<Refusal | undefined> {
    const listed = await this.#commands.zfs(['list', '-Hp', '-t', 'snapshot', '-d', '1', '-o', 'name', evidence]);
    if (listed.code !== 0 && readFailure(listed.stderr.toString()).kind === 'missing') return undefined;
    const snapshots = listed.stdout
      .toString()
      .split('\n')
      .filter((name) => name !== '');
    const received = snapshots.filter((name) => name.includes('@FAIL_'));
    const foreign = snapshots.filter((name) => !received.includes(name));
    if (foreign.length > 0) {
      const message = `The evidence ${evidence} has snapshots that are not hauki's: ${foreign.join(', ')}.`;
      return refusal('snapshot_kept', message, 'Destroy them, or tell the tool that took them to leave it alone.', {
        snapshots: foreign,
      });
    }
    for (const args of [...received.map((name) => ['destroy', name]), ['destroy', evidence]]) {
      const ran = await this.#commands.zfs(args);
      const { kind, message, names } = readFailure(ran.stderr.toString());
      if (ran.code === 0 || kind === 'missing') continue;
      return refusal(
        'snapshot_kept',
        `The evidence ${evidence} could not be destroyed: ${message}.`,
        'Stop what uses it, then try again.',
        { names },
      );
    }
    removeEmpty(this.mountpointOf(evidence));
    return undefined;
  }

  #start(args: readonly string[], stdin: number | 'ignore', stdout: number | 'ignore' = 'ignore') {
    const env = { ...process.env, ...this.#commands.environment, LC_ALL: 'C' };
    const child = spawn('zfs', args, { stdio: [stdin, stdout, 'pipe'], env });
    const stderr: Buffer[] = [];
    child.stderr?.on('data', (chunk: Buffer) => void stderr.push(chunk));
    const ended = new Promise<{ code: number | null; stderr: string }>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stderr: Buffer.concat(stderr).toString() }));
    });
    ended.catch(() => undefined);
    return { child, ended };
  }
}

/** Where something is mounted, or nothing is, it stays as it is. */
function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // A volume has none.
  }
}
