import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { evidenceName } from '../core/snapshot/name.ts';
import type { DriverName } from '../core/dataset.ts';
import type { StorageDriver } from '../ports/storage.ts';

/** What a self-test found of one backend. Times in milliseconds. */
export interface SelfTest {
  readonly driver: DriverName;
  /** False where this host has no place to try it. */
  readonly tried: boolean;
  readonly ok: boolean;
  readonly snapshotMs?: number;
  readonly rollbackMs?: number;
  readonly refused?: Refusal;
}

/** Who asks for what a self-test tries. */
export const SELF_TEST_NODE = 'self-test';

export interface SelfTestOptions {
  readonly newId: () => string;
  readonly now: () => number;
}

/**
 * Proves on a scratch dataset that snapshot, change, rollback and verification work on this machine as it is: with its kernel, its
 * file systems and this user's permissions.
 */
export async function selfTest(storage: StorageDriver, options: SelfTestOptions): Promise<SelfTest> {
  const { driver } = storage;
  try {
    const scratch = await storage.scratch();
    if (scratch === undefined) return { driver, tried: false, ok: true };
    try {
      const tried = await rehearse(storage, scratch.dataset.name, scratch.path, options);
      if (tried.ok) return { driver, tried: true, ok: true, ...tried.value };
      // Without space nothing can be tried. Requests will be denied for it, but what is open must be undone all the same.
      const noSpace = tried.error.code === 'low_space' || tried.error.evidence?.['cause'] === 'low_space';
      return { driver, tried: !noSpace, ok: noSpace, refused: tried.error };
    } finally {
      await scratch.remove();
    }
  } catch (error) {
    const noSpace = (error as NodeJS.ErrnoException).code === 'ENOSPC';
    const refused = failed(driver, error instanceof Error ? error.message : String(error));
    return { driver, tried: !noSpace, ok: noSpace, refused };
  }
}

async function rehearse(
  storage: StorageDriver,
  dataset: string,
  root: string,
  { newId, now }: SelfTestOptions,
): Promise<Result<{ snapshotMs: number; rollbackMs: number }, Refusal>> {
  const before = `before ${now()}`;
  await writeFile(join(root, 'kept'), before);
  await writeFile(join(root, 'lost'), before);

  const mutation = newId();
  const properties = { mutation, intent: 'self-test', node: SELF_TEST_NODE, mode: 'standard', fence: 0 } as const;
  // Made by hand: how long HAUKI_HOME's own path is must not decide whether hauki starts.
  const name = `${dataset}@PRE_self-test_${now()}`;
  const start = performance.now();
  const taken = await storage.snapshot({ mutation, snapshots: [{ dataset, name }], properties });
  if (!taken.ok) return taken;
  const snapshotMs = performance.now() - start;
  const [snapshot] = taken.value;
  if (snapshot === undefined) return err(failed(storage.driver, 'a snapshot was taken but not shown'));

  await writeFile(join(root, 'kept'), 'after');
  await rm(join(root, 'lost'));
  await mkdir(join(root, 'added'));

  const again = performance.now();
  const back = await storage.rollback({ snapshot, properties, evidenceName: evidenceName(name, 1), attempt: 1 });
  if (!back.ok) return back;
  const rollbackMs = performance.now() - again;

  const restored = await Promise.all(
    ['kept', 'lost'].map((file) => readFile(join(root, file), 'utf8').catch(() => '')),
  );
  if (restored.some((content) => content !== before))
    return err(failed(storage.driver, 'the state after a rollback was not the state before'));
  const evidence = await readFile(join(back.value.path, 'kept'), 'utf8').catch(() => '');
  if (evidence !== 'after') return err(failed(storage.driver, 'the rollback did not keep the failed state'));
  return ok({ snapshotMs, rollbackMs });
}

function failed(driver: DriverName, what: string): Refusal {
  return refusal('selftest_failed', `The self-test of the ${driver} storage failed: ${what}.`);
}
