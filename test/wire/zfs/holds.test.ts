import { describe, expect, test } from 'vitest';

import { readHolds } from '../../../src/wire/zfs/holds.ts';

// Printed by OpenZFS 2.1.11.
describe('holds', () => {
  test('are rows of snapshot, tag and date', () => {
    const text =
      'tank/parse/f@r\twith blank\tTue Nov 24 08:19 2026\ntank/parse/f@r\thauki:m1\tTue Nov 24 08:19 2026\n' +
      'tank/parse/f@p\ta\ttab\tTue Nov 24 08:19 2026\n';
    const since = 'Tue Nov 24 08:19 2026';
    expect(readHolds(text)).toEqual([
      { snapshot: 'tank/parse/f@r', tag: 'with blank', since },
      { snapshot: 'tank/parse/f@r', tag: 'hauki:m1', since },
      { snapshot: 'tank/parse/f@p', tag: 'a\ttab', since },
    ]);
    expect(readHolds('')).toEqual([]);
  });

  test.each(['tank/parse/f\tt\tx\n', 'tank/parse/x@a\tnew\nline\tTue Nov 24 08:33 2026\n'])('refuses %j', (text) =>
    expect(() => readHolds(text)).toThrow(TypeError),
  );
});
