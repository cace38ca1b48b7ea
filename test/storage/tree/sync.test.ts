import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect, test } from 'vitest';

import { syncedAlong } from '../../../src/storage/tree/sync.ts';
import { syscalls } from '../../../src/storage/tree/syscalls.ts';

test('a disk that fails during long work fails it at its end, and not the process', async () => {
  const sys = { ...(await syscalls()), syncfs: () => Promise.reject(new Error('EIO: i/o error, syncfs')) };
  const unheard: unknown[] = [];
  const hear = (reason: unknown): void => void unheard.push(reason);
  process.on('unhandledRejection', hear);
  try {
    await expect(syncedAlong(tmpdir(), sys, () => sleep(400))).rejects.toThrow('EIO');
    expect(unheard).toEqual([]);
  } finally {
    process.off('unhandledRejection', hear);
  }
});
