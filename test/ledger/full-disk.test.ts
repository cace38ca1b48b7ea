import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { verify } from '../../src/ledger/audit.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/open.ts';
import { needs } from '../needs.ts';
import { smallDisk } from '../small-disk.ts';
import { sampleId, sampleMutation, Scribe } from './sample.ts';

const IMAGE_BYTES = 8 * 1024 * 1024;

// btrfs is probed by mounting a loop device, which is what this needs.
needs('btrfs').describe('on a full disk', () => {
  const disk = smallDisk(IMAGE_BYTES);

  test('an append is refused whole, and goes through when there is space again', { timeout: 60_000 }, async () => {
    const home = join(disk, 'home');
    const ledger = openSqliteLedger(home);
    const scribe = new Scribe(ledger);
    await scribe.request(sampleMutation(1));

    const ballast = join(disk, 'ballast');
    fill(ballast);
    let written = 1;
    let refused: unknown;
    // The file system has some slack left in blocks already given out; a batch this large uses it up.
    while (refused === undefined) {
      const batch = [1, 2, 3, 4, 5].map((n) => sampleMutation(written + n, { intent: 'x'.repeat(512) }));
      refused = await scribe.request(...batch).then(
        () => void (written += batch.length),
        (error: unknown) => error,
      );
    }
    expect(refused).toMatchObject({
      refusal: { code: 'ledger_unavailable', message: expect.stringContaining('full') as string },
    });
    expect((await ledger.head())?.seq).toBe(written);
    expect(await ledger.records(written, 10)).toEqual([]);
    expect(await ledger.find(sampleId(written + 1))).toBeUndefined();
    // Still full, still answering.
    const large = sampleMutation(written + 1, { node: 'n'.repeat(500_000) });
    await expect(scribe.request(large)).rejects.toThrow('ledger_unavailable');
    expect((await verify(home)).firstBroken).toBeUndefined();

    rmSync(ballast);
    await scribe.request(sampleMutation(written + 1));
    expect((await ledger.head())?.seq).toBe(written + 1);
    await ledger.close();

    const again = openSqliteLedger(home);
    expect(await again.load()).toEqual(scribe.state);
    expect(await verify(home)).toMatchObject({ ok: true, records: written + 1, notes: [] });
    await again.close();
  });

  test('opening a new ledger is refused, and works when there is space again', async () => {
    const home = join(disk, 'second');
    const ballast = join(disk, 'ballast');
    fill(ballast);
    expect(() => openSqliteLedger(home)).toThrow('ledger_unavailable');
    rmSync(ballast);
    const ledger = openSqliteLedger(home);
    await new Scribe(ledger).request(sampleMutation(1));
    await ledger.close();
    expect((await verify(home)).ok).toBe(true);
  });
});

/** Takes all the space there is. */
function fill(path: string): void {
  spawnSync('dd', ['if=/dev/zero', `of=${path}`, 'bs=4k', 'conv=fsync'], { stdio: 'ignore' });
}
