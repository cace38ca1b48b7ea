import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import { mountAt, usersOf } from './mounted.ts';
import { type Ran, run } from './run.ts';

const WITHIN_MS = 20_000;
const NAMED_MAX = 10;
const AGAIN_MAX = 3;
const AGAIN_MS = 150;
/** More mounts on one folder than this nobody has stacked by accident. */
const STACKED_MAX = 50;

/** Takes the mount off this folder. @returns `vault_in_use`, with who uses it, when it is busy; then it is as it was */
export async function unmount(point: string): Promise<Result<void, Refusal>> {
  const before = mountAt(point);
  if (before === undefined) return ok(undefined);
  let ran = await fusermount(['-u', '--', point]);
  // gocryptfs itself has something open there just after it has mounted, and so has everybody who only looks.
  for (let again = 0; again < AGAIN_MAX && /busy/i.test(ran.stderr); again += 1) {
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    ran = await fusermount(['-u', '--', point]);
  }
  if (mountAt(point)?.device !== before.device) return ok(undefined);
  if (ran.missing) return err(noFusermount());
  if (!/busy/i.test(ran.stderr)) {
    const words = ran.stderr.trim().split('\n').at(-1) ?? '';
    return err(refusal('vault_unavailable', `${point} could not be unmounted: ${words}.`));
  }
  const users = await usersOf(point);
  const some = users.slice(0, NAMED_MAX);
  const more = users.length > some.length ? `, and ${users.length - some.length} more` : '';
  const who = some.length === 0 ? 'something that cannot be seen from here' : `${some.join(', ')}${more}`;
  return err(refusal('vault_in_use', `${point} is in use by ${who}.`, undefined, { users: some }));
}

/**
 * Takes whatever is mounted on this folder off it, in use or not, dead or not. Who has something open there keeps it until it is closed,
 * if the server lives.
 *
 * @param device what is to be taken off; anything else that is seen there stays
 */
export async function detach(point: string, device?: string): Promise<Result<void, Refusal>> {
  for (let stacked = 0; stacked < STACKED_MAX; stacked += 1) {
    const before = mountAt(point);
    if (before === undefined || before.device !== (device ?? before.device)) return ok(undefined);
    const ran = await fusermount(['-u', '-z', '--', point]);
    if (ran.missing) return err(noFusermount());
    if (mountAt(point)?.device === before.device)
      return err(refusal('vault_unavailable', `${point} could not be unmounted: ${ran.stderr.trim()}.`));
  }
  return err(refusal('vault_unavailable', `${point} has too many mounts on it.`));
}

/** FUSE 3's, else the one of before. */
async function fusermount(args: readonly string[]): Promise<Ran> {
  const ran = await run('fusermount3', args, { withinMs: WITHIN_MS });
  return ran.missing ? run('fusermount', args, { withinMs: WITHIN_MS }) : ran;
}

function noFusermount(): Refusal {
  return refusal('vault_unavailable', 'fusermount3 is not installed.', 'apt-get install fuse3');
}
