import { readdirSync } from 'node:fs';

import { cruise } from 'dependency-cruiser';

/*
 * Imports point one way. This table is the design's picture of it, and the whole of the configuration: a layer, and the
 * layers it may import besides itself. A folder of src/ that is not in the table is refused, so nothing new escapes it.
 */
const ADAPTER = ['base', 'core', 'ports', 'wire'];
/** @type {Record<string, string[]>} */
const LAYERS = {
  base: [],
  core: ['base'],
  ports: ['base', 'core'],
  wire: ['base', 'core', 'ports'],
  engine: ['base', 'core', 'ports'],
  storage: ADAPTER,
  ledger: ADAPTER,
  reach: ADAPTER,
  vault: ADAPTER,
  surgery: ADAPTER,
  trust: [...ADAPTER, 'client'],
  doors: [...ADAPTER, 'engine'],
  install: ADAPTER,
  webhooks: [...ADAPTER, 'engine'],
  metrics: [...ADAPTER, 'engine'],
  node: [...ADAPTER, 'client'],
  client: ['base', 'wire'],
};
/** The composition root: imports anything, and nothing imports it. */
const ROOT_LAYER = 'bin';

/** Layers whose folders are alternatives to one another, `storage/zfs` and `storage/btrfs`, and never import each other. */
const WITH_ADAPTERS = 'storage|ledger|reach|vault|doors';
/** The one exception: what btrfs subvolumes, plain directories and ZFS file systems have in common is a tree of files. */
const SHARED = 'src/storage/tree/';
const SHARED_BY = '^src/storage/(btrfs|directory|zfs)/';

/** Pure: no I/O, no clock, no randomness, hence no module that could have them. */
const PURE = '^src/(base|core)/';

/** @type {import('dependency-cruiser').IForbiddenRuleType[]} */
const FORBIDDEN = [
  ...Object.entries(LAYERS).map(([layer, allowed]) => ({
    name: `${layer} imports only ${[layer, ...allowed].join(', ')}`,
    from: { path: `^src/${layer}/` },
    to: { path: '^src/', pathNot: `^src/(${[layer, ...allowed].join('|')})/` },
  })),
  {
    name: 'base and core import no packages and no built-ins',
    from: { path: PURE },
    to: { pathNot: '^src/' },
  },
  {
    // Not directly, and not through a file that stands beside the adapters' folders.
    name: 'adapters do not reach each other',
    from: { path: `^src/(${WITH_ADAPTERS})/([^/]+)/`, pathNot: SHARED_BY },
    to: { path: `^src/(${WITH_ADAPTERS})/[^/]+/`, pathNot: '^src/$1/$2/', reachable: true },
  },
  {
    name: 'adapters do not reach each other',
    from: { path: SHARED_BY },
    to: { path: `^src/(${WITH_ADAPTERS})/[^/]+/`, pathNot: `^(src/storage/$1/|${SHARED})`, reachable: true },
  },
  {
    name: 'src imports nothing from test, sim, lab, bench, scripts or web',
    from: { path: '^src/' },
    to: { path: '^(test|sim|lab|bench|scripts|web)/' },
  },
  { name: 'no cycles', from: { path: '^src/' }, to: { circular: true } },
  { name: 'imports can be resolved', from: { path: '^src/' }, to: { couldNotResolve: true } },
];

/**
 * @param {string} root a folder that holds src/
 * @param {typeof cruise} look what finds the imports; a test hands in one that is blind
 * @returns {Promise<import('./rules.mjs').Finding[]>}
 */
export async function layerFindings(root, look = cruise) {
  /** @type {import('dependency-cruiser').ICruiseOptions} */
  const options = {
    baseDir: root,
    validate: true,
    ruleSet: { forbidden: FORBIDDEN },
    // Types count: a layer that names another's types depends on it.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  };
  const { output } = await look(['src'], options, {
    // The second for packages whose entry is a folder.
    extensions: ['.ts', '.js'],
    exportsFields: ['exports'],
    conditionNames: ['import', 'node', 'default'],
  });
  if (typeof output === 'string') throw new Error(`dependency-cruiser gave text: ${output}`);

  const findings = output.summary.violations.map(({ type, rule, from, to }) =>
    finding(from, `${type === 'reachability' ? 'reaches' : 'imports'} ${to}: ${rule.name}`),
  );
  const known = new RegExp(`^src/(${[...Object.keys(LAYERS), ROOT_LAYER].join('|')})/`);
  const seen = output.modules.map((module) => module.source).filter((path) => /^src\/.*\.ts$/.test(path));
  findings.push(
    ...seen
      .filter((path) => !known.test(path))
      .map((path) => finding(path, 'is in no layer: name its folder in scripts/layers.mjs')),
  );

  // Under a TypeScript it does not know, dependency-cruiser sees no modules at all, and all is well with those.
  const there = readdirSync(`${root}/src`, { recursive: true }).filter((path) => String(path).endsWith('.ts'));
  if (there.length === 0 || seen.length < there.length) {
    findings.push(finding('src', `only ${seen.length} of ${there.length} modules were seen: the check is blind`));
  }
  return findings;
}

/**
 * @param {string} path
 * @param {string} message
 */
function finding(path, message) {
  return { rule: 'layers', path, message };
}
