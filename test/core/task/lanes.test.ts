import { describe, expect, test } from 'vitest';

import { type Queued, queuedAs, startable } from '../../../src/core/task/lanes.ts';

/** `a:x,y` is task a, which changes x and y; `a!:x` is one that conflicts with everything. */
function queued(words: string): Queued[] {
  return words
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [name = '', datasets = ''] = word.split(':');
      const alone = name.endsWith('!');
      return { name: name.replace('!', ''), datasets: datasets.split(',').filter((one) => one !== ''), alone };
    });
}

describe('tasks that may begin', () => {
  for (const [what, waiting, running, names, max] of [
    ['the first of those that change the same', 'a:x b:x c:x', '', 'a', 8],
    ['one for each dataset', 'a:x b:y c:x d:z', '', 'a b d', 8],
    ['none that changes what a running one changes', 'b:x c:y', 'a:x', 'c', 8],
    ['none inside of what another changes, or around it', 'b:x/in c:y', 'a:x,y/deep', '', 8],
    ['by whole names: tank/a is not in tank/ab', 'b:tank/ab', 'a:tank/a', 'b', 8],
    ['none before one that waits for the same', 'b:x,y c:y d:z', 'a:x', 'd', 8],
    ['none whose name runs, and none behind it on the same', 'a:y b:y c:z', 'a:x', 'c', 8],
    ['none beside a critical one', 'b:y', 'a!:x', '', 8],
    ['no critical one beside another, and none behind it', 'b!:y c:z', 'a:x', '', 8],
    ['a critical one when nothing runs', 'a!:x b:y', '', 'a', 8],
    ['a path and a pool not at once: the one may lie in the other', 'b:/srv/crm c:tank/b', 'a:tank/a', '', 8],
    ['what will be denied, at once', 'b: c:', 'a:x', 'b c', 8],
    ['no more than so many at once', 'b:y c:z d:w', 'a:x', 'b', 2],
    ['nothing while so many run', 'c:z', 'a:x b:y', '', 2],
  ] as const)
    test(`are ${what}`, () => {
      const starting = startable(queued(waiting), queued(running), max);
      expect(starting.map(({ name }) => name).join(' ')).toBe(names);
    });
});

describe('what a task says it is to change', () => {
  for (const [what, text, whole, datasets, alone] of [
    ['what its header says', '#!/bin/sh\n#hauki datasets: a, b\ntrue\n', true, ['a', 'b'], false],
    ['what is its node’s, when it says nothing', '#!/bin/sh\ntrue\n', true, ['own'], false],
    ['and that alone, when it is critical', '#!/bin/sh\n#hauki mode: critical\n', true, ['own'], true],
    ['nothing where it will be denied', '#!/bin/sh\n#hauki modus: critical\n', true, [], false],
    ['what its beginning says', '#!/bin/sh\n#hauki datasets: a\ntrue\necho cut of', false, ['a'], false],
    ['perhaps something else while its header may go on', '#!/bin/sh\n# comment\n#hauki datas', false, ['own'], true],
  ] as const)
    test(`is ${what}`, () => {
      expect(queuedAs('x', text, whole, ['own'])).toEqual({ name: 'x', datasets, alone });
    });
});
