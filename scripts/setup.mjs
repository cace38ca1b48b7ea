import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build, isBuilt } from './build.mjs';

/*
 * Makes a checkout ready to run: installs the packages package-lock.json names, then builds dist/. Does only what is
 * missing, so `npm start` and `npm test` always begin with it; when nothing is, it costs 30 ms and says nothing.
 * `--build` builds even so, with the declarations that go into the package. Everything it says goes to stderr: stdout belongs to the command that comes after.
 *
 * It runs before anything is installed, hence plain JavaScript and nothing but Node's own modules. It also has to be
 * read by a Node that is too old, to tell it so: no syntax and no imports here that Node 14 does not have.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK = join(ROOT, '.setup.lock');
const NODE_FLOOR = [20, 19];

/** What stands in the way, told to a person; anything else that is thrown is a defect and shows its stack. */
class Obstacle extends Error {}

try {
  await setUp(process.argv.includes('--build'));
} catch (error) {
  if (!(error instanceof Obstacle)) throw error;
  say(error.message);
  process.exitCode = 1;
}

/** @param {boolean} always build even when dist/ is fresh */
async function setUp(always) {
  requireNode();
  if (!always && isInstalled() && isBuilt(ROOT)) return;
  const release = await lock();
  try {
    // Asked again under the lock: whoever held it before may have done the work.
    if (!isInstalled()) await step('installing packages', install);
    if (always || !isBuilt(ROOT)) await step('building', bundle);
    if (always) await step('writing declarations', declarations);
  } finally {
    release();
  }
}

function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [floorMajor = 0, floorMinor = 0] = NODE_FLOOR;
  if (major > floorMajor || (major === floorMajor && minor >= floorMinor)) return;
  throw new Obstacle(
    `Node ${process.versions.node} is too old, ${NODE_FLOOR.join('.')} or newer is needed: see nodejs.org.`,
  );
}

/**
 * Whether node_modules holds what package-lock.json says. npm writes its own account of what it installed, as its last
 * act, to node_modules/.package-lock.json; comparing the two also understands what a developer's `npm install` did,
 * where a stamp of our own would only know that something changed. Optional packages may be missing: most of them are
 * for other platforms.
 */
function isInstalled() {
  const wanted = packagesIn('package-lock.json');
  const there = packagesIn('node_modules/.package-lock.json');
  if (wanted === undefined || there === undefined) return false;
  const matches = Object.entries(wanted).every(([path, entry]) => {
    const found = there[path];
    if (path === '') return true;
    return found === undefined
      ? entry.optional === true
      : found.version === entry.version && found.integrity === entry.integrity;
  });
  return matches && Object.keys(there).every((path) => path in wanted);
}

/**
 * @param {string} path of a lock file of npm's, relative to the checkout
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean }> | undefined}
 */
function packagesIn(path) {
  try {
    return JSON.parse(readFileSync(join(ROOT, path), 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function install() {
  // Install scripts are not needed by anything here (native parts come prebuilt), and are the usual way in for malware.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  // npm's own patience is 70 s a request, which is long to find out that there is no network.
  args.push('--fetch-retries=3', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=10000');
  // Started by npm, its own path is known and PATH need not have it.
  const npm = process.env['npm_execpath'];
  const [command, ...before] = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  const { code, output } = await run(command, [...before, ...args]);
  if (code === 0) return;
  if (/ENOENT/.test(output) && code === undefined)
    throw new Obstacle('npm was not found; install it next to Node, then try again.');
  const offline =
    /EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT/.test(output);
  const hint = offline
    ? 'The npm registry cannot be reached. Connect this machine to the network, or name a mirror with `npm config set ' +
      'registry`, or copy node_modules from a machine of the same kind; then try again.'
    : 'Mend that, then try again.';
  // The first lines say what went wrong; after them npm prints its manual.
  const said = output.trim().split('\n').slice(0, 12).join('\n');
  throw new Obstacle(`packages could not be installed. npm said:\n${said}\nsetup: ${hint}`);
}

async function bundle() {
  if (!existsSync(join(ROOT, 'src/bin/hauki.ts')))
    throw new Obstacle('src/bin/hauki.ts is missing: this checkout is not whole.');
  try {
    await build(ROOT);
  } catch (error) {
    throw new Obstacle(`the build failed.\n${error instanceof Error ? error.message : error}`);
  }
}

async function declarations() {
  const { writeClientTypes } = await import('./client-types.mjs');
  writeClientTypes(ROOT, join(ROOT, 'dist/types'));
}

/**
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<{ code: number | undefined, output: string }>}
 */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ code: undefined, output: String(error) }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Says when a step begins, that it is still at it, and how long it took.
 *
 * @param {string} name
 * @param {() => Promise<void>} work
 */
async function step(name, work) {
  const begun = performance.now();
  const seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
  say(`${name} …`);
  const ticker = setInterval(() => say(`still ${name} (${seconds()} s)`), 10_000);
  try {
    await work();
  } finally {
    clearInterval(ticker);
  }
  say(`${name}: done in ${seconds()} s`);
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

/**
 * One set-up at a time. The lock is a folder that holds one file, named after its owner; both appear in one rename,
 * which the kernel refuses while another's is there. A dead owner's file is removed by its exact name, so two who find
 * it dead cannot remove a third one's fresh lock; the empty folder left over does not stop a rename.
 *
 * @returns {Promise<() => void>} gives the lock back
 */
async function lock() {
  const me = ownerName(process.pid);
  let told = false;
  for (;;) {
    const draft = mkdtempSync(`${LOCK}-`);
    writeFileSync(join(draft, me), '');
    try {
      renameSync(draft, LOCK);
      return () => {
        rmSync(join(LOCK, me), { force: true });
        try {
          rmdirSync(LOCK);
        } catch {
          // Somebody else has it already, which is as good.
        }
      };
    } catch (error) {
      rmSync(draft, { recursive: true });
      if (!isTaken(error)) throw error;
    }
    const owner = lockOwner();
    const pid = Number(owner?.split('-')[0]);
    if (owner !== undefined && ownerName(pid) !== owner) {
      rmSync(join(LOCK, owner), { force: true });
      continue;
    }
    if (owner !== undefined && !told) {
      say(`process ${pid} is setting up as well; waiting for it`);
      told = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function lockOwner() {
  try {
    return readdirSync(LOCK)[0];
  } catch {
    // Given back in this very moment.
    return undefined;
  }
}

/**
 * A process id alone comes back after a while; together with the time its process started it does not.
 *
 * @param {number} pid
 */
function ownerName(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return `${pid}-${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    // No such process, or no /proc on this system: then the process id has to do.
  }
  try {
    process.kill(pid, 0);
    return `${pid}-alive`;
  } catch {
    return `${pid}-dead`;
  }
}

/** @param {unknown} error */
function isTaken(error) {
  return error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST');
}
