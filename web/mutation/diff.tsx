import type { DiffView } from '../../src/wire/http.ts';
import { Words } from '../parts/text.tsx';
import { count } from '../words.ts';
import { type Branch, type Change, treeOf } from './tree.ts';

/** A folder with more than this below it begins closed. */
const OPEN_MAX = 40;

/** So many of one folder are drawn. */
const BRANCHES_MAX = 300;

const SIGNS: Readonly<Record<Change, string>> = { added: '+', modified: 'M', removed: '−' };

/** What a mutation added, modified and removed, as a tree. */
export function Diff({ datasets }: { readonly datasets: DiffView['datasets'] }) {
  if (datasets.length === 0) return <p class="soft">Nothing was ever frozen for this change.</p>;
  return (
    <>
      {datasets.map((one) => (
        <div key={one.dataset} class="diff">
          <h3>
            <Words mono>{one.dataset}</Words>
          </h3>
          <p class="soft">
            <span class="change added">+{one.added.length}</span>{' '}
            <span class="change modified">M{one.modified.length}</span>{' '}
            <span class="change removed">−{one.removed.length}</span> against <Words mono>{one.comparedWith}</Words>
          </p>
          <Branches branches={treeOf(one)} />
        </div>
      ))}
    </>
  );
}

function Branches({ branches }: { readonly branches: readonly Branch[] }) {
  if (branches.length === 0) return <p class="soft">No differences.</p>;
  return (
    <ul class="tree">
      {branches.slice(0, BRANCHES_MAX).map((branch) => (
        <li key={branch.path}>
          {branch.branches.length === 0 ? (
            <Leaf branch={branch} />
          ) : (
            <details open={branch.changed <= OPEN_MAX}>
              <summary>
                <Leaf branch={{ ...branch, name: `${branch.name}/` }} />
                <span class="soft"> {count(branch.changed, 'change')}</span>
              </summary>
              <Branches branches={branch.branches} />
            </details>
          )}
        </li>
      ))}
      {branches.length > BRANCHES_MAX ? <li class="soft">and {branches.length - BRANCHES_MAX} more</li> : null}
    </ul>
  );
}

function Leaf({ branch: { name, change } }: { readonly branch: Branch }) {
  return (
    <span class="leaf">
      {change === undefined ? null : (
        <span class={`change ${change}`} title={change}>
          <span aria-hidden="true">{SIGNS[change]}</span>
          <span class="unseen">{change} </span>
        </span>
      )}
      <Words mono>{name}</Words>
    </span>
  );
}
