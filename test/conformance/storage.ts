import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Snapshot } from '../../src/core/snapshot/snapshot.ts';
import type { StorageDriver } from '../../src/ports/storage.ts';
import {
  type Field,
  freeze,
  freshMutation,
  type Ground,
  nameFor,
  properties,
  rollbackRequest,
  valueOf,
} from './storage-ground.ts';
import { undoConformance } from './storage-undo.ts';

/** Every sentence of the port (src/ports/storage.ts), for any backend. */
export function storageConformance(name: string, open: () => Ground | Promise<Ground>): void {
  describe(`${name} keeps the storage port`, () => {
    let ground: Ground;
    let storage: StorageDriver;
    beforeAll(async () => {
      ground = await open();
      storage = ground.storage;
    });
    afterAll(() => ground.close());

    function filled(): Field {
      const field = ground.field();
      field.write('a', 'first');
      field.write('sub/b', 'second');
      return field;
    }

    describe('locate', () => {
      test('knows its own dataset, and calls it by one name', async () => {
        const field = filled();
        expect(await storage.locate(field.name)).toMatchObject({
          ok: true,
          value: { name: field.name, driver: storage.driver },
        });
      });

      test('refuses what is not there, or leaves it to others', async () => {
        for (const target of ground.missing) {
          const located = await storage.locate(target);
          expect(located === undefined || (!located.ok && located.error.code.startsWith('dataset_'))).toBe(true);
        }
      });
    });

    describe('snapshot', () => {
      test('carries its name, its identity and its time', async () => {
        const field = filled();
        const mutation = freshMutation();
        const name = nameFor(field.name);
        const [snapshot] = valueOf(
          await storage.snapshot({
            mutation,
            snapshots: [{ dataset: field.name, name }],
            properties: properties(mutation),
          }),
        );
        expect(snapshot).toMatchObject({ dataset: field.name, driver: storage.driver, name });
        expect(snapshot?.guid).not.toBe('');
        expect(Math.abs((snapshot?.createdAt ?? 0) - Date.now())).toBeLessThan(60_000);
      });

      test('asked again for the same mutation, is the same, also after a restart', async () => {
        const field = filled();
        const mutation = freshMutation();
        const request = {
          mutation,
          snapshots: [{ dataset: field.name, name: nameFor(field.name) }],
          properties: properties(mutation),
        };
        const first = valueOf(await storage.snapshot(request));
        field.write('a', 'changed since');
        expect(valueOf(await storage.snapshot(request))).toEqual(first);
        expect(valueOf(await ground.reopen().snapshot(request))).toEqual(first);
        expect(valueOf(await storage.diff(first[0] as Snapshot, 'live'))).toEqual({
          added: [],
          modified: ['a'],
          removed: [],
        });
      });

      test('freezes several datasets, in the order asked for', async () => {
        const fields = [filled(), filled(), filled()];
        const mutation = freshMutation();
        const snapshots = fields.map((field) => ({ dataset: field.name, name: nameFor(field.name) }));
        const taken = valueOf(await storage.snapshot({ mutation, snapshots, properties: properties(mutation) }));
        expect(taken.map(({ name }) => name)).toEqual(snapshots.map(({ name }) => name));
      });

      test('freezes all of them, or none', async () => {
        const field = filled();
        const mutation = freshMutation();
        const gone = `${field.name}-gone`;
        const snapshots = [field.name, gone].map((dataset) => ({ dataset, name: nameFor(dataset) }));
        const refused = await storage.snapshot({ mutation, snapshots, properties: properties(mutation) });
        expect(refused.ok).toBe(false);
        expect((await storage.list()).filter((stored) => stored.mutation === mutation)).toEqual([]);
      });

      test('of an empty dataset is a snapshot like any other', async () => {
        const field = ground.field();
        const mutation = freshMutation();
        const snapshot = await freeze(storage, field.name, mutation);
        field.write('came', 'later');
        valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(field.paths()).toEqual([]);
      });

      test('can be taken of two datasets at the same time', async () => {
        const [one, two] = [filled(), filled()];
        const [first, second] = await Promise.all([freeze(storage, one.name), freeze(storage, two.name)]);
        expect([first.dataset, second.dataset]).toEqual([one.name, two.name]);
      });

      test('whose name is taken by another mutation does not replace it', async () => {
        const field = filled();
        const first = await freeze(storage, field.name);
        field.write('a', 'second state');
        const second = await freeze(storage, field.name);
        field.write('a', 'third state');
        expect(valueOf(await storage.diff(first, second))).toEqual({ added: [], modified: ['a'], removed: [] });
        expect(second.guid).not.toBe(first.guid);
      });
    });

    describe('discard', () => {
      test('leaves nothing of a mutation that was never cleared', async () => {
        const field = filled();
        const mutation = freshMutation();
        const snapshot = await freeze(storage, field.name, mutation);
        valueOf(await storage.discard(mutation));
        expect((await storage.list()).filter((stored) => stored.mutation === mutation)).toEqual([]);
        expect(await storage.diff(snapshot, 'live')).toMatchObject({ ok: false, error: { code: 'snapshot_gone' } });
      });

      test('of nothing is fine, and touches nothing of others', async () => {
        const field = filled();
        const mutation = freshMutation();
        await freeze(storage, field.name, mutation);
        valueOf(await storage.discard(freshMutation()));
        expect((await storage.list()).filter((stored) => stored.mutation === mutation)).toHaveLength(1);
      });

      test('can be followed by a new snapshot for the same mutation', async () => {
        const field = filled();
        const mutation = freshMutation();
        await freeze(storage, field.name, mutation);
        valueOf(await storage.discard(mutation));
        field.write('a', 'later state');
        const snapshot = await freeze(storage, field.name, mutation);
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({ added: [], modified: [], removed: [] });
      });
    });

    describe('diff', () => {
      test('is empty when nothing changed', async () => {
        const field = filled();
        const snapshot = await freeze(storage, field.name);
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({ added: [], modified: [], removed: [] });
      });

      test('names what was added, modified and removed, sorted', async () => {
        const field = filled();
        field.write('sub/c', 'third');
        const snapshot = await freeze(storage, field.name);
        field.write('z', 'new');
        field.write('sub/n', 'new');
        field.write('a', 'changed');
        field.remove('sub/b');
        field.remove('sub/c');
        expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({
          added: ['sub/n', 'z'],
          modified: ['a'],
          removed: ['sub/b', 'sub/c'],
        });
      });

      test('sees a change of content that leaves the size alone, made at once', async () => {
        const field = filled();
        const snapshot = await freeze(storage, field.name);
        field.write('a', 'tsrif');
        expect(valueOf(await storage.diff(snapshot, 'live'))).toMatchObject({ modified: ['a'] });
      });

      test('compares with the evidence of a rollback', async () => {
        const field = filled();
        const mutation = freshMutation();
        const snapshot = await freeze(storage, field.name, mutation);
        field.write('a', 'failed');
        field.remove('sub/b');
        const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
        expect(valueOf(await storage.diff(snapshot, evidence))).toEqual({
          added: [],
          modified: ['a'],
          removed: ['sub/b'],
        });
      });
    });

    describe('plan', () => {
      test('says what a rollback would change, and changes nothing', async () => {
        const field = filled();
        const snapshot = await freeze(storage, field.name);
        field.write('new', 'thing');
        const plan = valueOf(await storage.plan(snapshot));
        expect(plan).toMatchObject({ dataset: field.name, snapshot: snapshot.name, blockers: [] });
        expect(plan.changes).toEqual({ added: ['new'], modified: [], removed: [] });
        expect(plan.steps.length).toBeGreaterThan(0);
        expect(field.read('new')).toBe('thing');
      });

      test('of a snapshot that is gone is refused', async () => {
        const field = filled();
        const mutation = freshMutation();
        const snapshot = await freeze(storage, field.name, mutation);
        valueOf(
          await storage.destroy({
            kind: 'snapshot',
            driver: storage.driver,
            name: snapshot.name,
            mutation,
            dataset: field.name,
          }),
        );
        expect(await storage.plan(snapshot)).toMatchObject({ ok: false, error: { code: 'snapshot_gone' } });
      });
    });

    undoConformance({ ground: () => ground, filled });
  });
}
