import { describe, expect, test } from 'vitest';

import { explain, search } from '../../../src/doors/mcp/history.ts';
import type { DiffView, MutationView } from '../../../src/wire/http.ts';

/* What agents are told of the past, from pages of mutations, newest first. */

function mutation(id: string, more: Partial<MutationView> = {}): MutationView {
  return {
    mutation: id,
    node: 'crm',
    intent: `intent of ${id}`,
    datasets: [{ name: '/srv/site', driver: 'directory' }],
    mode: 'standard',
    stage: 'committed',
    requestedAt: '2026-06-16T16:24:56.000Z',
    endedAt: '2026-06-16T16:25:00.000Z',
    onExpiry: 'rollback',
    snapshots: [],
    evidence: [],
    pinned: false,
    ...more,
  };
}

/** A record that is paged as the controller's is. */
function record(mutations: readonly MutationView[], changed: Record<string, string[]> = {}) {
  const asked: string[] = [];
  return {
    asked,
    log: async ({ limit, before }: Readonly<Record<string, string>>) => {
      const from = before === undefined ? 0 : mutations.findIndex((one) => one.mutation === before) + 1;
      return { mutations: mutations.slice(from, from + Number(limit)) };
    },
    diff: async (id: string): Promise<DiffView> => {
      asked.push(id);
      const modified = changed[id];
      if (modified === undefined) throw new Error('its snapshot is gone');
      return { datasets: [{ dataset: '/srv/site', comparedWith: 'live', added: [], modified, removed: ['old'] }] };
    },
  };
}

const ids = (list: readonly { readonly mutation: string }[]): string[] => list.map(({ mutation }) => mutation);

describe('a search', () => {
  const elsewhere = mutation('elsewhere', { datasets: [{ name: '/srv/sitemap', driver: 'directory' }] });
  const pool = mutation('pool', { datasets: [{ name: 'tank/crm', driver: 'zfs', at: '/srv/site/crm' }] });
  const all = [mutation('c'), elsewhere, pool, mutation('a')];

  test.each([
    ['/srv/site', ['c', 'pool', 'a']],
    ['/srv/site/index.html', ['c', 'a']],
    ['/srv', ['c', 'elsewhere', 'pool', 'a']],
    ['tank/crm', ['pool']],
    ['tank', ['pool']],
    ['/srv/site/crm/file', ['c', 'pool', 'a']],
    ['/etc', []],
  ])('for %s finds what it is part of, and what is part of it', async (dataset, expected) => {
    expect(ids((await search(record(all), { dataset, limit: 10 })).mutations)).toEqual(expected);
  });

  test('goes through all pages, as far as its limit', async () => {
    const many = Array.from({ length: 450 }, (_, index) =>
      mutation(`m${index}`, { intent: index % 100 === 99 ? 'Rare' : 'x' }),
    );
    const found = await search(record(many), { text: 'rare', limit: 10 });
    expect([ids(found.mutations), found.all]).toEqual([['m99', 'm199', 'm299', 'm399'], true]);
    const some = await search(record(many), { text: 'rare', limit: 2 });
    expect([ids(some.mutations), some.all]).toEqual([['m99', 'm199'], false]);
    const long = Array.from({ length: 2_100 }, (_, index) => mutation(`m${index}`));
    expect((await search(record(long), { text: 'nowhere', limit: 2 })).all).toBe(false);
  });
});

describe('why a state is as it is', () => {
  test('a dataset: who changed it last, what is open, what was tried', async () => {
    const open = mutation('open', { stage: 'cleared' });
    const undone = mutation('undone', { stage: 'rolled_back' });
    const told = await explain(record([open, undone, mutation('last'), mutation('first')]), '/srv/site');
    expect([ids(told.open), ids(told.undone), ids(told.inForce)]).toEqual([['open'], ['undone'], ['last', 'first']]);
    expect(told.changedBy).toBeUndefined();
    expect(told.words).toContain(
      'last changed by crm at 2026-06-16T16:25:00.000Z, to "intent of last" (mutation last, committed)',
    );
    expect(told.words).toContain('1 open right now');
  });

  test('a file: the newest of those that changed it, and not those that did not or cannot tell', async () => {
    const story = record([mutation('d'), mutation('c'), mutation('b'), mutation('a')], {
      d: ['other', 'deep'],
      b: ['deep/index.html'],
      a: ['deep/index.html'],
    });
    const told = await explain(story, '/srv/site/deep/index.html');
    expect(told.changedBy).toEqual(['b', 'a']);
    expect(told.words).toContain('(mutation b, committed)');
    expect((await explain(story, '/srv/site/old/file')).changedBy).toEqual(['d', 'b', 'a']);
    expect((await explain(story, '/srv/site/deep')).changedBy).toEqual(['d', 'b', 'a']);
    expect((await explain(story, '/srv/site/never')).words).toContain('No committed mutation is known to have changed');
  });

  test('trees are compared for the newest few only', async () => {
    const story = record(Array.from({ length: 30 }, (_, index) => mutation(`m${index}`)));
    await explain(story, '/srv/site/file');
    expect(story.asked).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
  });

  test('nothing is known of what nobody changed', async () => {
    const told = await explain(record([]), '/etc/hosts');
    expect(told.words).toBe(
      'No committed mutation on record touched /etc/hosts. Changes made without hauki are on no record.',
    );
  });
});
