import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Thawed } from '../node/door.ts';
import { Freezer } from '../node/halting/freezer.ts';
import { systemClock } from './clock.ts';
import { lineLog } from './line-log.ts';
import { type NodeHome, servedHome } from './node-home.ts';

/** Thaws what node processes of a HAUKI_NODE_HOME have left frozen, when none runs there any more. */
export async function recoverFrozen(home: NodeHome): Promise<Thawed> {
  const homes = [home, ...servedNames(home).map((name) => servedHome(home, name))];
  const thawed: { node: string; words: string }[] = [];
  for (const { root, frozen } of homes) {
    const freezer = new Freezer({
      things: [],
      limitMs: 0,
      stateFile: frozen,
      untilMono: () => undefined,
      broke: () => {},
      clock: systemClock,
      log: lineLog('error'),
    });
    const found = await freezer.recover();
    const stuck = freezer.frozen;
    freezer.stop();
    const words =
      found.length === 0 ? 'nothing is frozen' : `thawed ${found.filter((one) => !stuck.includes(one)).join(', ')}`;
    thawed.push({ node: root, words: stuck.length === 0 ? words : `${words}; could not thaw ${stuck.join(', ')}` });
  }
  return { thawed: thawed.map(({ node, words }) => ({ node, words: `(no node process runs): ${words}` })) };
}

function servedNames(home: NodeHome): string[] {
  try {
    return readdirSync(join(home.root, 'nodes'));
  } catch {
    return [];
  }
}
