import type { Controller } from '../engine/controller.ts';

/** What a controller is doing, in one line: `2 mutations open (1 cleared), 3 of 4 nodes live`. */
export function controllerStatus({ engine, mesh }: Pick<Controller, 'engine' | 'mesh'>): string {
  const { mutations, nodes } = engine.state;
  const open = [...mutations.values()];
  const words = [open.length === 0 ? 'no mutation open' : `${count(open.length, 'mutation')} open (${stages(open)})`];
  const joined = [...nodes.values()].filter(({ revokedAt }) => revokedAt === undefined);
  if (joined.length > 0) {
    const live = joined.filter(({ name }) => mesh.presence(name)?.liveness === 'live').length;
    words.push(`${live} of ${count(joined.length, 'node')} live`);
  }
  return words.join(', ');
}

function stages(open: readonly { readonly stage: string }[]): string {
  const counts = new Map<string, number>();
  for (const { stage } of open) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  return [...counts].map(([stage, number]) => `${number} ${stage.replaceAll('_', ' ')}`).join(', ');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
