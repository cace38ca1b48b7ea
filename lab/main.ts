import { spawn } from 'node:child_process';
import { availableParallelism, totalmem } from 'node:os';

import { packCargo } from './cargo.ts';
import { loadScenarios, scenarioNames } from './discovery.ts';
import { longWork, runHost, say } from './host.ts';
import { ensureImage, type Image } from './image.ts';
import { Machine } from './machine.ts';
import { ensurePackages } from './packages.ts';
import { Queue } from './queue.ts';
import { RECIPE } from './recipe.ts';
import { closingLine } from './report.ts';
import { cacheFolder, openRun, type Run } from './run.ts';
import { notRun, runSuite } from './suite.ts';
import { commandLine } from './words.ts';

/*
 * `npm run lab`: a throw-away Debian with OpenZFS, LXD and systemd, and scenarios that are run in it. The last line is
 * `N passed, N failed`; exit 0 when all passed, 1 when not, 64 when it was asked wrongly, 130 after Ctrl-C.
 */
const HELP = `npm run lab [-- NAME…]     run all scenarios, or some
npm run lab -- list         name them
npm run lab -- shell        boot, and open a shell in the guest
npm run lab -- build        build the image if it is not in the cache
npm run lab -- bench [NAME…]   measure hauki on ZFS in the guest: ratios to the raw commands of the same run

Two machines share the scenarios where there are four cores and 10 GiB; HAUKI_LAB_MACHINES says another number. With
HAUKI_LAB_MINUTES, scenarios that do not fit into that time are left out and named; which ones changes with each commit.
The image takes some minutes once, and is cached in $HAUKI_LAB_CACHE (default: hauki-lab in the user's cache directory).`;

/** scripts/run.mjs starts this in the root of the checkout. */
const ROOT = process.cwd();
/** What is measured in the guest; see bench/main.ts. */
const BENCHES = ['zfs-clear', 'zfs-rollback', 'zfs-list'];
/** What a machine takes of the host's memory, with room for the host. */
const MACHINE_BYTES = 5 * 1024 ** 3;
const EXIT_USAGE = 64;
const EXIT_INTERRUPTED = 130;
const MINUTES = Number(process.env['HAUKI_LAB_MINUTES'] ?? Infinity);

const stop = stopSignal();
process.exitCode = await main(process.argv.slice(2));
// Whatever a scenario that was stopped still waits for.
process.exit();

async function main(args: readonly string[]): Promise<number> {
  if (args.some((arg) => ['--help', '-h', 'help'].includes(arg))) {
    console.log(HELP);
    return 0;
  }
  if (!(MINUTES > 0)) {
    console.error(`HAUKI_LAB_MINUTES is a number of minutes, and not "${process.env['HAUKI_LAB_MINUTES']}".`);
    return EXIT_USAGE;
  }
  const names = scenarioNames(ROOT);
  const [first = ''] = args;
  const command = ['list', 'shell', 'build', 'bench'].includes(first) ? first : 'run';
  const known = ({ run: names, bench: BENCHES } as Record<string, readonly string[]>)[command] ?? [];
  const given = command === 'run' ? args : args.slice(1);
  const wrong = given.find((arg) => !known.includes(arg));
  if (wrong !== undefined) {
    console.error(
      command === 'run'
        ? `There is no scenario "${wrong}". There are: ${names.join(', ')}; and list, shell, build, bench, --help.`
        : `"${command}" takes ${known.length === 0 ? 'no arguments' : known.join(', ')}, and was given "${wrong}".`,
    );
    return EXIT_USAGE;
  }
  const asked = given.length === 0 ? known : given;
  try {
    if (command === 'list') await list(names);
    else if (command === 'build') await image();
    else if (command === 'shell') return await withMachine(shell);
    else if (command === 'bench') return await withMachine((machine) => bench(asked, machine));
    else return await scenarios(asked);
    return 0;
  } catch (error) {
    if (stop.aborted) {
      say(`broken off: ${(stop.reason as Error).message}`);
      return EXIT_INTERRUPTED;
    }
    const cause = error instanceof Error && error.cause instanceof Error ? `\n${error.cause.message}` : '';
    say(`${error instanceof Error ? error.message : String(error)}${cause}`);
    // What was not run is not passed.
    if (command === 'run') console.log(`0 passed, ${asked.length} failed`);
    return 1;
  }
}

async function list(names: readonly string[]): Promise<void> {
  for (const [name, { about }] of await loadScenarios(ROOT, names)) console.log(`${name.padEnd(12)} ${about}`);
}

async function image(): Promise<Image> {
  await ensurePackages(stop);
  return ensureImage(RECIPE, cacheFolder(process.env), stop);
}

