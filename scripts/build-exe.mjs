import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/*
 * Makes exe/hauki-linux-x64 and exe/hauki-linux-arm64: hauki for machines without Node, by Bun. Needs dist/, as `node scripts/setup.mjs`
 * leaves it; does nothing when they are what dist/ is.
 *
 * Bun is 100 MB a platform, so it is no dependency of the checkout: tools/bun has a lock file of its own, with the hash of each package.
 * Both packages are installed whatever this machine is, because the runtime of an executable comes out of them. For x64 it is the one that does
 * without AVX2: a container does not choose its host.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TOOLS = join(ROOT, 'tools/bun');
const OUT = join(ROOT, 'exe');
const STAMP = join(OUT, '.inputs');

/** @type {Readonly<Record<string, { target: string, runtime: string }>>} by what Node calls the architecture */
const TARGETS = {
  x64: { target: 'bun-linux-x64-baseline', runtime: '@oven/bun-linux-x64-baseline' },
  arm64: { target: 'bun-linux-arm64', runtime: '@oven/bun-linux-aarch64' },
};

const FLAGS = [
  '--minify',
  // The command line starts in half the time when it does not have to be parsed.
  '--bytecode',
  // What lies in the folder where somebody happens to stand is none of its business.
  '--no-compile-autoload-dotenv',
  '--no-compile-autoload-bunfig',
  // Native parts: commands that need them say so (src/bin/standalone.ts).
  '--external=koffi',
  '--external=@photostructure/sqlite',
];

const inputs = inputsHash();
if (!existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== inputs) {
  installBun();
  rmSync(STAMP, { force: true });
  mkdirSync(OUT, { recursive: true });
  const sums = Object.entries(TARGETS).map(([arch, target]) => `${make(arch, target)}  hauki-linux-${arch}\n`);
  writeFileSync(join(OUT, 'SHA256SUMS'), sums.join(''));
  writeFileSync(STAMP, inputs);
}

function inputsHash() {
  const stamp = join(ROOT, 'dist/.inputs');
  if (!existsSync(stamp)) throw new Error('There is no dist/. Run "node scripts/setup.mjs" first.');
  const hash = createHash('sha256');
  for (const file of [stamp, join(TOOLS, 'package-lock.json'), fileURLToPath(import.meta.url)])
    hash.update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

function installBun() {
  const installed = join(TOOLS, 'node_modules/.package-lock.json');
  const versions = (/** @type {string} */ file) =>
    JSON.stringify(
      Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages)
        .filter(([path]) => path !== '')
        .map(([path, { integrity }]) => [path, integrity]),
    );
  if (existsSync(installed) && versions(installed) === versions(join(TOOLS, 'package-lock.json'))) return;
  say('installing Bun …');
  // By force, because one of the two is for another machine.
  run('npm', ['ci', '--force', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], TOOLS);
}

/**
 * @param {string} arch
 * @param {{ target: string, runtime: string }} how
 * @returns {string} its SHA-256
 */
function make(arch, { target, runtime }) {
  const file = join(OUT, `hauki-linux-${arch}`);
  const draft = `${file}.new`;
  const named = join(TOOLS, 'node_modules', runtime, 'bin/bun');
  const args = ['build', '--compile', `--target=${target}`, `--compile-executable-path=${named}`, ...FLAGS];
  run(builder(), [...args, join(ROOT, 'dist/hauki.cjs'), `--outfile=${draft}`], ROOT);
  const bytes = readFileSync(draft);
  renameSync(draft, file);
  say(`exe/hauki-linux-${arch}: ${Math.round(bytes.length / 1e6)} MB`);
  return createHash('sha256').update(bytes).digest('hex');
}

/** The Bun that runs on this machine. */
function builder() {
  const own = TARGETS[process.arch];
  if (process.platform !== 'linux' || own === undefined)
    throw new Error(`Executables are built on Linux, x64 or arm64; this is ${process.platform} ${process.arch}.`);
  return join(TOOLS, 'node_modules', own.runtime, 'bin/bun');
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 */
function run(program, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${error?.message ?? `${stdout}${stderr}`}`);
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`build:exe: ${text}\n`);
}
