/** Who asks, as `zfs allow` names people. One without a name in the system's tables is its number, as text. */
export interface Delegate {
  /** The dataset the permissions are wanted on, as given to `zfs allow`. */
  readonly dataset: string;
  readonly user: string;
  readonly groups: readonly string[];
}

/** What one dataset delegates. */
interface Delegation {
  readonly dataset: string;
  /** By name, with the `@`: permissions, and other sets. */
  readonly sets: Map<string, readonly string[]>;
  readonly grants: { readonly section: string; readonly who: string; readonly permissions: readonly string[] }[];
}

/**
 * Parses `zfs allow DATASET` (LC_ALL=C): what a delegate may do on that dataset. Root may do everything, whatever stands here.
 *
 * The text has a block for each of the dataset and its ancestors that delegates anything, the nearest first; the first block need
 * not be the dataset's own. Sets are resolved as the kernel does: named in one block, a set means what the nearest definition says,
 * looked for in that block and upwards, never below it.
 *
 * @returns names such as `snapshot`, `mount`, `userprop`, `readonly`. What is given to whoever creates a dataset is not among them.
 */
export function permissionsOf(text: string, { dataset, user, groups }: Delegate): ReadonlySet<string> {
  const names = new Set(['everyone', ...named('user', user), ...groups.flatMap((group) => named('group', group))]);
  const have = new Set<string>();
  const wanted = new Set<string>();
  const resolved = new Set<string>();

  for (const delegation of delegations(text)) {
    const section = delegation.dataset === dataset ? 'Local' : 'Descendent';
    for (const grant of delegation.grants) {
      const applies = grant.section === section || grant.section === 'Local+Descendent';
      if (applies && names.has(grant.who)) take(grant.permissions);
    }
    // Sets may name sets: what is added on the way is walked too.
    for (const set of wanted) {
      const permissions = resolved.has(set) ? undefined : delegation.sets.get(set);
      if (permissions === undefined) continue;
      resolved.add(set);
      take(permissions);
    }
  }
  return have;

  function take(permissions: readonly string[]): void {
    for (const permission of permissions) (permission.startsWith('@') ? wanted : have).add(permission);
  }
}

/** The permissions wanted that are not there, in the order wanted. */
export function missing(have: ReadonlySet<string>, wanted: readonly string[]): string[] {
  return wanted.filter((permission) => !have.has(permission));
}

function named(kind: string, name: string): string[] {
  return [`${kind} ${name}`, `${kind} (unknown: ${name})`];
}

function delegations(text: string): Delegation[] {
  const found: Delegation[] = [];
  let section = '';
  for (const line of text.split('\n')) {
    // Dataset names may hold blanks and end with dashes; the dashes that fill the line come after the last blank.
    const head = /^---- Permissions on (.*) -*$/.exec(line)?.[1];
    if (head !== undefined) found.push({ dataset: head, sets: new Map(), grants: [] });
    const title = /^(\S+) (?:time )?(?:permissions|sets):$/.exec(line)?.[1];
    if (title !== undefined) section = title;
    // A permission holds no blank, a name may.
    const [, who = '', permissions = ''] = /^\t(?:(.*) )?(\S+)$/.exec(line) ?? [];
    if (permissions === '') continue;
    const list = permissions.split(',');
    if (section === 'Permission') found.at(-1)?.sets.set(who, list);
    else if (section !== 'Create') found.at(-1)?.grants.push({ section, who, permissions: list });
  }
  return found;
}
