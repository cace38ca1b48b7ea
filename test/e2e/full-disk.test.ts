import { existsSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { smallDisk } from '../small-disk.ts';
import { fingerprint } from './fingerprint.ts';
import { place, WRECK } from './place.ts';

/* A disk that fills up: what cannot be frozen is not touched, and when there is space again, work goes on. */

const IMAGE_BYTES = 24 * 1024 * 1024;

// btrfs is probed by mounting a loop device, which is what this needs.
needs('btrfs').describe('HAUKI_HOME on a disk that is full', () => {
  const disk = smallDisk(IMAGE_BYTES);

  const filler = join(disk, 'filler');

  test(
    'denies with a clear reason, executes nothing, and works again when there is space',
    { timeout: 120_000 },
    async () => {
      const own = place();
      const env = { HAUKI_HOME: join(disk, 'home') };
      const before = fingerprint(own.site);
      expect((await own.guard(`${WRECK}; exit 1`, [], { env })).code).toBe(1);
      expect(fingerprint(own.site)).toBe(before);
      for (const already of ['its controller running', 'its controller to be started']) {
        // Anew each time: a controller that stops gives back what its ledger's log took.
        fill(filler);
        const denied = await own.guard('touch ran', ['--json'], { env });
        const { status, code, message } = JSON.parse(denied.stdout) as {
          status: string;
          code: string;
          message: string;
        };
        expect({ already, exit: denied.code, status }).toEqual({ already, exit: 75, status: 'denied' });
        expect([
          'low_space',
          'ledger_unavailable',
          'snapshot_failed',
          'selftest_failed',
          'controller_unreachable',
        ]).toContain(code);
        expect(message).not.toContain('    at ');
        expect(fingerprint(own.site)).toBe(before);
        await stop(env.HAUKI_HOME);
      }
      rmSync(filler);
      expect((await own.guard('echo two > config', [], { env })).code).toBe(0);
      expect(readFileSync(join(own.site, 'config'), 'utf8')).toBe('two\n');
      expect((await own.run(['audit', 'verify'], { env })).code).toBe(0);
      const { locks } = await own.json<{ locks: unknown[] }>(['locks'], { env });
      expect(locks).toEqual([]);
      await stop(env.HAUKI_HOME);
    },
  );

  test(
    'filled while a command works: undone when there is space, or a person is asked; nothing is lost',
    { timeout: 120_000 },
    async () => {
      const own = place();
      const env = { HAUKI_HOME: join(disk, 'second') };
      const before = fingerprint(own.site);
      const guard = own.startGuard(
        `${WRECK}; touch "$PWD.ready"; until [ -e "$PWD.go" ]; do sleep 0.05; done; exit 4`,
        [],
        { env },
      );
      while (!existsSync(`${own.site}.ready`)) await new Promise((resolve) => setTimeout(resolve, 20));
      fill(filler);
      writeFileSync(`${own.site}.go`, '');
      // The failed state cannot be kept, so it is not undone: a person decides. Or there was just room enough.
      const limit = setTimeout(() => rmSync(filler, { force: true }), 4_000);
      const { code } = await guard.done;
      clearTimeout(limit);
      rmSync(filler, { force: true });
      expect([4, 70]).toContain(code);
      const { mutations } = await own.json<{ mutations: { mutation: string; stage: string }[] }>(['log'], { env });
      if (mutations[0]?.stage === 'quarantined')
        await own.run(['resolve', mutations[0].mutation, '--rollback'], { env });
      const after = await own.json<{ mutations: { stage: string }[] }>(['log'], { env });
      expect(after.mutations[0]?.stage).toBe('rolled_back');
      expect(fingerprint(own.site)).toBe(before);
      expect((await own.run(['audit', 'verify'], { env })).code).toBe(0);
      await stop(env.HAUKI_HOME);
    },
  );
});

/** Writes until nothing more fits. */
function fill(path: string): void {
  for (const count of [1024 * 1024, 4096]) {
    for (let part = 0; part < 100_000 && freeBytes(path) > 0; part += 1) {
      try {
        writeFileSync(path, Buffer.alloc(count, 1), { flag: 'a' });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        break;
      }
    }
  }
}

function freeBytes(path: string): number {
  const { bavail, bsize } = statfsSync(join(path, '..'));
  return bavail * bsize;
}

/** Its controller, if one runs: the disk can only be unmounted when it is gone. */
async function stop(home: string): Promise<void> {
  const file = join(home, 'controller.pid');
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, 'utf8'));
  try {
    if (pid > 0) process.kill(pid, 'SIGTERM');
  } catch {
    return;
  }
  while (existsSync(`/proc/${pid}`)) await new Promise((resolve) => setTimeout(resolve, 20));
}
