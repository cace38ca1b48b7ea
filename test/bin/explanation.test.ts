import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { CODES } from '../../src/base/codes.ts';
import { explanationsIn } from '../../src/bin/explanation.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');

test('every code of the catalogue is explained, once, in words without marks', () => {
  const all = explanationsIn(PAGE);
  expect(all.map(({ code }) => code).toSorted()).toEqual(Object.keys(CODES).toSorted());
  const bare = all.filter(({ meaning, group }) => meaning.length < 10 || /`|\]\(/.test(meaning) || group === '');
  expect(bare).toEqual([]);
});

test('the page says the same numbers as the catalogue', () => {
  for (const { code, exit, http, retry } of explanationsIn(PAGE))
    expect(PAGE).toContain(`| \`${code}\` | ${exit} | ${http} | ${retry ? 'yes' : 'no'} |`);
});
