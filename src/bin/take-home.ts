import { RefusedError } from '../base/refusal.ts';
import { Client } from '../client/client.ts';
import { acquire } from '../ledger/sqlite/lock.ts';
import { bindable, type Home } from './home.ts';

const RETIRE_MS_MAX = 5_000;

/**
 * Makes this process the only one that works on a HAUKI_HOME. A controller that was only started for a caller makes room when it
 * has nothing to do.
 *
 * @returns what gives the home back
 * @throws RefusedError `home_locked`, or `ledger_unavailable` when the home cannot be used
 */
export async function takeHome(home: Home): Promise<() => void> {
  const first = acquire(home.root);
  if (first.ok) return first.value;
  const other = new Client({ name: `unix:${home.socket}`, socketPath: bindable(home.socket) });
  const retired = await other.retire().then(
    () => true,
    () => false,
  );
  const until = performance.now() + RETIRE_MS_MAX;
  while (retired && performance.now() < until) {
    const again = acquire(home.root);
    if (again.ok) return again.value;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new RefusedError(first.error);
}
