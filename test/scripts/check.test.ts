import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { layerFindings } from '../../scripts/layers.mjs';
import { RULES } from '../../scripts/rules.mjs';

/* A checker that finds nothing looks like a project without mistakes, so each rule is shown one. */

/* Put together here, or this file would break the very rules it tests. */
const MARKER = ['TO', 'DO'].join('');
const ELSEWHERE = ['', 'work'].join('/');

/** Rule, what is wrong, files that break it, what is found. */
const REFUSED: readonly [
  rule: string,
  what: string,
  files: Readonly<Record<string, string>>,
  found: readonly string[],
][] = [
  [
    'purity',
    'the time, however asked for',
    { 'src/core/a.ts': 'const a = Date.now();\nnew Date();\nDate();\nconst { now } = Date;' },
    [
      'src/core/a.ts:1: Date.now is not pure',
      'src/core/a.ts:2: new Date() is not pure',
      'src/core/a.ts:3: Date is not pure',
      'src/core/a.ts:4: Date is not pure',
    ],
  ],
  [
    'purity',
    'randomness',
    { 'src/base/a.ts': 'export const a = Math.random();' },
    ['src/base/a.ts:1: Math.random is not pure'],
  ],
  [
    'purity',
    'what only looks like a property',
    { 'src/base/a.ts': "export const a = Math['random']();\nf({ process });" },
    ['src/base/a.ts:1: Math.random is not pure', 'src/base/a.ts:2: process is not pure'],
  ],
  [
    'purity',
    'timers, the process and the log',
    { 'src/core/a/b.ts': 'setTimeout(f, 1);\nexport const e = process.env;\nconsole.log(1);' },
    [
      'src/core/a/b.ts:1: setTimeout is not pure',
      'src/core/a/b.ts:2: process is not pure',
      'src/core/a/b.ts:3: console is not pure',
    ],
  ],
  [
    'purity',
    'behind a type assertion',
    { 'src/core/a.ts': 'export const a = (Date as any).now();' },
    ['src/core/a.ts:1: Date.now is not pure'],
  ],
  [
    'exit',
    'process.exit outside bin',
    { 'src/engine/a.ts': 'if (x) process.exit(1);' },
    ['src/engine/a.ts:1: process.exit outside src/bin'],
  ],
  [
    'leftovers',
    'a note to oneself',
    { 'src/engine/a.ts': `\n// ${MARKER} later`, 'docs/a.md': `${MARKER}: say more` },
    [`src/engine/a.ts:2: ${MARKER} left over`, `docs/a.md:1: ${MARKER} left over`],
  ],
  [
    'length',
    'a file of 401 lines',
    { 'src/engine/a.ts': '\n'.repeat(400) + 'x\n' },
    ['src/engine/a.ts: 401 lines, 400 at most: it does more than one thing'],
  ],
  [
    'names',
    'a file and a folder without a meaning',
    { 'src/core/utils.ts': '', 'test/helpers/a.ts': '', 'src/wire/types.test.ts': '' },
    [
      'src/core/utils.ts: "utils.ts" says nothing about what is inside',
      'test/helpers/a.ts: "helpers" says nothing about what is inside',
      'src/wire/types.test.ts: "types.test.ts" says nothing about what is inside',
    ],
  ],
  [
    'architecture',
    'paths that are not there',
    { 'ARCHITECTURE.md': 'See `src/core/gone.ts`,\n`src/gone/`, `gone.md` and `sim/`.', 'src/core/a.ts': '' },
    [
      'ARCHITECTURE.md:1: src/core/gone.ts does not exist',
      'ARCHITECTURE.md:2: src/gone/ does not exist',
      'ARCHITECTURE.md:2: gone.md does not exist',
      'ARCHITECTURE.md:2: sim/ does not exist',
    ],
  ],
  [
    'links',
    'what leads nowhere, and a heading that is not there',
    {
      'README.md': 'See [a](docs/a.md#two-words), [b](docs/b.md),\n[c](docs/a.md#three) and <img src="docs/c.svg">.',
      'docs/a.md':
        '# Two words!\n[up](../README.md) `docs/gone.md` [x](#two-words) [y](#gone) `dist/x`\n```sh\n[z](z.md)\n```\n',
    },
    [
      'README.md:1: docs/b.md leads nowhere',
      'README.md:2: docs/a.md#three leads nowhere',
      'README.md:2: docs/c.svg leads nowhere',
      'docs/a.md:2: #gone leads nowhere',
      'docs/a.md:2: docs/gone.md leads nowhere',
    ],
  ],
  [
    'errors',
    'a code without its page and the reverse',
    {
      'src/base/codes.ts': 'export const CODES = { usage: { http: 400 }, lease_lost: {} } as const satisfies X;',
      'docs/errors.md': '## `usage`\n\n| `gone` | … |\n',
    },
    ['docs/errors.md: lease_lost is not explained', 'docs/errors.md: gone is not in src/base/codes.ts'],
  ],
  [
    'errors',
    'no page at all',
    { 'src/base/codes.ts': 'export const CODES = { usage: {} };' },
    ['docs/errors.md: is missing, and has 1 codes to explain'],
  ],
  [
    'errors',
    'a catalogue it cannot read',
    { 'src/base/codes.ts': 'export const CODES = make();', 'docs/errors.md': '' },
    ['src/base/codes.ts: no codes found: is it still "export const CODES = { … }"?'],
  ],
  [
    'machine',
    'a path of one machine',
    { 'README.md': `cd ${ELSEWHERE}/main` },
    [`README.md:1: ${ELSEWHERE}/main is a path of one machine`],
  ],
  [
    'lockfile',
    'a registry',
    { 'package-lock.json': '{\n"resolved": "https://example.org/a.tgz" }', '.npmrc': 'registry=https://example.org' },
    [
      'package-lock.json:2: names a registry: see omit-lockfile-registry-resolved',
      '.npmrc:1: names a registry: see omit-lockfile-registry-resolved',
    ],
  ],
  [
    'lockfile',
    'a gap where packages for other platforms belong',
    {
      'package-lock.json': JSON.stringify({
        packages: {
          'node_modules/a': { optionalDependencies: { 'a-linux': '2.0.0', 'a-mac': '2.0.0', 'a-win': '2.0.0' } },
          'node_modules/a/node_modules/a-linux': { version: '2.0.0' },
          'node_modules/a-linux': { version: '1.0.0' },
          'node_modules/a-mac': { version: '1.0.0' },
        },
      }),
    },
    [
      'package-lock.json: node_modules/a wants a-mac 2.0.0, which is not in it: take a version the registry has whole',
      'package-lock.json: node_modules/a wants a-win 2.0.0, which is not in it: take a version the registry has whole',
    ],
  ],
];

