import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * What `npm test` runs after the set-up: everything that reads the code, then the tests. The readers run side by side
 * and all to their end, so one run shows every complaint; what passes says one line, and only what fails says more.
 * Arguments are handed to vitest: `npm test -- test/core` runs those tests only, still after all the readers.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @type {[name: string, command: string, ...args: string[]][]} */
const READERS = [
  ['types', bin('tsc')],
  ['types of the page', bin('tsc'), '--project', 'web'],
  ['check', process.execPath, 'scripts/check.mjs'],
  ['lint', bin('oxlint')],
  ['format', bin('oxfmt'), '--check'],
  ['dead code', bin('knip')],
];

const waiting = [...READERS];
const passed = await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, readNext));
if (!passed.every(Boolean)) process.exitCode = 1;
else process.exitCode = await vitest(process.argv.slice(2));

/** @returns {Promise<boolean>} whether all that this worker took from the queue passed */
async function readNext() {
  const reader = waiting.shift();
  if (reader === undefined) return true;
  const [name, command, ...args] = reader;
  const begun = performance.now();
  const { code, output } = await run(command, args);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(code === 0 ? `${name}: ok (${seconds} s)` : `${output.trim()}\n${name}: FAILED (${seconds} s)`);
  return (await readNext()) && code === 0;
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ code: number, output: string }>}
 */
function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * @param {string[]} args
 * @returns {Promise<number>}
 */
function vitest(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(bin('vitest'), ['run', ...args], { cwd: ROOT, stdio: 'inherit' });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** @param {string} name */
function bin(name) {
  return join(ROOT, 'node_modules/.bin', name);
}
