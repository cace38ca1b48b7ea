import { describe, expect, test } from 'vitest';

import { NAMED_MAX } from '../../../src/core/findings/reconciling.ts';
import { Story } from '../story.ts';

const FOUND = { type: 'reconcile', unknown: [] as string[], missing: [], fenceFloor: 0 } as const;
const GONE = { name: '/a@PRE_x', mutation: 'm' };

describe('what a start finds', () => {
  test('is recorded when there is something, once', () => {
    const story = new Story();
    expect(story.say(FOUND)).toBe('-');
    expect(story.say({ ...FOUND, unknown: ['/a@PRE_x'] })).toBe('reconciled');
    expect(story.say({ ...FOUND, unknown: ['/a@PRE_x'] })).toBe('-');
    expect(story.say({ ...FOUND, unknown: ['/a@PRE_x'], missing: [GONE] })).toBe('reconciled');
    expect(story.state.findings.missing).toEqual({ count: 1, snapshots: [GONE] });
  });

  test('is taken back when all is well again', () => {
    const story = new Story();
    story.tell({ ...FOUND, missing: [GONE] });
    expect(story.say(FOUND)).toBe('reconciled');
    expect(story.state.findings.missing.count).toBe(0);
  });

  test('is named up to a bound, and counted beyond', () => {
    const story = new Story();
    const unknown = Array.from({ length: 10_000 }, (_, index) => `/a@PRE_${index}`);
    story.tell({ ...FOUND, unknown });
    expect(story.state.findings.unknown).toEqual({ count: 10_000, names: unknown.slice(0, NAMED_MAX) });
    expect(story.say({ ...FOUND, unknown })).toBe('-');
    expect(story.say({ ...FOUND, unknown: unknown.slice(1) })).toBe('reconciled');
  });

  test('raises the fence when the ledger is behind what the storage remembers', () => {
    const story = new Story();
    expect(story.say({ ...FOUND, fenceFloor: 12 })).toBe('reconciled');
    expect(story.say({ ...FOUND, fenceFloor: 12 })).toBe('-');
    expect(story.ask(['/a']).get().fence).toBe(13);
  });
});

describe('a start with floors', () => {
  test('gives only tokens and names beyond them', () => {
    const story = new Story();
    const namedFloor = story.at + 5_000;
    story.tell({ type: 'start', version: '1', node: 'host', fenceFloor: 41, namedFloor });
    expect(story.ask(['/a']).get().fence).toBe(42);
    expect(story.state.counters.namedAt).toBe(namedFloor + 1);
  });

  test('says nothing of floors when there are none', () => {
    const { events } = new Story().tell({ type: 'start', version: '1', node: 'host' });
    expect(Object.keys(events[0] ?? {}).toSorted()).toEqual(['at', 'leases', 'mono', 'node', 'type', 'version']);
  });
});
