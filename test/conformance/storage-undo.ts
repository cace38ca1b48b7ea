import { beforeAll, describe, expect, test } from 'vitest';

import { evidenceName } from '../../src/core/snapshot/name.ts';
import type { StorageDriver } from '../../src/ports/storage.ts';
import {
  clearedWith,
  type Field,
  freeze,
  freshMutation,
  type Ground,
  nameFor,
  properties,
  rollbackRequest,
  valueOf,
} from './storage-ground.ts';

/** The second half of the port: what becomes of a snapshot. A part of storage.ts. */
export function undoConformance(the: { ground(): Ground; filled(): Field }): void {
  let ground: Ground;
  let storage: StorageDriver;
  beforeAll(() => {
    ground = the.ground();
    storage = ground.storage;
  });
  const filled = () => the.filled();

  describe('rollback', () => {
    test('puts everything back, keeps the failed state, and the snapshot stays', async () => {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      field.write('new/deep/file', 'failed');
      field.remove('sub/b');
      const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      expect(field.paths().map((path) => [path, field.read(path)])).toEqual([
        ['a', 'first'],
        ['sub/b', 'second'],
      ]);
      expect(evidence).toMatchObject({
        dataset: field.name,
        driver: storage.driver,
        name: evidenceName(snapshot.name, 1),
      });
      const stored = (await storage.list()).filter((one) => one.mutation === mutation);
      expect(stored.map(({ kind }) => kind).toSorted()).toEqual(['evidence', 'snapshot']);
      expect(valueOf(await storage.diff(snapshot, 'live'))).toEqual({ added: [], modified: [], removed: [] });
    });

    test('called again after a crash takes no second evidence, and does the job', async () => {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      const request = rollbackRequest(snapshot, mutation);
      const first = valueOf(await storage.rollback(request));
      // What a half-done restore looks like, as far as a second call can know.
      field.write('a', 'half way');
      const second = valueOf(await ground.reopen().rollback(request));
      expect(second).toEqual(first);
      expect(field.read('a')).toBe('first');
      const stored = (await ground.reopen().list()).filter(
        (one) => one.mutation === mutation && one.kind === 'evidence',
      );
      expect(stored).toHaveLength(1);
      expect(valueOf(await storage.diff(snapshot, first))).toMatchObject({ modified: ['a'] });
    });

    test('begun anew by a person keeps evidence of its own', async () => {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      const first = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      field.write('sub/b', 'failed again');
      const second = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation, 2)));
      expect(second.name).not.toBe(first.name);
      expect(valueOf(await storage.diff(snapshot, second))).toMatchObject({ modified: ['sub/b'] });
      expect(field.read('sub/b')).toBe('second');
    });

    test('after the restore of everything, a snapshot of it all can be rolled back to again', async () => {
      const field = filled();
      const [one, two] = [freshMutation(), freshMutation()];
      const first = await freeze(storage, field.name, one);
      field.write('a', 'second state');
      const second = await freeze(storage, field.name, two);
      field.write('a', 'third state');
      valueOf(await storage.rollback(rollbackRequest(second, two)));
      expect(field.read('a')).toBe('second state');
      valueOf(await storage.rollback(rollbackRequest(first, one)));
      expect(field.read('a')).toBe('first');
    });

    test('to a snapshot that is gone is refused, and changes nothing', async () => {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      valueOf(await storage.discard(mutation));
      field.write('a', 'still here');
      expect(await storage.rollback(rollbackRequest(snapshot, mutation))).toMatchObject({
        ok: false,
        error: { code: 'snapshot_gone' },
      });
      expect(field.read('a')).toBe('still here');
    });

    test('leaves a neighbour dataset alone', async () => {
      const [field, neighbour] = [filled(), filled()];
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      neighbour.write('a', 'its own affair');
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      expect(neighbour.read('a')).toBe('its own affair');
    });
  });

  describe('list and destroy', () => {
    test('the storage alone tells the story', async () => {
      const field = filled();
      const mutation = freshMutation();
      const intent = 'quote "this", $(that), ünïcode 🦉 and\na new line';
      const name = nameFor(field.name, intent);
      valueOf(
        await storage.snapshot({
          mutation,
          snapshots: [{ dataset: field.name, name }],
          properties: properties(mutation, intent),
        }),
      );
      const stored = (await ground.reopen().list()).find((one) => one.mutation === mutation);
      expect(stored).toMatchObject({
        kind: 'snapshot',
        driver: storage.driver,
        dataset: field.name,
        name,
        mutation,
        node: 'tester',
        intent,
      });
      expect(stored?.createdAt).toBeGreaterThan(0);
    });

    test('destroys the one that is named, twice if need be', async () => {
      const field = filled();
      const [one, two] = [freshMutation(), freshMutation()];
      const first = await freeze(storage, field.name, one);
      const second = await freeze(storage, field.name, two);
      const target = {
        kind: 'snapshot',
        driver: storage.driver,
        name: first.name,
        mutation: one,
        dataset: field.name,
      } as const;
      valueOf(await storage.destroy(target));
      valueOf(await storage.destroy(target));
      const names = (await ground.reopen().list()).map(({ name }) => name);
      expect(names).not.toContain(first.name);
      expect(names).toContain(second.name);
      field.write('a', 'failed');
      valueOf(await storage.rollback(rollbackRequest(second, two)));
      expect(field.read('a')).toBe('first');
    });

    test('destroys evidence, and leaves the snapshot', async () => {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      const evidence = valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      valueOf(
        await storage.destroy({
          kind: 'evidence',
          driver: storage.driver,
          name: evidence.name,
          mutation,
          dataset: field.name,
        }),
      );
      const stored = (await storage.list()).filter((one) => one.mutation === mutation);
      expect(stored.map(({ kind }) => kind)).toEqual(['snapshot']);
    });
  });

  test('a rollback that begins while the storage is told of its mutation as open keeps its failed state', async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      const field = filled();
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      field.write('a', 'failed');
      const told = storage.tend([clearedWith(snapshot, mutation)], []);
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      await told;
      expect(field.read('a')).toBe('first');
      const kinds = (await storage.list()).filter((one) => one.mutation === mutation).map(({ kind }) => kind);
      expect(kinds.toSorted()).toEqual(['evidence', 'snapshot']);
    }
  });

  describe('seal', () => {
    test('keeps everybody from writing until it is lifted, or says that it cannot', async () => {
      const field = filled();
      const first = await storage.seal(field.name, true);
      const second = await storage.seal(field.name, true);
      const outcome = [first, second].map((sealed) => (sealed.ok ? 'sealed' : sealed.error.code));
      const expected = ground.seals ? 'sealed' : 'seal_unsupported';
      expect([...outcome, couldWrite(field)]).toEqual([expected, expected, !ground.seals]);
      valueOf(await storage.seal(field.name, false));
      valueOf(await storage.seal(field.name, false));
      expect(couldWrite(field)).toBe(true);
    });

    test('does not stand in the way of a snapshot', async () => {
      const field = filled();
      await storage.seal(field.name, true);
      const mutation = freshMutation();
      const snapshot = await freeze(storage, field.name, mutation);
      valueOf(await storage.seal(field.name, false));
      field.write('a', 'failed');
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      expect(field.read('a')).toBe('first');
    });
  });

  describe('scratch and inspect', () => {
    test('a scratch dataset can be located, used and removed with all that came of it', async () => {
      const scratch = await storage.scratch();
      if (scratch === undefined) return;
      expect(await storage.locate(scratch.dataset.name)).toEqual({ ok: true, value: scratch.dataset });
      const mutation = freshMutation();
      const snapshot = await freeze(storage, scratch.dataset.name, mutation);
      valueOf(await storage.rollback(rollbackRequest(snapshot, mutation)));
      await scratch.remove();
      expect((await storage.list()).filter((one) => one.dataset === scratch.dataset.name)).toEqual([]);
    });

    test('says what it can do here', async () => {
      const inspection = await storage.inspect();
      expect(inspection).toMatchObject({ driver: storage.driver, available: true });
      expect(inspection.can.length).toBeGreaterThan(0);
      for (const { what, fix } of inspection.limits) expect([what, fix]).not.toContain('');
    });
  });
}

function couldWrite(field: Field): boolean {
  try {
    field.write('written', 'x');
    return true;
  } catch {
    return false;
  }
}
