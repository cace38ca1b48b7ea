import { expect, test } from 'vitest';

import { PROPERTY, STORY, told } from '../../../src/storage/zfs/properties.ts';
import { readTogether } from '../../../src/storage/zfs/store.ts';

const STORY_OF = told({
  kind: 'snapshot',
  home: '/var/lib/hauki',
  datasets: ['tank/crm'],
  properties: { mutation: '019a', node: 'crm', intent: 'try', mode: 'standard', fence: 7 },
});

/** As `zfs list -Hp` prints it: name, type, guid, createtxg, creation, used, userrefs, mountpoint, origin, then the story. */
function row(name: string, guid: string, properties: Readonly<Record<string, string>> = {}): string {
  const facts = [name, 'snapshot', guid, '12', '1700000000', '4096', '0', '-', '-'];
  return `${[...facts, ...STORY.map((property) => properties[property] ?? '-')].join('\t')}\n`;
}

test('facts and stories are read in one pass', () => {
  const read = readTogether(row('tank/crm@PRE_x', '1', STORY_OF) + row('tank/crm@autosnap', '2'));
  expect(read?.facts.map(({ name, guid }) => [name, guid])).toEqual([
    ['tank/crm@PRE_x', '1'],
    ['tank/crm@autosnap', '2'],
  ]);
  expect([...(read?.stories.keys() ?? [])]).toEqual(['tank/crm@PRE_x']);
});

test('a property with a line end is not read in one pass', () => {
  expect(readTogether(row('tank/evil@x', '3', { [PROPERTY.intent]: 'a\nb' }))).toBeUndefined();
});

test('neither is a property that looks like a row of somebody else', () => {
  const mine = row('tank/crm@PRE_x', '1', STORY_OF);
  // What is left of the row it stands in is made to look like one as well.
  const [forged, rest] = [row('tank/crm@PRE_x', '666', STORY_OF), row('tank/none@x', '4').replace(/\t-\n$/, '\t')];
  expect(readTogether(mine + row('tank/evil@x', '3', { [PROPERTY.intent]: `-\n${forged}${rest}-` }))).toBeUndefined();
});
