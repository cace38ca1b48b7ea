import type { Client } from '../client/client.ts';
import type { Clock } from '../ports/clock.ts';
import type { MutationView } from '../wire/http.ts';

const LOOK_AGAIN_MS = 200;

/**
 * What became of a mutation whose end was not confirmed, from the controller itself.
 *
 * @param msMax how long to ask
 * @returns undefined when it has not ended by then, or nobody answers
 */
export async function settled(
  mutation: string,
  options: { readonly client: Client; readonly clock: Clock; readonly ensure: () => Promise<void> },
  msMax: number,
): Promise<MutationView | undefined> {
  const { client, clock, ensure } = options;
  const untilMono = clock.mono() + msMax;
  while (clock.mono() < untilMono) {
    const view = await client.show(mutation).catch(() => undefined);
    if (view !== undefined && ['committed', 'rolled_back', 'quarantined'].includes(view.stage)) return view;
    await ensure().catch(() => undefined);
    await new Promise<void>((wake) => void clock.after(LOOK_AGAIN_MS, wake));
  }
  return undefined;
}
