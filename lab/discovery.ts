import { mkdtempSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { rolldown } from 'rolldown';

import type { Scenario } from './scenario.ts';

/** The names of all scenarios: the files of lab/scenarios/. @param root the checkout */
export function scenarioNames(root: string): string[] {
  return readdirSync(join(root, 'lab/scenarios'))
    .filter((file) => file.endsWith('.ts'))
    .map((file) => file.slice(0, -'.ts'.length))
    .toSorted();
}

/** Loads scenarios. They are bundled first, since Node 20 cannot load TypeScript. */
export async function loadScenarios(root: string, names: readonly string[]): Promise<Map<string, Scenario>> {
  const cache = join(root, 'node_modules/.cache/lab');
  mkdirSync(cache, { recursive: true });
  // A folder of its own: another lab may be doing the same.
  const folder = mkdtempSync(join(cache, 'scenarios-'));
  try {
    const bundle = await rolldown({
      cwd: root,
      input: Object.fromEntries(names.map((name) => [name, join('lab/scenarios', `${name}.ts`)])),
      platform: 'node',
      external: [/^koffi(\/|$)/, /^@photostructure\/sqlite(\/|$)/],
      transform: { target: 'node20.19' },
    });
    await bundle.write({ dir: folder, format: 'es', sourcemap: 'inline', entryFileNames: '[name].mjs' });
    await bundle.close();
    const loaded = names.map(async (name): Promise<[string, Scenario]> => {
      const module = (await import(pathToFileURL(join(folder, `${name}.mjs`)).href)) as { default: Scenario };
      return [name, module.default];
    });
    return new Map(await Promise.all(loaded));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
