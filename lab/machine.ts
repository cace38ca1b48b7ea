import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

import type { Cargo } from './cargo.ts';
import { killGroup, runHost, startHost } from './host.ts';
import type { Image } from './image.ts';
import type { Run } from './run.ts';
import { Lost, Ssh } from './ssh.ts';

const MEMORY_MIB = 3072;
/** Beside its root: for the scenarios' pool, and for LXD's. The files are sparse. */
const POOL_DISKS = ['pool', 'lxd'] as const;
const POOL_DISK_GIB = 4;
const BOOT_SECONDS_MAX = 240;

/**
 * One virtual machine under QEMU's software emulation. Its disks outlive a power cut and are thrown away by `discard`.
 *
 * `cache=unsafe` leaves out only the host's fsync: what the guest flushed is in the host's hands and survives QEMU's
 * death. What it wrote without flushing survives as well, which on a real machine it may not.
 */
export class Machine {
  readonly #image: Image;
  readonly #cargo: Cargo;
  readonly #run: Run;
  readonly #stop: AbortSignal;
  #qemu: ChildProcess | undefined;
  #ssh: Ssh | undefined;
  #port = 0;
  #boots = 0;

  constructor(image: Image, cargo: Cargo, run: Run, stop: AbortSignal) {
    this.#image = image;
    this.#cargo = cargo;
    this.#run = run;
    this.#stop = stop;
    stop.addEventListener('abort', () => this.#kill());
  }

  /** Whether QEMU runs; what goes on inside is another question. */
  get running(): boolean {
    return this.#qemu !== undefined && this.#qemu.exitCode === null && this.#qemu.signalCode === null;
  }

  /** @throws Lost when the machine is off */
  get ssh(): Ssh {
    if (this.#ssh === undefined || !this.running)
      throw new Lost(`the virtual machine is not running. ${this.lastWords()}`);
    return this.#ssh;
  }

  /** Of the present boot, or the last. */
  get console(): string {
    return join(this.#run.logs, `console-${this.#boots}.log`);
  }

  /**
   * Starts it, on the disks it had or on fresh ones, and waits until it takes commands.
   *
   * @throws Lost when it does not come up
   */
  async boot(): Promise<void> {
    if (this.running) throw new Error('the machine is running already');
    await this.#makeDisks();
    this.#boots += 1;
    const end = performance.now() + BOOT_SECONDS_MAX * 1000;
    // Between finding a free port and using it somebody else may take it; then QEMU ends at once.
    for (let attempt = 1; ; attempt += 1) {
      this.#stop.throwIfAborted();
      await this.#startQemu();
      const ssh = new Ssh(this.#cargo.keys, this.#run.sockets, this.#port);
      while (this.running && performance.now() < end) {
        if (await ssh.connect(join(this.#run.logs, 'ssh.log'), end)) {
          this.#ssh = ssh;
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, 250));
        this.#stop.throwIfAborted();
      }
      if (this.running) {
        this.#kill();
        throw new Lost(`the guest did not take commands within ${BOOT_SECONDS_MAX} s. ${this.lastWords()}`);
      }
      if (attempt === 3) throw new Lost(`QEMU ended while the guest booted. ${this.lastWords()}`);
    }
  }

  /** As if somebody pulled the plug: QEMU is killed, the disks stay. */
  async powerCut(): Promise<void> {
    const qemu = this.#qemu;
    if (qemu === undefined || !this.running) return;
    const gone = new Promise((resolve) => void qemu.once('exit', resolve));
    this.#kill();
    await gone;
  }

  /** Ends it and throws its disks away: the next boot begins with fresh ones. */
  async discard(): Promise<void> {
    await this.powerCut();
    for (const disk of [this.#root, ...this.#pools().values()]) rmSync(disk, { force: true });
  }

  /** The end of what the guest's console and QEMU said, for whoever has to find out why it died. */
  lastWords(): string {
    const said = [this.console, join(this.#run.logs, 'qemu.log')].map((file) => {
      const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
      return text === '' ? `${file} is empty` : `${file} ends with:\n${text.split('\n').slice(-15).join('\n')}`;
    });
    return said.join('\n');
  }

  get #root(): string {
    return join(this.#run.scratch, 'root.qcow2');
  }

  /** By serial, as the guest knows them. */
  #pools(): ReadonlyMap<string, string> {
    return new Map(POOL_DISKS.map((serial) => [serial, join(this.#run.scratch, `${serial}.img`)]));
  }

  async #makeDisks(): Promise<void> {
    const root = this.#root;
    if (!existsSync(root))
      await runHost(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', this.#image.disk, '-F', 'raw', root], {
        stop: this.#stop,
      });
    for (const pool of this.#pools().values()) {
      if (existsSync(pool)) continue;
      writeFileSync(pool, '');
      truncateSync(pool, POOL_DISK_GIB * 1024 ** 3);
    }
  }

  async #startQemu(): Promise<void> {
    this.#port = await freePort();
    const drive = (file: string, format: string, serial: string, more = ''): string[] => [
      ...['-drive', `file=${file},format=${format},if=none,id=${serial},cache=unsafe${more}`],
      ...['-device', `virtio-blk-pci,drive=${serial},serial=${serial}`],
    ];
    this.#qemu = startHost(
      [
        ...['qemu-system-x86_64', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', String(MEMORY_MIB)],
        ...['-smp', String(Math.min(4, Math.max(2, availableParallelism()))), '-nodefaults', '-no-user-config'],
        ...['-display', 'none', '-serial', `file:${this.console}`, '-no-reboot'],
        ...['-kernel', this.#image.kernel, '-initrd', this.#image.initrd],
        ...['-append', 'console=ttyS0 quiet root=/dev/disk/by-id/virtio-root rw panic=-1 mitigations=off'],
        ...drive(this.#root, 'qcow2', 'root'),
        ...[...this.#pools()].flatMap(([serial, file]) => drive(file, 'raw', serial)),
        ...drive(this.#cargo.file, 'raw', 'cargo', ',readonly=on'),
        // Nothing in the guest reaches the world, and only this machine reaches the guest.
        ...['-netdev', `user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:${this.#port}-:22`],
        ...['-device', 'virtio-net-pci,netdev=net,romfile=', '-device', 'virtio-rng-pci'],
      ],
      join(this.#run.logs, 'qemu.log'),
    );
    this.#qemu.on('error', () => {});
  }

  #kill(): void {
    this.#ssh?.close();
    this.#ssh = undefined;
    if (this.#qemu !== undefined) killGroup(this.#qemu, 'SIGKILL');
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port of 127.0.0.1 is free');
  return address.port;
}