async function withMachine<T>(work: (machine: Machine, run: Run) => Promise<T>): Promise<T> {
  const built = await image();
  const run = openRun(cacheFolder(process.env), new Date());
  try {
    const cargo = await longWork('packing the cargo', () => packCargo(ROOT, run.scratch, stop));
    const machine = new Machine(built, cargo, run, stop);
    try {
      return await work(machine, run);
    } finally {
      await machine.discard();
    }
  } finally {
    run.close();
  }
}

async function scenarios(names: readonly string[]): Promise<number> {
  await image();
  const turn = await runHost(['git', '-C', ROOT, 'rev-parse', 'HEAD'], { stop }).catch(() => '');
  const queue = new Queue(await loadScenarios(ROOT, names), { minutesLeft, turn });
  const machines = Array.from({ length: Math.min(machinesMax(), names.length) }, () =>
    withMachine(async (machine, run) => {
      const results = await runSuite(queue, { machine, logs: run.logs, stop });
      say(`logs are in ${run.logs}`);
      return results;
    }),
  );
  const results = [...(await Promise.all(machines)).flat(), ...notRun(queue, minutesLeft() < Infinity)];
  const failed = results.filter(({ failure }) => failure.length > 0);
  // Once more: of a log of which only the end is kept, this is what is needed.
  for (const { name, atFirst, failure } of results)
    if (atFirst !== undefined && failure.length === 0)
      console.log([`passed when run again: ${name}; at first:`, ...atFirst].join('\n'));
  const leftOut = results.filter((result) => result.leftOut === true).map(({ name }) => name);
  if (leftOut.length > 0) console.log(`left out, for want of time: ${leftOut.join(', ')}`);
  for (const { name, failure } of failed) console.log([`failed: ${name}:`, ...failure].join('\n'));
  console.log(closingLine(results));
  // A run for which there was no time at all has shown nothing.
  const ran = leftOut.length < results.length;
  return ran && failed.length === 0 && results.every(({ inner }) => inner.failed === 0) ? 0 : 1;
}

async function shell(machine: Machine, run: Run): Promise<number> {
  await longWork('booting', () => machine.boot());
  const [command = '', ...args] = machine.ssh.argv;
  console.log(`
The checkout is at /opt/hauki (writable, yours alone); "hauki" and "node" are on the PATH. The disk for a pool is
/dev/disk/by-id/virtio-pool: zpool create tank /dev/disk/by-id/virtio-pool. A container image for LXD is in /opt/lab.
From another terminal, as long as this shell is open:
  ${machine.ssh.argv.join(' ')}
The console is in ${machine.console}. When you leave, all of it is thrown away.
`);
  const terminal = process.stdin.isTTY ? ['-t'] : [];
  const child = spawn(command, [...terminal, ...args], { stdio: 'inherit' });
  const end = (): void => void child.kill();
  stop.addEventListener('abort', end);
  const code = await new Promise<number>((resolve) => void child.once('exit', (code) => resolve(code ?? 1)));
  stop.throwIfAborted();
  say(`logs are in ${run.logs}`);
  return code;
}

/** Each keeps two cores busy: more machines than that only make each other slow. */
function machinesMax(): number {
  const asked = Number(process.env['HAUKI_LAB_MACHINES']);
  if (Number.isSafeInteger(asked) && asked > 0) return asked;
  const fit = Math.min(availableParallelism() / 2, totalmem() / MACHINE_BYTES, 2);
  return Math.max(1, Math.floor(fit));
}

/** What is left of HAUKI_LAB_MINUTES; without it, there is no end. */
function minutesLeft(): number {
  return MINUTES - process.uptime() / 60;
}

/** Figures are no tests: nothing fails when one is missed. */
async function bench(names: readonly string[], machine: Machine): Promise<number> {
  await longWork('booting', () => machine.boot());
  const argv = ['node', 'scripts/run.mjs', 'bench', ...names];
  const onOutput = (text: string): void => void process.stdout.write(text);
  const { code } = await machine.ssh.start(commandLine(argv, { cwd: '/opt/hauki' }), { stop, onOutput }).done;
  return code;
}

/** Aborts at Ctrl-C, at the signals that end things, and when whoever started this is gone. The second time, it ends at once. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const abort = (why: string): void => {
    // QEMU and what else was started have a leash, see host.ts.
    if (controller.signal.aborted) process.exit(EXIT_INTERRUPTED);
    controller.abort(new Error(why));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort(signal));
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    abort('the process that started the lab is gone');
  }, 1_000);
  watch.unref();
  return controller.signal;
}
