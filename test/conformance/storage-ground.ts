import { randomUUID } from 'node:crypto';

import type { Refusal } from '../../src/base/refusal.ts';
import type { Result } from '../../src/base/result.ts';
import { evidenceName, snapshotName } from '../../src/core/snapshot/name.ts';
import type { Mutation } from '../../src/core/mutation/mutation.ts';
import type { Snapshot } from '../../src/core/snapshot/snapshot.ts';
import type { RollbackRequest, SnapshotProperties, StorageDriver } from '../../src/ports/storage.ts';
import type { Order } from '../storage/real/child.ts';

/** A dataset to try things on, reached the way its users reach it. */
export interface Field {
  readonly name: string;
  write(path: string, content: string): void;
  read(path: string): string | undefined;
  remove(path: string): void;
  paths(): string[];
}

/** A backend and the ground it stands on. */
export interface Ground {
  readonly storage: StorageDriver;
  /** The same store, as a controller finds it after a restart. */
  reopen(): StorageDriver;
  /** A fresh, empty dataset. */
  field(): Field;
  /** Names of datasets that are not there, and of things that are no datasets. */
  readonly missing: readonly string[];
  /** True when `seal` is enforced. */
  readonly seals: boolean;
  close(): void | Promise<void>;
}

/** A backend that keeps real files. */
export interface RealGround {
  open(): StorageDriver;
  /** How a child process opens the same. */
  readonly order: Pick<Order, 'driver' | 'home'>;
  /** A fresh, empty dataset. */
  folder(): string;
  /** The dataset that a folder is. */
  nameOf(folder: string): string;
  /** A place on the same machine that is no part of any dataset. */
  readonly outside: string;
  close(): void;
}

let counter = 0;

export function properties(mutation: string, intent = 'try it'): SnapshotProperties {
  return { mutation, intent, node: 'tester', mode: 'standard', fence: 7 };
}

export function freshMutation(): string {
  return randomUUID();
}

export function valueOf<T>(result: Result<T, Refusal>): T {
  if (!result.ok)
    throw new Error(`${result.error.code}: ${result.error.message} ${JSON.stringify(result.error.evidence ?? {})}`);
  return result.value;
}

export function nameFor(dataset: string, intent = 'try it'): string {
  return valueOf(snapshotName({ dataset, node: 'tester', intent, at: Date.now() + ++counter }));
}

/** Takes one snapshot of one dataset. */
export async function freeze(storage: StorageDriver, dataset: string, mutation = freshMutation()): Promise<Snapshot> {
  const request = { mutation, snapshots: [{ dataset, name: nameFor(dataset) }], properties: properties(mutation) };
  const [snapshot] = valueOf(await storage.snapshot(request));
  if (snapshot === undefined) throw new Error('no snapshot came back');
  return snapshot;
}

/** The mutation that took a snapshot, as the storage is told of it while it is open. */
export function clearedWith(snapshot: Snapshot, id: string): Mutation {
  const { intent, node, mode, fence } = properties(id);
  return {
    id,
    intent,
    node,
    mode,
    fence,
    stage: 'cleared',
    snapshots: [snapshot],
    datasets: [{ name: snapshot.dataset, driver: snapshot.driver }],
    ttlMs: 60_000,
    waitMs: 0,
    onExpiry: 'rollback',
    attached: false,
    requestedAt: 1,
    clearedAt: 1,
    waitUntilMono: 0,
    attempt: 0,
    evidence: [],
    pinned: false,
  };
}

export function rollbackRequest(snapshot: Snapshot, mutation: string, attempt = 1): RollbackRequest {
  return { snapshot, properties: properties(mutation), evidenceName: evidenceName(snapshot.name, attempt), attempt };
}
