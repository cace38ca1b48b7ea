import { parseSync } from 'rolldown/utils';

/*
 * The project's own rules: a rule has a check, or it is a wish. Each takes the project's text files and says what is
 * wrong with them; none reads anything itself, so test/scripts/check.test.ts can hand each one a bad file and see it
 * refused.
 */

/** @typedef {{ path: string, text: string }} File `path` relative to the root, with forward slashes */
/** @typedef {{ rule: string, path: string, message: string }} Finding `path` with `:line` where there is one */

/** @type {Record<string, (files: readonly File[]) => Finding[]>} */
export const RULES = { purity, exit, leftovers, length, names, architecture, links, errors, machine, lockfile };

const LINES_MAX = 400;

/** Names that say nothing: whatever has no place of its own would end up there. */
const EMPTY_NAMES = /^(utils?|helpers?|types?|common|misc)$/i;

/** What makes the same input give another output. */
const IMPURE = new Set(
  'performance process setTimeout setInterval setImmediate queueMicrotask console fetch crypto require globalThis global'.split(
    ' ',
  ),
);

/**
 * base and core decide from what they are given: time, ids and tokens come stamped on the command. That is what lets
 * the simulator run them under its own clock, and the ledger replay to the same state.
 *
 * @param {readonly File[]} files
 */
function purity(files) {
  return files
    .filter(({ path }) => /^src\/(base|core)\/.*\.ts$/.test(path))
    .flatMap((file) =>
      uses(file, impurity).map(({ line, use }) => finding('purity', `${file.path}:${line}`, `${use} is not pure`)),
    );
}

/**
 * @param {any} node
 * @param {any} parent
 * @returns {string | undefined}
 */
function impurity(node, parent) {
  if (node.type !== 'Identifier') return undefined;
  if (IMPURE.has(node.name)) return node.name;
  if (node.name === 'Math' && propertyOf(parent) === 'random') return 'Math.random';
  if (node.name !== 'Date') return undefined;
  // A date made from a number is arithmetic; every other use of Date asks what time it is, or could.
  if (parent.type === 'NewExpression' && parent.callee === node && parent.arguments.length > 0) return undefined;
  const property = propertyOf(parent);
  if (property === 'UTC' || property === 'parse') return undefined;
  if (property !== undefined) return `Date.${property}`;
  return parent.type === 'NewExpression' ? 'new Date()' : 'Date';
}

/**
 * Only bin ends the process; everything else returns or throws, so that locks are given back and tests survive.
 *
 * @param {readonly File[]} files
 */
function exit(files) {
  return files
    .filter(({ path }) => /^src\/(?!bin\/).*\.ts$/.test(path))
    .flatMap((file) =>
      uses(file, (node, parent) =>
        node.type === 'Identifier' && node.name === 'process' ? propertyOf(parent) : undefined,
      )
        .filter(({ use }) => ['exit', 'reallyExit', 'abort'].includes(use))
        .map(({ line, use }) => finding('exit', `${file.path}:${line}`, `process.${use} outside src/bin`)),
    );
}

/**
 * What is left to do stands in an issue, where somebody sees it.
 *
 * @param {readonly File[]} files
 */
function leftovers(files) {
  // Written so that this file does not refuse itself.
  const marker = /\b(TO[D]O|FIX[M]E|X[X]X|HAC[K])\b/;
  return files
    .filter(({ path }) => path !== 'package-lock.json')
    .flatMap((file) =>
      matchingLines(file, marker).map(({ line, match }) =>
        finding('leftovers', `${file.path}:${line}`, `${match} left over`),
      ),
    );
}

/** @param {readonly File[]} files */
function length(files) {
  return files
    .filter(({ path }) => path.startsWith('src/'))
    .map((file) => ({ file, lines: file.text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ file, lines }) =>
      finding('length', file.path, `${lines} lines, ${LINES_MAX} at most: it does more than one thing`),
    );
}

/** @param {readonly File[]} files */
function names(files) {
  return files.flatMap(({ path }) =>
    path
      .split('/')
      .filter((segment) => EMPTY_NAMES.test(segment.replace(/\..*$/, '')))
      .map((segment) => finding('names', path, `"${segment}" says nothing about what is inside`)),
  );
}

/**
 * Every path ARCHITECTURE.md names in backticks exists, from the root or from src/. What counts as a path: it begins
 * with a folder or file of the root, ends in a slash, or ends like a source or document.
 *
 * @param {readonly File[]} files
 */
function architecture(files) {
  const page = files.find(({ path }) => path === 'ARCHITECTURE.md');
  if (page === undefined) return [];
  const there = new Set(
    files.flatMap(({ path }) => path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))),
  );
  return [...page.text.matchAll(/`([\w@.-]+(?:\/[\w@.-]+)*\/?)`/g)].flatMap((match) => {
    const name = match[1] ?? '';
    const path = name.replace(/\/$/, '');
    const first = path.split('/')[0] ?? '';
    const meant = name.endsWith('/') || /\.(ts|mjs|md|json|sh)$/.test(name) || (name.includes('/') && there.has(first));
    if (!meant || there.has(path) || there.has(`src/${path}`)) return [];
    return [finding('architecture', `${page.path}:${lineAt(page.text, match.index)}`, `${name} does not exist`)];
  });
}