/** What must be let through, or people would learn to work round the check. */
const ALLOWED: readonly [rule: string, what: string, files: Readonly<Record<string, string>>][] = [
  [
    'purity',
    'arithmetic on a given time',
    { 'src/core/a.ts': 'export const a = (ms: number) => new Date(ms).getTime() + Date.UTC(2026, 0);' },
  ],
  [
    'purity',
    'words in comments, strings, types and properties',
    {
      'src/core/a.ts':
        "// process. Date.now()\nexport const a = 'setTimeout';\nexport type D = Date;\nexport const f = (x: { process: 1 }) => x.process;\nexport const o = { console: 1 };",
    },
  ],
  ['purity', 'the clock outside core', { 'src/engine/a.ts': 'Date.now();' }],
  ['exit', 'process.exit in bin', { 'src/bin/a.ts': 'process.exit(0);' }],
  ['length', 'a file of 400 lines', { 'src/engine/a.ts': '\n'.repeat(399) + 'x\n' }],
  ['names', 'names that contain such a word', { 'src/wire/common-name.ts': '', 'src/types-of-lock/a.ts': '' }],
  [
    'architecture',
    'paths that are there, and what is no path',
    {
      'ARCHITECTURE.md': '`src/core/a.ts`, `core/`, `src/core`, `tank/a`, `application/json`, `hauki up`, `Storage`',
      'src/core/a.ts': '',
    },
  ],
  [
    'machine',
    'paths of every machine',
    { 'README.md': `docs/work/a, ${['', 'home', 'alice', 'x'].join('/')}, /etc/hauki, https://example.org/work/a` },
  ],
];

describe('rules', () => {
  test.each(REFUSED)('%s refuses %s', (rule, _what, files, found) => {
    expect(judge(rule, files)).toEqual(found);
  });

  test.each(ALLOWED)('%s allows %s', (rule, _what, files) => {
    expect(judge(rule, files)).toEqual([]);
  });

  test('each has been shown a mistake', () => {
    expect(new Set(REFUSED.map(([rule]) => rule))).toEqual(new Set(Object.keys(RULES)));
  });
});

function judge(rule: string, files: Readonly<Record<string, string>>): string[] {
  const list = Object.entries(files).map(([path, text]) => ({ path, text }));
  return (RULES[rule]?.(list) ?? []).map(({ path, message }) => `${path}: ${message}`);
}

type Look = Parameters<typeof layerFindings>[1];
const blind = () => Promise.resolve({ exitCode: 0, output: { modules: [], summary: { violations: [] } } });

