import { spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';

/** A lock that is held; it is given back by closing it, and by the kernel when the process ends. */
export interface Held {
  readonly close: () => void;
}

/**
 * Takes the lock on a file if it is free. `flock` puts it on the open file, which the child shares with us: so it stays
 * when the child ends, and is gone with us even after a SIGKILL.
 *
 * @returns undefined when somebody else holds it
 */
export function tryLock(file: string): Held | undefined {
  const fd = openSync(file, 'a');
  const { status, error } = spawnSync('flock', ['--exclusive', '--nonblock', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
  });
  if (error !== undefined) throw error;
  if (status === 0) return { close: () => closeSync(fd) };
  closeSync(fd);
  return undefined;
}

/** Takes the lock on a file, waiting for whoever has it. @param waiting called once, when there is somebody to wait for */
export async function lock(file: string, stop: AbortSignal, waiting: () => void): Promise<Held> {
  for (let told = false; ; told = true) {
    const held = tryLock(file);
    if (held !== undefined) return held;
    if (!told) waiting();
    await new Promise((resolve) => setTimeout(resolve, 500));
    stop.throwIfAborted();
  }
}
