import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { openPoint } from './mount-point.ts';
import { mountAt, pulseOf } from './mounted.ts';
import { ownEnvironment } from './run.ts';
import { detach, unmount } from './unmounting.ts';

/** One FUSE file system to be mounted: gocryptfs, or sshfs below it. */
export interface LayerPlan {
  /** The program. */
  readonly name: string;
  /** `fuse.gocryptfs` */
  readonly fsType: string;
  /** As `placeOf` has it. */
  readonly point: string;
  readonly args: readonly string[];
  /** What it reads at its start. Asked for at each mount, because it may have changed since. */
  readonly secret?: () => Result<string, Refusal>;
  /** A file for what it says, kept to a few hundred KiB. Beside it stands what it has mounted, while it has. */
  readonly log: string;
  /** What Debian calls its package. */
  readonly package: string;
  readonly explain: (code: number | null, said: string) => Refusal;
}

/** One that is mounted. */
export interface Layer {
  readonly plan: LayerPlan;
  readonly pid: number;
  /** `0:52`: what tells this mount from one that somebody else puts there. */
  readonly device: string;
  /** When its process has ended, why in words. Mounted or not, it is of no use then. */
  readonly ended: Promise<string>;
  /** @returns `vault_in_use` when it is busy; then it goes on */
  unmount(): Promise<Result<void, Refusal>>;
  /** Ends it, whatever that takes. */
  kill(): Promise<void>;
  /** Takes it off its folder; who has something open there can go on until it is closed. */
  detach(): Promise<void>;
}

const MOUNT_MS_MAX = 40_000;
const LOOK_MS = 15;
const PULSE_MS = 5_000;
const END_MS = 5_000;
const LOG_BYTES_MAX = 256 * 1024;

/**
 * Mounts, and waits until it is. The process goes on when this one dies: its output goes into a file, because it would not outlive the end
 * of a pipe, and a terminal's Ctrl-C is ours to judge, so it is in a session of its own.
 */
export async function mountLayer(plan: LayerPlan, warn: (words: string) => void): Promise<Result<Layer, Refusal>> {
  try {
    return await mountOne(plan, warn);
  } catch (error) {
    // A full disk, one that is read-only, too many open files: that may pass.
    const message = `${plan.name} cannot be started for ${plan.point}: ${(error as Error).message}.`;
    return err(refusal('vault_unavailable', message));
  }
}

async function mountOne(plan: LayerPlan, warn: (words: string) => void): Promise<Result<Layer, Refusal>> {
  const { name, point, log } = plan;
  mkdirSync(dirname(log), { recursive: true, mode: 0o700 });
  const free = await clearPoint(plan, warn);
  if (!free.ok) return free;
  const secret = plan.secret?.();
  if (secret?.ok === false) return secret;
  const bare = openPoint(point);
  if (!bare.ok) return bare;

  const rising = rise(plan, secret?.value);
  bare.value.leave(
    await rising.then(
      ({ device }) => device !== undefined,
      () => false,
    ),
  );
  const { child, said, ended, device } = await rising;
  if (device === undefined) {
    // Its mount may go a moment before it does, and its words tell why.
    const gone = await Promise.race([ended, endMs()]);
    child.kill('SIGKILL');
    await detach(point);
    if (child.pid === undefined) return err(notInstalled(plan));
    if (gone === undefined) return err(refusal('vault_unavailable', `${name} did not mount ${point} in time.`));
    return err(plan.explain(gone.code, said()));
  }
  try {
    writeFileSync(marker(plan), JSON.stringify({ point, device }), { mode: 0o600 });
  } catch (error) {
    warn(`${point} is mounted, but that could not be noted: ${(error as Error).message}`);
  }
  return ok(
    mounted(
      plan,
      child,
      device,
      ended.then(({ words }) => words),
    ),
  );
}

interface Served {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly words: string }>;
}

/** Begins it, and waits until it has mounted, or will not. */
async function rise(plan: LayerPlan, secret: string | undefined): Promise<Served & { device: string | undefined }> {
  const served = begin(plan, secret);
  let hasEnded = false;
  void served.ended.then(() => (hasEnded = true));
  // One that cannot be looked for is ended like one that does not come.
  const device = await comesUp(plan, () => hasEnded).catch(() => undefined);
  return { ...served, device };
}

