import { expect, test } from 'vitest';

import { painted, plain, styleOfStage, wantsColour } from '../../src/bin/colour.ts';

test.each([
  [{}, true, true],
  [{}, false, false],
  [{ TERM: 'dumb' }, true, false],
  [{ NO_COLOR: '1' }, true, false],
  [{ NO_COLOR: '' }, true, true],
  [{ FORCE_COLOR: '1' }, false, true],
  [{ FORCE_COLOR: '' }, false, true],
  [{ FORCE_COLOR: '0' }, true, false],
  [{ FORCE_COLOR: 'false' }, true, false],
  [{ NO_COLOR: '1', FORCE_COLOR: '1' }, true, false],
  [{ TERM: 'dumb', FORCE_COLOR: '1' }, true, true],
])('with %o on a terminal (%s) there is colour: %s', (env, isTerminal, wanted) => {
  expect(wantsColour(env, isTerminal)).toBe(wanted);
});

test('what is painted ends with its text, and nothing is painted with nothing', () => {
  expect(painted('red', 'no')).toBe('\u001b[31mno\u001b[39m');
  expect([painted(undefined, 'no'), painted('red', ''), plain('red', 'no')]).toEqual(['no', '', 'no']);
});

test('a stage has a colour by its first word, whatever stands behind it', () => {
  expect(['committed', 'rolled_back (rebuilt)', 'late since 12:00', 'denied', 'somehow'].map(styleOfStage)).toEqual([
    'green',
    'yellow',
    'yellow',
    'red',
    undefined,
  ]);
});
