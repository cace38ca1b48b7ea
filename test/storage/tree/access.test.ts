import { chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test, vi } from 'vitest';

import { openTree } from '../../../src/storage/tree/access.ts';
import { temporaryFolder } from '../real/ground.ts';

const NOBODY = 65_534;

test('closed a second time, leaves the journal to whoever came in between', async () => {
  const ground = temporaryFolder();
  onTestFinished(ground.remove);
  const [data, journal] = [join(ground.path, 'data'), join(ground.path, 'journal')];
  mkdirSync(data);
  writeFileSync(join(data, 'closed'), 'secret', { mode: 0o000 });
  if (process.geteuid?.() === 0) {
    // Only an ordinary user opens anything.
    chownSync(join(data, 'closed'), NOBODY, NOBODY);
    const user = vi.spyOn(process, 'geteuid').mockReturnValue(NOBODY);
    onTestFinished(() => user.mockRestore());
  }
  const first = await openTree(data, journal);
  expect((await first.close()).size).toBe(1);
  const second = await openTree(data, journal);
  expect((await first.close()).size).toBe(0);
  expect(existsSync(journal)).toBe(true);
  await second.close();
  expect(existsSync(journal)).toBe(false);
});
