import { expect, test } from 'vitest';

import { byCommand } from '../../../src/storage/zfs/by-command.ts';
import type { Commands } from '../../../src/storage/zfs/command.ts';
import { STORY, told } from '../../../src/storage/zfs/properties.ts';

const home = '/var/lib/hauki';
const properties = told({
  kind: 'snapshot',
  home,
  datasets: ['tank/'],
  properties: { mutation: 'm', node: 'crm', intent: 'try', mode: 'standard', fence: 7 },
});

/** A pool that only knows what a recursive snapshot asks. @returns its snapshots, and how they were asked for */
function pool(...datasets: readonly string[]) {
  const [snapshots, commands]: [string[], string[]] = [[], []];
  const inside = (name: string): string[] => datasets.filter((one) => one === name || one.startsWith(`${name}/`));
  const zfs = (args: readonly string[]) => {
    const names = args.filter((arg) => datasets.includes(arg.split('@', 1)[0] ?? ''));
    let rows: string[] = [];
    if (args[0] === 'snapshot') {
      commands.push(args.filter((arg) => arg === '-r' || names.includes(arg)).join(' '));
      for (const name of names) {
        const [dataset = '', label = ''] = name.split('@');
        snapshots.push(...(args.includes('-r') ? inside(dataset) : [dataset]).map((one) => `${one}@${label}`));
      }
    } else if (args.includes('name,used,available')) rows = names.map((name) => `${name}\t1\t1000`);
    else if (args.includes('filesystem,volume')) rows = names.flatMap(inside);
    else if (args.includes(['name', ...STORY].join(',')))
      rows = names.map((name) => [name, ...STORY.map((property) => properties[property] ?? '-')].join('\t'));
    else rows = snapshots.map((name) => [name, 'snapshot', '1', '12', '1700000000', '0', '-'].join('\t'));
    const stdout = Buffer.from(rows.map((row) => `${row}\n`).join(''));
    return Promise.resolve({ code: 0, signal: null, stdout, stderr: Buffer.alloc(0) });
  };
  return { access: byCommand({ zfs } as Commands, { home, reserve: { share: 0, bytesMax: 0 } }), snapshots, commands };
}

const asked = (dataset: string) => [
  { mutation: 'm', snapshots: [{ dataset, name: `${dataset}@PRE_x` }], recursive: true, properties },
];

test('a whole pool is frozen without what hauki keeps in it', async () => {
  const { access, snapshots, commands } = pool('tank', 'tank/a', 'tank/a/b', 'tank/.hauki', 'tank/.hauki/m0.1.d');
  const [taken] = await access.clear(asked('tank'));
  expect(taken?.ok && taken.value.map(({ name }) => name)).toEqual(['tank@PRE_x', 'tank/a@PRE_x', 'tank/a/b@PRE_x']);
  expect(snapshots).toEqual(['tank@PRE_x', 'tank/a@PRE_x', 'tank/a/b@PRE_x']);
  // Of one moment.
  expect(commands).toHaveLength(1);
});

test('a part of one is frozen with all that is in it at that moment', async () => {
  const { access, commands } = pool('tank', 'tank/a', 'tank/a/b', 'tank/.hauki');
  const [taken] = await access.clear(asked('tank/a'));
  expect(taken?.ok && taken.value.map(({ name }) => name)).toEqual(['tank/a@PRE_x', 'tank/a/b@PRE_x']);
  expect(commands).toEqual(['-r tank/a@PRE_x']);
});
