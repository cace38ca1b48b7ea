import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { DatasetName, DriverName } from '../core/dataset.ts';
import type { Snapshot } from '../core/snapshot/snapshot.ts';
import type { SnapshotRequest, Storage, StorageDriver } from '../ports/storage.ts';

/**
 * All backends of a host behind one face. Who a dataset belongs to is asked of each in the order given, the special ones before
 * those that take anything: btrfs before directory.
 */
export function storageRegistry(drivers: readonly StorageDriver[]): Storage {
  const locate: Storage['locate'] = async (target) => {
    for (const driver of drivers) {
      const located = await driver.locate(target);
      if (located !== undefined) return located;
    }
    return undefined;
  };

  /** Runs a call on the backend that has it. */
  function on<T>(
    name: DriverName,
    call: (driver: StorageDriver) => Promise<Result<T, Refusal>>,
  ): Promise<Result<T, Refusal>> {
    const driver = drivers.find((one) => one.driver === name);
    return driver === undefined ? Promise.resolve(err(noDriver(name))) : call(driver);
  }

  async function snapshot(request: SnapshotRequest): Promise<Result<readonly Snapshot[], Refusal>> {
    const owners = new Map<DatasetName, DriverName>();
    for (const { dataset, driver } of request.snapshots) {
      if (driver !== undefined) {
        owners.set(dataset, driver);
        continue;
      }
      const located = await locate(dataset);
      if (located === undefined)
        return err(refusal('dataset_unsupported', `No storage of this host knows ${dataset}.`));
      if (!located.ok) return located;
      owners.set(dataset, located.value.driver);
    }
    const taken = new Map<string, Snapshot>();
    for (const driver of new Set(owners.values())) {
      const snapshots = request.snapshots.filter(({ dataset }) => owners.get(dataset) === driver);
      const part = await on(driver, (one) => one.snapshot({ ...request, snapshots }));
      if (!part.ok) {
        // All or none: what the others have taken goes again. When that fails too, recovery discards the mutation.
        await discard(request.mutation, new Set(owners.values())).catch(() => undefined);
        return part;
      }
      for (const one of part.value) taken.set(one.name, one);
    }
    const named = new Set(request.snapshots.map(({ name }) => name));
    const inside = [...taken.values()].filter(({ name }) => !named.has(name));
    return ok([...request.snapshots.flatMap(({ name }) => taken.get(name) ?? []), ...inside]);
  }

  /** By each, whatever becomes of the others. */
  async function discard(mutation: string, owners?: ReadonlySet<DriverName>): Promise<Result<void, Refusal>> {
    let first: Result<void, Refusal> = ok(undefined);
    const thrown: unknown[] = [];
    for (const driver of drivers) {
      if (owners?.has(driver.driver) === false) continue;
      try {
        const done = await driver.discard(mutation);
        if (first.ok) first = done;
      } catch (error) {
        thrown.push(error);
      }
    }
    if (thrown.length > 0) throw thrown[0];
    return first;
  }

  /** Each driver's part; undefined when one of them cannot tell. */
  async function reclaimable(stored: Parameters<Storage['reclaimable']>[0]): Promise<number | undefined> {
    let sum = 0;
    for (const one of drivers) {
      const part = stored.filter(({ driver }) => driver === one.driver);
      const bytes = part.length === 0 ? 0 : await one.reclaimable(part);
      if (bytes === undefined) return undefined;
      sum += bytes;
    }
    return sum;
  }

  async function tend(...mutations: Parameters<Storage['tend']>): Promise<void> {
    const tended = await Promise.allSettled(drivers.map((driver) => driver.tend(...mutations)));
    const failed = tended.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  return {
    locate,
    snapshot,
    discard,
    plan: (of) => on(of.driver, (driver) => driver.plan(of)),
    rollback: (request) => on(request.snapshot.driver, (driver) => driver.rollback(request)),
    diff: (from, to) => on(from.driver, (driver) => driver.diff(from, to)),
    list: async () => (await Promise.all(drivers.map((driver) => driver.list()))).flat(),
    destroy: (stored) => on(stored.driver, (driver) => driver.destroy(stored)),
    reclaimable,
    tend,
    seal: async (dataset, sealed) => {
      const located = await locate(dataset);
      if (located === undefined) return err(refusal('dataset_missing', `No storage of this host knows ${dataset}.`));
      return located.ok ? on(located.value.driver, (driver) => driver.seal(dataset, sealed)) : located;
    },
    scratch: async () => {
      for (const driver of drivers) {
        const scratch = await driver.scratch();
        if (scratch !== undefined) return scratch;
      }
      return undefined;
    },
  };
}

function noDriver(name: DriverName): Refusal {
  return refusal('dataset_unsupported', `This controller has no ${name} storage, which the snapshot belongs to.`);
}
