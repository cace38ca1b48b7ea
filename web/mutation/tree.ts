/** Paths that changed → a tree of them. */

export type Change = 'added' | 'modified' | 'removed';

export interface Branch {
  /** Of this part of the path; folders that hold nothing but one folder are one branch: `etc/nginx`. */
  readonly name: string;
  readonly path: string;
  readonly change?: Change;
  readonly branches: readonly Branch[];
  /** Changed paths here and below. */
  readonly changed: number;
}

interface Growing {
  readonly branches: Map<string, Growing>;
  change?: Change;
}

/** @returns the branches at the root, folders first, by name; the root's own change has the name `.` */
export function treeOf(changes: Readonly<Record<Change, readonly string[]>>): readonly Branch[] {
  const root: Growing = { branches: new Map() };
  for (const change of ['added', 'modified', 'removed'] as const) {
    for (const path of changes[change]) {
      let at = root;
      for (const part of path.split('/').filter((one) => one !== '')) {
        const next = at.branches.get(part) ?? { branches: new Map<string, Growing>() };
        at.branches.set(part, next);
        at = next;
      }
      at.change = change;
    }
  }
  return branchesOf(root, '');
}

function branchesOf(growing: Growing, above: string): readonly Branch[] {
  return [...growing.branches]
    .map(([name, below]) => branchOf(name, above, below))
    .toSorted((a, b) => Number(b.branches.length > 0) - Number(a.branches.length > 0) || (a.name < b.name ? -1 : 1));
}

function branchOf(name: string, above: string, growing: Growing): Branch {
  const path = above === '' ? name : `${above}/${name}`;
  const branches = branchesOf(growing, path);
  const [only] = branches;
  if (growing.change === undefined && branches.length === 1 && only !== undefined && only.branches.length > 0) {
    return { ...only, name: `${name}/${only.name}` };
  }
  const below = branches.reduce((sum, branch) => sum + branch.changed, 0);
  return {
    name,
    path,
    branches,
    changed: below + (growing.change === undefined ? 0 : 1),
    ...(growing.change === undefined ? {} : { change: growing.change }),
  };
}
