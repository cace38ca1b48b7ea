import { describe, expect, test } from 'vitest';

import { type Queued, startable } from '../../../src/core/task/lanes.ts';

/** `a:x,y` is task a, which changes x and y. */
function queued(words: string): Queued[] {
  return words
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [name = '', datasets = ''] = word.split(':');
      return { name, datasets: datasets.split(',').filter((one) => one !== '') };
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
    ['what will be denied, at once', 'b: c:', 'a:x', 'b c', 8],
    ['no more than so many at once', 'b:y c:z d:w', 'a:x', 'b', 2],
    ['nothing while so many run', 'c:z', 'a:x b:y', '', 2],
  ] as const)
    test(`are ${what}`, () => {
      const starting = startable(queued(waiting), queued(running), max);
      expect(starting.map(({ name }) => name).join(' ')).toBe(names);
    });
});
