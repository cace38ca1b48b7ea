import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { directoryStorage } from '../../../src/storage/directory/directory.ts';

test('a snapshot shares nothing with one that was destroyed behind its back, and is whole all the same', async () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hauki-stale-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [home, dataset] = [join(folder, 'home'), join(folder, 'site')];
  mkdirSync(home);
  mkdirSync(dataset);
  for (let file = 0; file < 10; file += 1) writeFileSync(join(dataset, `f${file}`), `content ${file}`);
  const storage = directoryStorage({ store: join(home, 'store'), home, reserve: () => 0 });
  const take = async (mutation: string): Promise<unknown> => {
    const properties = { mutation, intent: 'x', node: 'n', mode: 'standard', fence: 1 } as const;
    const taken = await storage.snapshot({
      mutation,
      snapshots: [{ dataset, name: `${dataset}@PRE_${mutation}` }],
      properties,
    });
    return taken.ok ? taken.value[0]?.name : taken.error;
  };
  await take('first');
  rmSync(join(home, 'store/snapshots/first'), { recursive: true });
  expect(await take('second')).toBe(`${dataset}@PRE_second`);
  const [snapshot] = await storage.list();
  expect(readdirSync(snapshot?.path ?? '').length).toBe(10);
});
