import { describe, expect, test } from 'vitest';

import { faultIn } from '../../../src/core/snapshot/read-back.ts';
import type { Snapshot } from '../../../src/core/snapshot/snapshot.ts';
import { standing, Story } from '../story.ts';

const ZFS = {
  datasets: [
    { name: 'tank/a', driver: 'zfs' },
    { name: 'tank/b', driver: 'zfs' },
  ],
  recursive: true,
} as const;

/** A recursive mutation of tank/a and tank/b, and what the storage answers: those two, all in transaction 7. */
function asked(more: Partial<typeof ZFS> | { recursive?: never } = {}): { story: Story; named: Snapshot[] } {
  const story = new Story().ask([], { ...ZFS, ...more });
  return { story, named: story.frozen().map((one) => ({ ...one, txg: '7' })) };
}

function inside(dataset: string, more: Partial<Snapshot> = {}): Snapshot {
  return { dataset, driver: 'zfs', name: `${dataset}@PRE_x`, guid: 'g', txg: '7', ...more };
}

describe('snapshots that were read back', () => {
  test.each([
    ['those named', [], 'none'],
    ['with some inside', [inside('tank/a/x'), inside('tank/b/y/z')], 'none'],
    ['one inside was not read back', [inside('tank/a/x', { guid: '' })], 'tank/a/x@PRE_x'],
    ['one lies elsewhere', [inside('tank/c')], 'tank/c@PRE_x'],
    ['one is of another moment', [inside('tank/a/x', { txg: '8' })], 'not of the same moment'],
  ])('%s', (_, more, fault) => {
    const { story, named } = asked();
    expect(faultIn(story.get(), [...named, ...more]) ?? 'none').toContain(fault);
  });

  test('those named are of one moment too, pool by pool', () => {
    const { story, named } = asked();
    const [first, second] = named;
    if (first === undefined || second === undefined) throw new Error('two were named');
    expect(faultIn(story.get(), [first, { ...second, txg: '8' }])).toContain('not of the same moment');
    const datasets = [
      { name: 'tank/a', driver: 'zfs' },
      { name: 'pool/b', driver: 'zfs' },
    ] as const;
    const other = new Story().ask([], { datasets, recursive: true });
    expect(
      faultIn(
        other.get(),
        other.frozen().map((one, index) => ({ ...one, txg: String(index) })),
      ),
    ).toBeUndefined();
  });

  test('nobody asked for those inside', () => {
    const story = standing('snapshotting');
    expect(faultIn(story.get(), [...story.frozen(), inside('/srv/site/x')])).toContain('did not ask');
    // Without --recursive each dataset has a snapshot of its own moment.
    const plain = new Story().ask([], { datasets: ZFS.datasets });
    expect(
      faultIn(
        plain.get(),
        plain.frozen().map((one, index) => ({ ...one, txg: String(index) })),
      ),
    ).toBeUndefined();
  });

  test('what is not of one moment is withdrawn, and nothing is granted', () => {
    const { story, named } = asked();
    const value = [...named, inside('tank/a/x', { txg: '8' })];
    expect(story.say({ type: 'snapshot_answered', mutation: 'm', answer: { kind: 'done', value } })).toBe(
      'withdraw_started',
    );
    expect(story.get().reason?.code).toBe('snapshot_failed');
  });

  test('all of them are the mutation’s own, so all of them go back', () => {
    const { story, named } = asked();
    const value = [...named, inside('tank/a/x')];
    story.tell({ type: 'snapshot_answered', mutation: 'm', answer: { kind: 'done', value } });
    expect(story.get().snapshots).toEqual(value);
  });
});

test.each(['directory', 'btrfs'] as const)('recursion is refused where it cannot be of one moment: %s', (driver) => {
  const story = new Story().ask([], { datasets: [{ name: '/srv/site', driver }], recursive: true });
  expect(story.get().reason?.code).toBe('dataset_unsupported');
});
