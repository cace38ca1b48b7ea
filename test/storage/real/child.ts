import { writeSync } from 'node:fs';

import type { RollbackRequest, SnapshotRequest, StorageDriver } from '../../../src/ports/storage.ts';
import { btrfsStorage } from '../../../src/storage/btrfs/btrfs.ts';
import { directoryStorage } from '../../../src/storage/directory/directory.ts';
import { zfsStorage } from '../../../src/storage/zfs/zfs.ts';

/** What the child of a test is told to do, as JSON in its first argument. */
export interface Order {
  readonly driver: 'directory' | 'btrfs' | 'zfs';
  readonly home: string;
  readonly reserve?: number;
  readonly call:
    | { readonly kind: 'snapshot'; readonly request: SnapshotRequest }
    | { readonly kind: 'rollback'; readonly request: RollbackRequest }
    | { readonly kind: 'diff'; readonly request: RollbackRequest }
    | { readonly kind: 'destroy'; readonly request: RollbackRequest }
    | { readonly kind: 'inspect' };
}

const order = JSON.parse(process.argv[2] ?? '') as Order;
const { home, reserve } = order;
const room = reserve === undefined ? {} : { reserve: () => reserve };
const storage = {
  zfs: () => zfsStorage({ home }),
  btrfs: () => btrfsStorage({ home, ...room }),
  directory: () => directoryStorage({ home, store: `${home}/store`, ...room }),
}[order.driver]();

/** One call on a real backend in a process of its own: one that can be killed, or belong to another user. */
async function answer(storage: StorageDriver): Promise<unknown> {
  const { call } = order;
  switch (call.kind) {
    case 'snapshot':
      return storage.snapshot(call.request);
    case 'rollback':
      return storage.rollback(call.request);
    case 'diff':
      return storage.diff(call.request.snapshot, 'live');
    case 'destroy': {
      const { name, dataset } = call.request.snapshot;
      return storage.destroy({
        kind: 'snapshot',
        driver: storage.driver,
        name,
        dataset,
        mutation: call.request.properties.mutation,
      });
    }
    case 'inspect':
      return storage.inspect();
  }
}

writeSync(1, 'begin\n');
writeSync(1, `${JSON.stringify(await answer(storage))}\n`);
