import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  datasetOfSnapshot,
  evidenceName,
  SNAPSHOT_NAME_BYTES_MAX,
  snapshotName,
} from '../../../src/core/snapshot/name.ts';
import { Story, T0 } from '../story.ts';

const name = (dataset: string, node: string, intent: string, at = T0): string => {
  const named = snapshotName({ dataset, node, intent, at });
  return named.ok ? named.value : named.error.code;
};

test('says which dataset, who, what for and when', () => {
  expect(name('tank/meshfs/state/crm', 'hauki-crm', 'deploy x', T0 + 7)).toBe(
    'tank/meshfs/state/crm@PRE_hauki-crm_deploy_x_20260616_162456_007',
  );
});

test.each([
  ['spaces and slashes', 'bump the/schema', 'bump_the_schema'],
  ['an @, which would end the dataset', 'x@PRE_y', 'x_PRE_y'],
  ['a command', '$(reboot) `x`', '__reboot___x_'],
  ['newlines and quotes', 'a\n"b"', 'a__b_'],
  ['emoji and accents, one _ each', '🚀é☃', '___'],
  ['dots and dashes stay', 'v1.2-rc_3', 'v1.2-rc_3'],
])('of an intent with %s', (_, intent, slug) => {
  expect(name('/a', 'n', intent)).toBe(`/a@PRE_n_${slug}_20260616_162456_000`);
});

test('of a node with anything in it', () => {
  expect(name('/a', 'n@/ö', 'x')).toContain('@PRE_n____x_');
});

describe('at most 255 bytes, with room for the evidence', () => {
  test('the slug gives way', () => {
    const long = name('/srv/site', 'n', 'x'.repeat(512));
    expect(long).toHaveLength(250);
    expect(long).toMatch(/x_20260616_162456_000$/);
  });

  test('bytes are counted, not characters', () => {
    expect(new TextEncoder().encode(name('/ö'.repeat(60), 'n', 'x'.repeat(512)))).toHaveLength(250);
  });

  test('without room for one character of it, it is refused, saying how much fits', () => {
    const named = snapshotName({ dataset: `/${'a'.repeat(300)}`, node: 'n', intent: 'x', at: T0 });
    expect(named).toMatchObject({ ok: false, error: { code: 'name_too_long' } });
    const most = Number(/at most (\d+) bytes/.exec(named.ok ? '' : named.error.message)?.[1]);
    expect(name('a'.repeat(most), 'n', 'x')).not.toBe('name_too_long');
    expect(name('a'.repeat(most + 1), 'n', 'x')).toBe('name_too_long');
  });

  test('whatever goes in', () => {
    const input = {
      dataset: fc.string({ unit: 'grapheme', maxLength: 300 }),
      node: fc.string({ maxLength: 80 }),
      intent: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 520 }),
    };
    fc.assert(
      fc.property(
        fc.record(input),
        fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }),
        fc.integer({ min: 1, max: 999 }),
        (of, at, attempt) => {
          const named = snapshotName({ ...of, at });
          if (!named.ok) return;
          const evidence = evidenceName(named.value, attempt);
          expect(new TextEncoder().encode(evidence).length).toBeLessThanOrEqual(SNAPSHOT_NAME_BYTES_MAX);
          expect(named.value.slice(of.dataset.length)).toMatch(
            /^@PRE_[A-Za-z0-9_.-]*_[A-Za-z0-9_.-]+_\d{8}_\d{6}_\d{3}$/,
          );
          expect(datasetOfSnapshot(named.value)).toBe(of.dataset);
        },
      ),
    );
  });
});

test('evidence is paired with its snapshot, one for each attempt', () => {
  const snapshot = name('/a@PRE_odd', 'n', 'x');
  expect(evidenceName(snapshot, 1)).toBe('/a@PRE_odd@FAIL_n_x_20260616_162456_000');
  expect(evidenceName(snapshot, 2)).toBe('/a@PRE_odd@FAIL_n_x_20260616_162456_000_2');
});

test('no two are alike, however many there are in a millisecond and wherever the clock goes', () => {
  const story = new Story();
  for (let number = 0; number < 50; number += 1) {
    story.at += [0, 0, -5_000, 1, 86_400_000][number % 5] ?? 0;
    story.ask(['/a', '/b'], {}, `m${number}`).cleared(`m${number}`).commit(`m${number}`);
  }
  const names = story.events.flatMap((event) =>
    event.type === 'snapshot_started' ? event.snapshots.map((one) => one.name) : [],
  );
  expect(names).toHaveLength(100);
  expect(new Set(names).size).toBe(100);
});
