import { expect, test } from 'vitest';

import { isOriginal, PROPERTY, readStories, STORY, type Story, told } from '../../../src/storage/zfs/properties.ts';

const STORY_OF: Story = {
  kind: 'snapshot',
  home: '/var/lib/hauki',
  datasets: ['tank/crm', 'tank/billing'],
  properties: { mutation: '019a', node: 'crm', intent: 'two\nlines\tand \\ 🦉', mode: 'standard', fence: 7 },
};

/** As `zfs list -Hp` prints what was set. */
function row(name: string, properties: Readonly<Record<string, string>>): string {
  return `${[name, ...STORY.map((property) => properties[property] ?? '-')].join('\t')}\n`;
}

test('a story that was told is read back whole, whatever the intent', () => {
  expect(readStories(row('tank/crm@PRE_x', told(STORY_OF))).get('tank/crm@PRE_x')).toEqual(STORY_OF);
});

test('an outcome and the name of evidence belong to it', () => {
  const story: Story = { ...STORY_OF, kind: 'evidence', name: 'tank/crm@FAIL_x' };
  const properties = { ...told(story), [PROPERTY.outcome]: 'rolled_back' };
  expect(readStories(row('tank/.hauki/1', properties)).get('tank/.hauki/1')).toEqual({
    ...story,
    outcome: 'rolled_back',
  });
});

test('rows of others, and rows broken by others, do not keep the rest from being told', () => {
  const mine = row('tank/crm@PRE_x', told(STORY_OF));
  const foreign = row('tank/crm@autosnap_daily', {});
  const broken = row('tank/crm@evil', { [PROPERTY.intent]: 'a\nb\tc' });
  const later = row('tank/crm@PRE_y', { ...told(STORY_OF), [PROPERTY.mode]: 'quantum' });
  expect([...readStories(foreign + broken + mine + later).keys()]).toEqual(['tank/crm@PRE_x']);
});

test.each([
  [['tank/crm'], 'tank/crm', true],
  [['tank/crm'], 'backup/crm', false],
  [['tank/crm'], 'tank/crm/inner', false],
  [['tank/crm/'], 'tank/crm/inner', true],
  [['tank/crm/'], 'tank/crm', true],
  [['tank/crm/'], 'tank/crm2', false],
  [['tank/a', 'tank/b'], 'tank/b', true],
  [[''], 'tank/b', false],
])('frozen as %j, a snapshot of %s is the original: %s', (datasets, dataset, expected) => {
  expect(isOriginal({ datasets }, dataset)).toBe(expected);
});
