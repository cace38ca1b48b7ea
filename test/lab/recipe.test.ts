import { expect, test } from 'vitest';

import { RECIPE, recipeHash } from '../../lab/recipe.ts';

test('every change of the recipe makes another image', () => {
  const hashes = [
    RECIPE,
    { ...RECIPE, format: RECIPE.format + 1 },
    { ...RECIPE, packages: [...RECIPE.packages, 'hello'] },
    { ...RECIPE, files: { ...RECIPE.files, '/etc/hostname': 'other\n' } },
    { ...RECIPE, diskGiB: RECIPE.diskGiB + 1 },
  ].map(recipeHash);
  expect(new Set(hashes).size).toBe(hashes.length);
  expect(hashes.every((hash) => /^[0-9a-f]{16}$/.test(hash))).toBe(true);
});

test('the same recipe finds its image again', () => {
  expect(recipeHash(structuredClone(RECIPE))).toBe(recipeHash(RECIPE));
});
