import { expect, test } from 'vitest';

import { progress } from '../../../src/bin/live/progress.ts';

test('where nothing can be drawn anew, only news is said, and nothing after the end', () => {
  const said: string[] = [];
  const { tell, end } = progress((text) => void said.push(text), false);
  tell('waiting for a', 'waiting for a (1 s)');
  tell('waiting for a', 'waiting for a (2 s)');
  tell('waiting for b', 'waiting for b (3 s)');
  end();
  tell('waiting for c', 'waiting for c (4 s)');
  expect(said).toEqual(['waiting for a (1 s)', 'waiting for b (3 s)']);
});
