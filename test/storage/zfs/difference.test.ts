import { expect, test } from 'vitest';

import { journalOf } from '../../../src/storage/zfs/difference.ts';

test('each tree of a pool has a journal of its own, in which a crash may have left what is to be closed', () => {
  const journal = journalOf('/var/lib/hauki', 'tank/a@PRE_x', '/tank/a');
  expect(journal).toMatch(/^\/var\/lib\/hauki\/store\/zfs\/opened\/[0-9a-f]+$/);
  expect(journalOf('/var/lib/hauki', 'tank/a@PRE_y', '/tank/a')).toBe(journal);
  expect(journalOf('/var/lib/hauki', 'tank/b@PRE_x', '/tank/b')).not.toBe(journal);
  // Evidence of it; and another dataset, mounted where it was.
  expect(journalOf('/var/lib/hauki', 'tank/a@PRE_x', '/var/lib/hauki/store/zfs/m.1.d')).not.toBe(journal);
  expect(journalOf('/var/lib/hauki', 'tank/b@PRE_x', '/tank/a')).not.toBe(journal);
});
