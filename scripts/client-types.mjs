import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

import ts from 'typescript';

/*
 * Declarations for whoever imports `hauki/client`: those of src/bin/library.ts and of what they name, file by file as in src/.
 * What the HTTP contract infers from its schemas is written out, so that nobody needs zod to read it.
 */
const ENTRY = 'src/bin/library.ts';
const CONTRACT = ['http', 'events', 'mesh', 'tasks', 'ledger'];

/**
 * @param {string} root the checkout
 * @param {string} folder where the declarations go
 */
export function writeClientTypes(root, folder) {
  const program = programOf(root);
  const src = join(root, 'src');
  /** @type {Map<string, string>} */
  const texts = new Map();
  program.emit(undefined, (path, text) => texts.set(relative(src, path), text), undefined, true);
  for (const name of CONTRACT) texts.set(`wire/${name}.d.ts`, contract(program, join(src, `wire/${name}.ts`)));

  rmSync(folder, { recursive: true, force: true });
  for (const path of reached(texts, 'bin/library.d.ts')) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    // TypeScript finds `x.d.ts` for `x.js`, whatever stands there; for `x.ts` it would want the source.
    writeFileSync(file, (texts.get(path) ?? '').replaceAll(/(from ['"]\.[^'"]*)\.ts(['"])/g, '$1.js$2'));
  }
}

/** @param {string} root */
function programOf(root) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path));
  const { options: all } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const { tsBuildInfoFile: _, ...options } = all;
  return ts.createProgram([join(root, ENTRY)], {
    ...options,
    noEmit: false,
    incremental: false,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: join(root, 'src'),
    outDir: join(root, 'src'),
  });
}

/**
 * The types of the contract as plain declarations.
 *
 * @param {ts.Program} program
 * @param {string} path
 */
function contract(program, path) {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path);
  if (source === undefined) throw new Error(`${path} is not part of ${ENTRY}`);
  const { NoTruncation, InTypeAlias, MultilineObjectLiterals } = ts.TypeFormatFlags;
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source) ?? never(path));
  const written = exported.flatMap((symbol) => {
    if ((symbol.flags & (ts.SymbolFlags.TypeAlias | ts.SymbolFlags.Interface)) === 0) return [];
    const type = checker.getDeclaredTypeOfSymbol(symbol);
    if ((symbol.flags & ts.SymbolFlags.Interface) !== 0) return [membersOf(checker, symbol.name, type)];
    const text = checker.typeToString(type, undefined, NoTruncation | InTypeAlias | MultilineObjectLiterals);
    return [`export type ${symbol.name} = ${text};`];
  });
  return `${written.join('\n')}\n`;
}

/**
 * @param {ts.TypeChecker} checker
 * @param {string} name
 * @param {ts.Type} type
 */
function membersOf(checker, name, type) {
  const members = type.getProperties().map((member) => {
    const text = checker.typeToString(checker.getTypeOfSymbol(member), undefined, ts.TypeFormatFlags.NoTruncation);
    return `  readonly ${member.name}${(member.flags & ts.SymbolFlags.Optional) === 0 ? '' : '?'}: ${text};`;
  });
  return `export interface ${name} {\n${members.join('\n')}\n}`;
}

/**
 * A file and those it names, so that nothing is handed out that nobody can reach.
 *
 * @param {ReadonlyMap<string, string>} texts
 * @param {string} first
 */
function reached(texts, first) {
  const found = new Set([first]);
  for (const path of found) {
    for (const [, named = ''] of (texts.get(path) ?? '').matchAll(/from ['"](\.[^'"]*)\.ts['"]/g)) {
      const other = `${relative('/', resolve('/', dirname(path), named))}.d.ts`;
      if (!texts.has(other)) throw new Error(`${path} names ${other}, which was not written`);
      found.add(other);
    }
  }
  return found;
}

/**
 * @param {string} path
 * @returns {never}
 */
function never(path) {
  throw new Error(`${path} exports nothing`);
}