function endMs(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), END_MS).unref());
}

/** @returns the device of the mount, once it is there and answers; undefined when it does not come to that */
async function comesUp({ point, fsType }: LayerPlan, hasEnded: () => boolean): Promise<string | undefined> {
  const deadline = performance.now() + MOUNT_MS_MAX;
  let found = mountAt(point);
  while (found?.fsType !== fsType) {
    if (hasEnded() || performance.now() > deadline) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    found = mountAt(point);
  }
  // sshfs mounts before it has a connection, and takes itself away when there comes none.
  const answers = (await pulseOf(point, PULSE_MS * 4)) === 'alive';
  return answers && !hasEnded() && mountAt(point)?.device === found.device ? found.device : undefined;
}

function mounted(plan: LayerPlan, child: ChildProcess, device: string, ended: Promise<string>): Layer {
  const { point } = plan;
  const isThere = (): boolean => mountAt(point)?.device === device;
  const forget = (): void => {
    try {
      rmSync(marker(plan), { force: true });
    } catch {
      // It names a mount that is gone; the next one is noted over it.
    }
  };
  // One that waits in the kernel for what is below it ends when that does.
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await Promise.race([ended, endMs()]);
  };
  return {
    plan,
    pid: child.pid ?? 0,
    device,
    ended,
    unmount: async () => {
      const done = isThere() ? await unmount(point) : ok(undefined);
      if (!done.ok) return done;
      // It ends with its mount; one that does not serves nobody any more.
      await Promise.race([ended, endMs()]);
      await end();
      forget();
      return done;
    },
    kill: async () => {
      // What hangs in it is let go by this alone; a mount that is taken away from a live server would not be.
      await end();
      await detach(point, device);
      forget();
    },
    detach: async () => {
      await detach(point, device);
      forget();
    },
  };
}

function begin(plan: LayerPlan, secret: string | undefined): Served {
  const { name, args, log } = plan;
  keepShort(log);
  const file = openSync(log, 'a+', 0o600);
  try {
    const from = fstatSync(file).size;
    const child = spawn(name, args, {
      detached: true,
      stdio: ['pipe', file, file],
      env: ownEnvironment(),
      cwd: '/',
    });
    const ended: Served['ended'] = new Promise((resolve) => {
      child.once('error', (error) => resolve({ code: null, words: error.message }));
      child.once('exit', (code, killed) =>
        resolve({
          code,
          words: killed === null ? `${name} ended with code ${code}` : `${name} was ended by ${killed}`,
        }),
      );
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(secret);
    return { child, said: () => textAfter(log, from), ended };
  } finally {
    closeSync(file);
  }
}

/** What an earlier run left mounted is taken off; what somebody else has mounted there stays, and is in the way. */
async function clearPoint(plan: LayerPlan, warn: (words: string) => void): Promise<Result<void, Refusal>> {
  const { point, fsType } = plan;
  const found = mountAt(point);
  if (found === undefined) return ok(undefined);
  const ours =
    found.fsType === fsType && (leftBehind(plan, found.device) || (await pulseOf(point, PULSE_MS)) === 'dead');
  if (!ours)
    return err(refusal('mount_point_unusable', `Something else (${found.fsType}) is mounted on ${point} already.`));
  warn(`${point} was left mounted by an earlier run, and is mounted anew`);
  const politely = await unmount(point);
  return politely.ok ? politely : detach(point);
}

function leftBehind(plan: LayerPlan, device: string): boolean {
  try {
    const mark = JSON.parse(readFileSync(marker(plan), 'utf8')) as { point?: unknown; device?: unknown };
    return mark.point === plan.point && mark.device === device;
  } catch {
    return false;
  }
}

function marker({ log }: LayerPlan): string {
  return `${log}.mounted`;
}

function notInstalled(plan: LayerPlan): Refusal {
  return refusal('vault_unavailable', `${plan.name} is not installed.`, `apt-get install ${plan.package} fuse3`);
}

function keepShort(log: string): void {
  if ((statSync(log, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(log, `${log}.1`);
}

function textAfter(path: string, from: number): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.min(LOG_BYTES_MAX, Math.max(0, fstatSync(file).size - from)));
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, bytes.length, from));
  } finally {
    closeSync(file);
  }
}