/**
 * What documents lead to is there: relative links, with the heading behind `#`, and paths of this repository in backticks. The
 * changelog may name what is gone.
 *
 * @param {readonly File[]} files
 */
function links(files) {
  const pages = new Map(files.filter(({ path }) => path.endsWith('.md')).map(({ path, text }) => [path, text]));
  const there = new Set(
    files.flatMap(({ path }) => path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'))),
  );
  const folders = new Set(files.filter(({ path }) => path.includes('/')).map(({ path }) => path.split('/')[0]));
  return [...pages].flatMap(([page, text]) => {
    const folder = page.split('/').slice(0, -1);
    const prose = text.replaceAll(/^( *)(`{3,}|~{3,})[^]*?^ *\2[`~]*$/gm, blank);
    const targets = [
      ...prose.replaceAll(/`[^`\n]*`/g, blank).matchAll(/\]\(([^)\s]+)\)|\b(?:src|srcset|href)="([^"]+)"/g),
    ]
      .map((match) => ({ at: match.index, target: match[1] ?? match[2] ?? '' }))
      .filter(({ target }) => !/^[a-z]+:/.test(target))
      .filter(({ target }) => {
        const [path = '', heading] = target.split('#');
        const full = path === '' ? page : resolved(folder, path);
        if (!there.has(full)) return true;
        return heading !== undefined && !headingsOf(pages.get(full) ?? '').has(heading);
      });
    const paths = [...prose.matchAll(/`((?:[\w@.-]+\/)+[\w@.-]*)`/g)]
      .map((match) => ({ at: match.index, target: match[1] ?? '' }))
      .filter(({ target }) => folders.has(target.split('/')[0] ?? '') && !there.has(target.replace(/\/$/, '')));
    return [...targets, ...(page === 'CHANGELOG.md' ? [] : paths)].map(({ at, target }) =>
      finding('links', `${page}:${lineAt(text, at)}`, `${target} leads nowhere`),
    );
  });
}

/**
 * The same number of characters and lines, with nothing in them: places in the text stay what they are.
 *
 * @param {string} text
 */
function blank(text) {
  return text.replaceAll(/[^\n]/g, ' ');
}

/**
 * @param {readonly string[]} folder
 * @param {string} path relative to it
 */
function resolved(folder, path) {
  const parts = [...folder];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/**
 * What can stand behind `#`: headings in small letters, without punctuation, with dashes for spaces.
 *
 * @param {string} text
 */
function headingsOf(text) {
  return new Set(
    [...text.matchAll(/^#+ +(.*)$/gm)].map((match) =>
      (match[1] ?? '')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    ),
  );
}

/**
 * Every code a caller can get is explained, and nothing is explained that no caller can get. A code is explained by a
 * heading that begins with it in backticks, or by a row of a table that does.
 *
 * @param {readonly File[]} files
 */
function errors(files) {
  const catalogue = files.find(({ path }) => path === 'src/base/codes.ts');
  if (catalogue === undefined) return [];
  const codes = new Set(keysOf(catalogue, 'CODES'));
  if (codes.size === 0)
    return [finding('errors', catalogue.path, 'no codes found: is it still "export const CODES = { … }"?')];
  const page = files.find(({ path }) => path === 'docs/errors.md');
  if (page === undefined)
    return [finding('errors', 'docs/errors.md', `is missing, and has ${codes.size} codes to explain`)];
  const explained = new Set(
    [...page.text.matchAll(/^(?:#+|\|) *`([a-z][a-z0-9_]*)`/gm)].map((match) => match[1] ?? ''),
  );
  return [
    ...[...codes]
      .filter((code) => !explained.has(code))
      .map((code) => finding('errors', page.path, `${code} is not explained`)),
    ...[...explained]
      .filter((code) => !codes.has(code))
      .map((code) => finding('errors', page.path, `${code} is not in ${catalogue.path}`)),
  ];
}

/**
 * No path of the machine it was written on: it would be wrong on every other.
 *
 * @param {readonly File[]} files
 */
function machine(files) {
  const path =
    /(?<![\w.])\/(?:work\/|Users\/|tmp\/bash_jobs|root\/\.(?:npm|cache|nvm)|home\/(?!alice|bob|user|hauki)\w)[\w./-]*/;
  return files.flatMap((file) =>
    matchingLines(file, path).map(({ line, match }) =>
      finding('machine', `${file.path}:${line}`, `${match} is a path of one machine`),
    ),
  );
}

/**
 * The lock file names no registry, so that a mirror serves as well; and it is whole. npm leaves out what its registry
 * does not have for other platforms and says nothing, and then `npm ci` refuses the lock file on every new machine.
 *
 * @param {readonly File[]} files
 */
function lockfile(files) {
  const registries = files
    .filter(({ path }) => path === 'package-lock.json' || path === '.npmrc')
    .flatMap((file) =>
      matchingLines(file, /"resolved": "https?:|^ *(?:@[\w-]+:)?registry *=/).map(({ line }) => `${file.path}:${line}`),
    );
  const lock = files.find(({ path }) => path === 'package-lock.json');
  /** @type {Record<string, { version?: string, optionalDependencies?: Record<string, string> }>} */
  const packages = JSON.parse(lock?.text ?? '{}').packages ?? {};
  const gaps = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name, wanted]) => {
        const version = packages[installedAs(name, path, packages)]?.version;
        return version === undefined || (/^\d/.test(wanted) && version !== wanted);
      })
      .map(
        ([name, wanted]) =>
          `${path} wants ${name} ${wanted}, which is not in it: take a version the registry has whole`,
      ),
  );
  return [
    ...registries.map((path) => finding('lockfile', path, 'names a registry: see omit-lockfile-registry-resolved')),
    ...gaps.map((message) => finding('lockfile', 'package-lock.json', message)),
  ];
}

/**
 * Where Node would find a package for one that stands at `from`: in its own node_modules, or in one further up.
 *
 * @param {string} name
 * @param {string} from
 * @param {Record<string, unknown>} packages
 * @returns {string}
 */
function installedAs(name, from, packages) {
  const path = from === '' ? `node_modules/${name}` : `${from}/node_modules/${name}`;
  if (path in packages || from === '') return path;
  return installedAs(name, from.slice(0, Math.max(0, from.lastIndexOf('/node_modules/'))), packages);
}

/**
 * @param {string} rule
 * @param {string} path
 * @param {string} message
 * @returns {Finding}
 */
function finding(rule, path, message) {
  return { rule, path, message };
}

/**
 * @param {File} file
 * @param {RegExp} pattern
 */
function matchingLines(file, pattern) {
  return file.text.split('\n').flatMap((text, index) => {
    const match = pattern.exec(text);
    return match === null ? [] : [{ line: index + 1, match: match[0] }];
  });
}

/**
 * Asks about every node of a file's syntax tree that stands for a value. Comments and strings may speak of anything,
 * which is why the tree is asked and not the text.
 *
 * @param {File} file
 * @param {(node: any, parent: any) => string | undefined} judge what the node uses, if it is of interest
 */
function uses(file, judge) {
  /** @type {{ line: number, use: string }[]} */
  const found = [];
  walk(syntaxTree(file), undefined, (node, parent) => {
    const use = judge(node, parent);
    if (use !== undefined) found.push({ line: lineAt(file.text, node.start), use });
  });
  return found;
}

/** @param {File} file */
function syntaxTree(file) {
  const { program, errors: mistakes } = parseSync(file.path, file.text);
  if (mistakes.length > 0) throw new Error(`${file.path} cannot be parsed: ${mistakes[0]?.message}`);
  return program;
}

/** What stands round a value without changing it. All other nodes of TypeScript's are types, and gone at run time. */
const TRANSPARENT = new Set([
  'ParenthesizedExpression',
  'TSAsExpression',
  'TSSatisfiesExpression',
  'TSNonNullExpression',
  'TSTypeAssertion',
  'TSInstantiationExpression',
]);

/**
 * @param {any} node
 * @param {any} parent
 * @param {(node: any, parent: any) => void} visit
 */
function walk(node, parent, visit) {
  if (TRANSPARENT.has(node.type)) {
    walk(node.expression, parent, visit);
    return;
  }
  if (node.type.startsWith('TS')) return;
  visit(node, parent);
  for (const [key, child] of Object.entries(node)) {
    // `a.process` and `{ process: 1 }` name a property, not the global.
    if (!node.computed && (key === 'property' || key === 'key')) continue;
    for (const item of Array.isArray(child) ? child : [child]) {
      if (typeof item === 'object' && item !== null && typeof item.type === 'string') walk(item, node, visit);
    }
  }
}

/**
 * The property a member expression reads, however it is written: `a.b`, `a?.b`, `a['b']`.
 *
 * @param {any} node
 * @returns {string | undefined}
 */
function propertyOf(node) {
  if (node?.type !== 'MemberExpression') return undefined;
  return node.computed ? String(node.property.value ?? '[computed]') : node.property.name;
}

/**
 * The keys of the object a file exports under a name.
 *
 * @param {File} file
 * @param {string} name
 * @returns {string[]}
 */
function keysOf(file, name) {
  /** @type {string[]} */
  const keys = [];
  walk(syntaxTree(file), undefined, (node, parent) => {
    if (node.type !== 'ObjectExpression' || parent.type !== 'VariableDeclarator' || parent.id.name !== name) return;
    keys.push(...node.properties.map((/** @type {any} */ property) => property.key?.name ?? property.key?.value));
  });
  return keys;
}

/**
 * @param {string} text
 * @param {number} offset
 */
function lineAt(text, offset) {
  return text.slice(0, offset).split('\n').length;
}
