import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import type { Event, EventBody } from '../../../src/core/event.ts';
import type { MutationRequest } from '../../../src/core/mutation/mutation.ts';
import type { Snapshot } from '../../../src/core/snapshot/snapshot.ts';
import { LINE_BYTES_MAX, linesFor } from '../../../src/wire/irc/events.ts';
import { bytesOf } from '../../../src/wire/irc/text.ts';
import { wildText } from './wild.ts';

const ID = '019aa000-0000-7000-8000-000000000001';
const SNAPSHOT = 'tank/meshfs/state/crm@PRE_hauki-crm_deploy_x_surgeon_patch_20260616_162456_123';

function event(body: EventBody): Event {
  return { at: 0, mono: 0, ...body };
}

function snapshot(name: string, driver: Snapshot['driver'] = 'zfs'): Snapshot {
  return { name, driver, dataset: name.split('@')[0] ?? '', guid: '1' };
}

function request(intent: string, node = 'crm'): MutationRequest {
  return {
    node,
    intent,
    datasets: [{ name: 'tank/crm', driver: 'zfs' }],
    mode: 'standard',
    ttlMs: 1,
    waitMs: 1,
    onExpiry: 'rollback',
    attached: false,
  };
}

const about = { node: 'hauki-crm', intent: 'deploy x-surgeon patch' };

describe('an event in words', () => {
  test('says it as the mission does', () => {
    const cleared = event({ type: 'cleared', mutation: ID, snapshots: [snapshot(SNAPSHOT)], expiresAt: 0 });
    expect(linesFor(cleared, about)).toEqual([
      `Lock secured. ZFS Snapshot '${SNAPSHOT}' captured for 'hauki-crm'. [${ID}]`,
    ]);
  });

  test('tells of tasks in the words their watchers wait for, beside what it says anyway', () => {
    const task = { ...about, task: 'third_strike.task' };
    const cleared = (driver: Snapshot['driver']): Event =>
      event({ type: 'cleared', mutation: ID, snapshots: [snapshot('a@PRE_b', driver)], expiresAt: 0 });
    expect(linesFor(cleared('zfs'), task)).toEqual([
      `Lock secured. ZFS Snapshot 'a@PRE_b' captured for 'hauki-crm'. [${ID}]`,
      `ZFS Lock secured. Executing code surgery: third_strike.task [${ID}]`,
    ]);
    expect(linesFor(cleared('directory'), task)[1]).toMatch(
      /^Directory Lock secured\. Executing code surgery: third_strike/,
    );
    const last = (body: EventBody): string | undefined => linesFor(event(body), task).at(-1);
    expect(last({ type: 'committed', mutation: ID, by: 'holder' })).toBe(
      `Surgery third_strike.task COMPLETED flawlessly. [${ID}]`,
    );
    expect(last({ type: 'rolled_back', mutation: ID, evidence: [] })).toBe(
      `Surgery third_strike.task FAILED and was undone. [${ID}]`,
    );
    expect(last({ type: 'denied', mutation: ID, reason: refusal('low_space', 'x') })).toBe(
      `Surgery third_strike.task was not begun. [${ID}]`,
    );
    expect(linesFor(event({ type: 'renewed', mutation: ID, expiresAt: 0 }), task)).toHaveLength(1);
  });

  test('names who asks, why, and what came of it', () => {
    expect(linesFor(event({ type: 'requested', mutation: ID, request: request('bump the schema') }))).toEqual([
      `'crm' "bump the schema" asks leave to mutate 'tank/crm'. [${ID}]`,
    ]);
    const reason = refusal('low_space', 'Only 3 MiB are free.');
    expect(linesFor(event({ type: 'denied', mutation: ID, reason }), about)).toEqual([
      `DENIED 'hauki-crm': Only 3 MiB are free. (low_space) [${ID}]`,
    ]);
    expect(linesFor(event({ type: 'committed', mutation: ID, by: 'holder' }), about)).toEqual([
      `Committed: 'hauki-crm' "deploy x-surgeon patch". Lock released. [${ID}]`,
    ]);
    expect(linesFor(event({ type: 'quarantined', mutation: ID, reason }))[0]).toContain('nobody knows any more');
  });

  test('names three of many snapshots', () => {
    const snapshots = Array.from({ length: 64 }, (_, index) => snapshot(`/srv/${index}@PRE_x`, 'btrfs'));
    const [line] = linesFor(event({ type: 'cleared', mutation: ID, snapshots, expiresAt: 0 }), about);
    expect(line).toContain("btrfs Snapshots '/srv/0@PRE_x', '/srv/1@PRE_x', '/srv/2@PRE_x' and 61 more captured");
  });

  test.each(['a\r\nQUIT :bye', 'a\nb', '\u0001VERSION\u0001', '\u000304red\u000f', '\0', 'a\u2028b', '\u202eabc'])(
    'shows what would do something: %j',
    (intent) => {
      const lines = linesFor(event({ type: 'requested', mutation: ID, request: request(intent) }));
      expect(lines).toHaveLength(1);
      // eslint-disable-next-line no-control-regex -- they are what it is about
      expect(lines[0]).not.toMatch(/[\u0000-\u001f\u007f\u2028\u202e]/);
      expect(lines[0]).toMatch(/\\(n|u[0-9a-f]{4})/);
    },
  );

  test('fits into lines, whatever an intent and names are', () => {
    const wild = wildText(512);
    fc.assert(
      fc.property(wild, wild, wild, (intent, node, name) => {
        const all = [
          event({ type: 'requested', mutation: ID, request: request(intent, node) }),
          event({ type: 'cleared', mutation: ID, snapshots: [snapshot(name)], expiresAt: 0 }),
          event({ type: 'rolled_back', mutation: ID, evidence: [{ dataset: name, driver: 'zfs', name, path: name }] }),
          event({ type: 'denied', mutation: ID, reason: refusal('internal', name) }),
        ];
        for (const line of all.flatMap((one) => linesFor(one, { node, intent }))) {
          expect(bytesOf(line)).toBeLessThanOrEqual(LINE_BYTES_MAX);
          // eslint-disable-next-line no-control-regex -- they are what it is about
          expect(line).not.toMatch(/[\u0000-\u001f]/);
        }
      }),
    );
  });
});