describe('layers', () => {
  let root = '';
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'hauki-layers-'));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test('every forbidden import is found, also one of types only, and none of the allowed ones is', async () => {
    const ok = {
      'src/base/id.ts': 'export const id = 1; export type Id = 1;',
      'src/core/lease.ts': "import { id } from '../base/id.ts'; export const lease = id;",
      'src/ports/clock.ts': "import type { Id } from '../base/id.ts'; export type Clock = Id;",
      'src/wire/line.ts': "import { lease } from '../core/lease.ts'; export const line = lease;",
      'src/engine/loop.ts': "import { lease } from '../core/lease.ts'; export const loop = lease;",
      'src/storage/tree/copy.ts': "import fs from 'node:fs'; export const copy = fs;",
      'src/storage/btrfs/pool.ts': "import { copy } from '../tree/copy.ts'; export const pool = copy;",
      'src/storage/lvm/pool.ts': "import { line } from '../../wire/line.ts'; export const pool = line;",
      'src/doors/http/serve.ts': "import { loop } from '../../engine/loop.ts'; export const serve = loop;",
      'src/ledger/audit.ts': "export { open } from './sqlite/open.ts';",
      'src/ledger/sqlite/open.ts': 'export const open = 1;',
      'src/bin/hauki.ts': "import '../doors/http/serve.ts'; import '../storage/lvm/pool.ts'; export const main = 1;",
    };
    const bad = {
      'src/base/a.ts': "import type { lease } from '../core/lease.ts'; export type A = typeof lease;",
      'src/core/b.ts': "import 'node:fs'; export {};",
      'src/core/c.ts': "import { test } from 'vitest'; export const c = test;",
      'src/engine/d.ts': "export { pool } from '../storage/lvm/pool.ts';",
      'src/storage/lvm/e.ts': "export { pool } from '../btrfs/pool.ts';",
      'src/storage/lvm/f.ts': "export { copy } from '../tree/copy.ts';",
      'src/storage/tree/g.ts': "export { pool } from '../btrfs/pool.ts';",
      'src/storage/btrfs/i.ts': "export { j } from '../../vault/sshfs/j.ts';",
      'src/vault/sshfs/j.ts': 'export const j = 1;',
      'src/ledger/etcd/h.ts': "export { open } from '../audit.ts';",
      'src/doors/irc/k.ts': "export const k = () => import('../http/serve.ts');",
      'src/client/l.ts': "export { loop } from '../engine/loop.ts';",
      'src/node/m.ts': "export { main } from '../bin/hauki.ts';",
      'src/engine/n.ts': "export { t } from '../../test/t.ts';",
      'src/engine/o.ts': "import { p } from './p.ts'; export const o = p;",
      'src/engine/p.ts': "import type { o } from './o.ts'; export const p = 1 as typeof o;",
      'src/engine/q.ts': "import './gone.ts'; export {};",
      'src/attic/r.ts': 'export const r = 1;',
      'test/t.ts': 'export const t = 1;',
    };
    write({ ...ok, ...bad });
    const findings = await layerFindings(root);
    const said = findings.map(
      ({ path, message }) => `${path} ${message.replace(/\S*node_modules\S*(?=:)/, 'a package')}`,
    );
    expect(said.toSorted()).toEqual([
      'src/attic/r.ts is in no layer: name its folder in scripts/layers.mjs',
      'src/base/a.ts imports src/core/lease.ts: base imports only base',
      'src/client/l.ts imports src/engine/loop.ts: client imports only client, base, wire',
      'src/core/b.ts imports fs: base and core import no packages and no built-ins',
      'src/core/c.ts imports a package: base and core import no packages and no built-ins',
      'src/doors/irc/k.ts reaches src/doors/http/serve.ts: adapters do not reach each other',
      'src/engine/d.ts imports src/storage/lvm/pool.ts: engine imports only engine, base, core, ports',
      'src/engine/n.ts imports test/t.ts: src imports nothing from test, sim, lab, bench, scripts or web',
      'src/engine/o.ts imports src/engine/p.ts: no cycles',
      'src/engine/q.ts imports ./gone.ts: imports can be resolved',
      'src/ledger/etcd/h.ts reaches src/ledger/sqlite/open.ts: adapters do not reach each other',
      'src/node/m.ts imports src/bin/hauki.ts: node imports only node, base, core, ports, wire, client',
      'src/storage/btrfs/i.ts imports src/vault/sshfs/j.ts: storage imports only storage, base, core, ports, wire',
      'src/storage/btrfs/i.ts reaches src/vault/sshfs/j.ts: adapters do not reach each other',
      'src/storage/lvm/e.ts reaches src/storage/btrfs/pool.ts: adapters do not reach each other',
      'src/storage/lvm/e.ts reaches src/storage/tree/copy.ts: adapters do not reach each other',
      'src/storage/lvm/f.ts reaches src/storage/tree/copy.ts: adapters do not reach each other',
      'src/storage/tree/g.ts reaches src/storage/btrfs/pool.ts: adapters do not reach each other',
    ]);
  });

  test('a check that sees no modules does not pass', async () => {
    write({ 'src/bin/hauki.ts': 'export {};' });
    const findings = await layerFindings(root, blind as unknown as Look);
    expect(findings.at(-1)?.message).toMatch(/^only 0 of \d+ modules were seen: the check is blind$/);
  });

  function write(files: Readonly<Record<string, string>>): void {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    rmSync(join(root, 'node_modules'), { force: true });
    symlinkSync(join(import.meta.dirname, '../../node_modules'), join(root, 'node_modules'));
  }
});
