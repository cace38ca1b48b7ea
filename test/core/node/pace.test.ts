import { describe, expect, test } from 'vitest';

import { askedLately, count, type Pace } from '../../../src/core/node/pace.ts';
import { asking, Story, T0 } from '../story.ts';

/** T0 lies 56 s into its minute. */
const MINUTE = T0 - 56_000;

describe('how often a node asked', () => {
  test('counts this minute whole and the one before in part', () => {
    const paces = new Map<string, Pace>();
    for (let asked = 0; asked < 6; asked += 1) count(paces, 'crm', MINUTE, 1);
    expect(askedLately(paces.get('crm'), MINUTE + 59_000)).toBe(6);
    expect(askedLately(paces.get('crm'), MINUTE + 90_000)).toBe(3);
    expect(askedLately(paces.get('crm'), MINUTE + 120_000)).toBe(0);
    expect(askedLately(undefined, MINUTE)).toBe(0);
  });

  test('remembers only who asked in the last two minutes', () => {
    const paces = new Map<string, Pace>();
    for (let index = 0; index < 1_000; index += 1) count(paces, `n${index}`, MINUTE, 1);
    count(paces, 'n0', MINUTE + 60_000, 1);
    expect(paces.size).toBe(1_000);
    count(paces, 'n0', MINUTE + 120_000, 1);
    expect([...paces.keys()]).toEqual(['n0']);
  });
});

describe('a rate', () => {
  const ask = (story: Story, id: string, node = 'crm'): string | undefined => {
    story.tell({ type: 'request', mutation: id, request: asking([`/${id}`], { node }) });
    return story.get(id).reason?.code;
  };

  test('lets through so many a minute, denies the others on record, and lets in again when time has passed', () => {
    const story = new Story({ nodes: { crm: { rate: 2 } } });
    expect([ask(story, 'a'), ask(story, 'b'), ask(story, 'c')]).toEqual([undefined, undefined, 'rate_limited']);
    for (let more = 0; more < 50; more += 1) ask(story, `more${more}`);
    expect(ask(story.pass(30_000), 'd')).toBe('rate_limited');
    expect(ask(story.pass(35_000), 'e')).toBeUndefined();
  });

  test('is each node’s own', () => {
    const story = new Story({ nodes: { crm: { rate: 1 } } });
    expect([ask(story, 'a'), ask(story, 'b'), ask(story, 'c', 'shop')]).toEqual([undefined, 'rate_limited', undefined]);
  });
});

describe('what a node got when it joined and what the configuration says of it', () => {
  const of = (member: object, configured: object | undefined, more: object): string => {
    const story = new Story(configured === undefined ? {} : { nodes: { crm: configured } });
    story.tell({ type: 'invite', node: 'crm', digest: 'd', expiresAt: T0 + 1, policy: member });
    const key = { fingerprint: 'k', publicKey: 'p', expiresAt: T0 + 86_400_000 };
    story.tell({ type: 'join', node: 'crm', digest: 'd', ...key });
    story.tell({ type: 'request', mutation: 'm', request: asking(['/srv/crm/db'], { node: 'crm', ...more }) });
    return story.get().reason?.code ?? 'begun';
  };

  test.each([
    [{}, undefined, {}, 'begun'],
    [{ datasets: ['/srv/crm'] }, undefined, {}, 'begun'],
    [{ datasets: ['/srv/shop'] }, undefined, {}, 'policy_denied'],
    [{ datasets: ['/srv/crm'] }, { datasets: ['/srv'] }, {}, 'begun'],
    [{ datasets: ['/srv/crm'] }, { datasets: ['/srv/shop'] }, {}, 'policy_denied'],
    [{ datasets: [] }, undefined, {}, 'policy_denied'],
    [{ modes: ['critical'] }, undefined, {}, 'policy_denied'],
    [{ modes: ['standard'] }, { modes: ['critical'] }, {}, 'policy_denied'],
    [{ modes: ['standard'] }, undefined, {}, 'begun'],
    [{ ttlMsMax: 10_000 }, { ttlMsMax: 60_000 }, { ttlMs: 20_000 }, 'duration_invalid'],
    [{ ttlMsMax: 60_000 }, { ttlMsMax: 10_000 }, { ttlMs: 20_000 }, 'duration_invalid'],
    [{ ttlMsMax: 60_000 }, { ttlMsMax: 60_000 }, { ttlMs: 20_000 }, 'begun'],
    [{ rate: 0 }, { rate: 5 }, {}, 'rate_limited'],
    [{ rate: 5 }, { rate: 0 }, {}, 'rate_limited'],
  ])('%j with %j, asked %j: %s', (member, configured, more, expected) => {
    expect(of(member, configured, more)).toBe(expected);
  });
});
