import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * What is bundled is passed on, and its licenses want to be passed on with it.
 */
const MODULES = '/node_modules/';

/**
 * The packages that modules are from, each with its license as it came with it.
 *
 * @param {Iterable<string>} modules paths, as a bundler names them
 * @returns {string}
 */
export function notices(modules) {
  const folders = [...new Set([...modules].flatMap(packageOf))];
  const texts = new Map(folders.map((folder) => notice(folder)));
  return [...texts.keys()]
    .toSorted()
    .map((title) => `${title}\n\n${texts.get(title)}\n`)
    .join(`\n${'─'.repeat(78)}\n\n`);
}

/**
 * The folder of the package that a module is in; none for hauki's own.
 *
 * @param {string} path
 * @returns {string[]}
 */
function packageOf(path) {
  // Bundlers mark modules of their own making with a NUL, and may hang a query on a path.
  const [file = ''] = path.replace(/^\0/, '').split('?');
  const at = file.lastIndexOf(MODULES);
  if (at === -1) return [];
  const [scope = '', name = ''] = file.slice(at + MODULES.length).split('/');
  return [join(file.slice(0, at), MODULES, scope.startsWith('@') ? `${scope}/${name}` : scope)];
}

/**
 * @param {string} folder
 * @returns {[title: string, text: string]}
 */
function notice(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder, { withFileTypes: true })
    .filter((one) => one.isFile() && /^(?:licen[sc]e|notice)(?:\.(?:md|txt))?$/i.test(one.name))
    .map(({ name }) => name);
  if (license === undefined && files.length === 0)
    throw new Error(`Nothing in ${folder} says under which license it may be passed on.`);
  const by = typeof author === 'string' ? author : author?.name;
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [
    `${name} ${version}${license === undefined ? '' : ` (${license})`}`,
    texts.length === 0 ? `Copyright ${by ?? `the authors of ${name}`}` : texts.join('\n\n'),
  ];
}
