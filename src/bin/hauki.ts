import { Command, CommanderError, Option } from 'commander';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { ExportOptions, VerifyOptions } from './commands/audit.ts';
import type { ControllerOptions } from './commands/controller.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import type { ExecOptions } from './commands/exec.ts';
import { guard } from './commands/guard.ts';
import { diff, log, type ReadOptions, show } from './commands/history.ts';
import { evidence, prune, removeEvidence, seal, type SealOptions, snapshots } from './commands/kept.ts';
import { pin, resolve, rollback } from './commands/outcome.ts';
import type { RebuildOptions } from './commands/rebuild.ts';
import { locks, status } from './commands/status.ts';
import { watch } from './commands/watch.ts';
import { exitCodeOf, printRefusal, say } from './output.ts';
import { VERSION } from './version.ts';

/**
 * The command line: what can be said, and which file answers. What only a controller needs (a web server, storage, the ledger) is
 * loaded when it is called for; everything else is one file, because finding and loading a file costs more than what is in it.
 */

const EXIT_USAGE = 64;
const FINAL = ['queued', 'cleared', 'quarantined', 'committed', 'rolled_back', 'denied', 'cancelled'] as const;

let exitCode = 0;

const json = process.argv
  .slice(2, process.argv.includes('--') ? process.argv.indexOf('--') : undefined)
  .includes('--json');

const program = new Command('hauki')
  .description(
    'Undo for live systems: nothing changes guarded state before it is frozen, tagged with the intent, and locked.',
  )
  .version(VERSION)
  .enablePositionalOptions()
  .exitOverride()
  // Commands take this over when they are made, so it stands before them.
  .configureOutput({
    outputError: (text, write) => (json ? undefined : write(`hauki: ${text.replace(/^error: /, '')}`)),
  })
  .showSuggestionAfterError()
  .addHelpText(
    'after',
    `
A first change, undone because it fails:
  $ hauki guard --intent "try it" --path ./site -- sh -c 'rm -r site/*; exit 1'

Environment:
  HAUKI_HOME        data directory (default: XDG for a user, /var/lib/hauki for root)
  HAUKI_CONTROLLER  the controller to talk to: unix:/path, http://host:port or https://host:port
  HAUKI_TOKEN       token for an http(s) controller (default: the one in HAUKI_HOME)

Exit codes: 0 done · 64 wrong usage · 70 outcome unknown or quarantined · 75 denied or unreachable, nothing executed`,
  );

/** Adds what every command knows. */
function verb(spec: string, description: string): Command {
  return program
    .command(spec)
    .description(description)
    .exitOverride()
    .option('--json', 'print one JSON document (lines for streams) on stdout, and nothing else');
}

function reader(spec: string, description: string): Command {
  return verb(spec, description).option(
    '--controller <address>',
    'unix:/path, http://… or https://… instead of the one on HAUKI_HOME',
  );
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Every action answers with an exit code. */
function answer<A extends unknown[]>(run: (...args: A) => Promise<number>): (...args: A) => Promise<void> {
  return async (...args) => {
    exitCode = await run(...args);
  };
}

/**
 * Each verb as what defines it. Only the one that is asked for is defined, because defining all of them takes as long as talking to
 * a controller; without a verb that is known, all are, for help and suggestions.
 */
const VERBS: Readonly<Record<string, () => void>> = {
  up: () => {
    verb('up', 'run the mesh of this machine: controller, one node, self-test; until Ctrl-C')
      .option('--port <n>', 'TCP port on 127.0.0.1; 0 takes any that is free', '7717')
      .option('--node <name>', "this machine's name in the mesh (default: its host name)")
      .action(
        answer(async (options: ControllerOptions) =>
          (await import('./commands/controller.ts')).runController(options, 'up'),
        ),
      );
  },
  controller: () => {
    verb('controller', 'run a controller on HAUKI_HOME, logging to stderr; for services')
      .option('--port <n>', 'TCP port on 127.0.0.1; 0 takes any that is free', '7717')
      .option('--node <name>', "the controller's own name (default: the host name)")
      .addOption(new Option('--ephemeral', 'Unix socket only, and end when nobody needs it').hideHelp())
      .action(
        answer(async (options: ControllerOptions) =>
          (await import('./commands/controller.ts')).runController(options, 'controller'),
        ),
      );
  },
  guard: () => {
    reader('guard', 'freeze the state, run a command, then commit or undo')
      .argument('<command...>', 'the command and its arguments, after --')
      .option('--intent <text>', 'what you are about to change, and why (1 to 512 characters)')
      .option('--path <dir>', 'a directory to guard; can be given again', collect)
      .option('--dataset <name>', 'a dataset to guard; can be given again', collect)
      .option('--recursive', 'with every dataset inside those named, all of one moment (ZFS)')
      .option('--node <name>', 'who asks (default: the host name)')
      .option('--ttl <duration>', 'length of the lease, renewed while the command runs (default: 10m)')
      .option('--wait <duration>', 'how long to wait for the locks (default: 30s)')
      .option('--verify <command>', 'after a success, run this too; if it fails, undo. Words and quotes, no shell')
      .addOption(
        new Option('--on-expiry <what>', 'when the lease is lost')
          .choices(['rollback', 'quarantine'])
          .default('rollback'),
      )
      .option('-q, --quiet', 'say nothing but errors')
      .passThroughOptions()
      .addHelpText(
        'after',
        `
Examples:
  $ hauki guard --intent "bump the crm schema" --path ./site -- ./migrate.sh
  $ hauki guard --intent "new config" --path /etc/app --verify "app --check" -- cp app.conf /etc/app/
  $ hauki guard --intent "agent patch" --path src --path tests --ttl 2m -- ./agent.sh

The command sees HAUKI_MUTATION, HAUKI_FENCE, HAUKI_SNAPSHOT and HAUKI_INTENT. Its stdin, stdout and stderr are untouched (with
--json its stdout goes to stderr). Ctrl-C stops it and rolls back.

Exit codes: 0 committed · the command's own code when it failed and was rolled back (128+n for a signal) · 64 wrong usage ·
70 outcome unknown or quarantined · 75 denied or unreachable, nothing executed`,
      )
      .action(answer(guard));
  },
  exec: () => {
    verb('exec', 'run a command in the place it is meant for: this host, a container, another host')
      .argument('<command...>', 'the command and its arguments, after --')
      .option('--via <context>', 'local, lxd:NAME, incus:NAME or ssh:[USER@]HOST[:PORT]')
      .option('--cwd <dir>', 'the folder there, absolute (default: where a login starts; locally, this one)')
      .option('--env <name=value>', 'a variable for it; can be given again', collect)
      .option('--timeout <duration>', 'end it with all its processes after so long')
      .option('--known-hosts <file>', "ssh: the host keys that count, instead of the user's")
      .option('--identity <file>', "ssh: the key to log in with, instead of the user's")
      .option('--ssh-config <file>', "ssh: its configuration, instead of the user's")
      .passThroughOptions()
      .addHelpText(
        'after',
        `
Examples:
  $ hauki exec --via lxd:crm -- systemctl restart shadow-writer
  $ hauki exec --via ssh:root@db1 --cwd /srv/app -- ./migrate.sh "two words"
  $ hauki guard --intent "new schema" --dataset tank/crm -- hauki exec --via lxd:crm -- ./migrate.sh

The arguments arrive as they are: no shell reads them on the way, ssh's included. stdin, stdout and stderr are the command's own.
Of the environment only --env goes along, and under a guard HAUKI_MUTATION and its like. Ctrl-C ends the command there too, with all
its processes.

Exit codes: the command's own (128+n for a signal) · 64 wrong usage · 70 ended before its time, or the connection broke: it may have
done something · 75 it never began: the context is not there, or no such program or folder in it. --json says which it was.`,
      )
      .action(
        answer(async (argv: string[], options: ExecOptions) =>
          (await import('./commands/exec.ts')).exec(argv, options),
        ),
      );
  },
  status: () => {
    reader('status', 'how the controller stands').action(answer(status));
  },
  locks: () => {
    reader('locks', 'who holds what, and who waits for whom').action(answer(locks));
  },
  log: () => {
    reader('log', 'who changed what, why, and what came of it; newest first')
      .option('--node <name>', 'only this node')
      .option('--since <when>', '2h, 7d, or a date and time')
      .addOption(new Option('--outcome <stage>', 'only those that stand so').choices(FINAL))
      .option('--limit <n>', 'at most so many (default: 50)')
      .action(answer(log));
  },
  show: () => {
    reader('show', 'one mutation with its ledger records').argument('<mutation>').action(answer(show));
  },
  diff: () => {
    reader('diff', 'what a mutation added (+), modified (M) and removed (-)')
      .argument('<mutation>')
      .action(answer(diff));
  },
  snapshots: () => {
    reader('snapshots', 'the snapshots that are kept, and why each exists').action(answer(snapshots));
  },
  evidence: () => {
    const evidenceVerb = reader('evidence', 'failed states that rollbacks kept').action(answer(evidence));
    evidenceVerb
      .command('rm')
      .description('remove the evidence of a mutation')
      .argument('<mutation>')
      .option('--json', 'print one JSON document on stdout, and nothing else')
      .option('--controller <address>', 'as for evidence')
      .exitOverride()
      .action(
        answer((mutation: string, options: ReadOptions) =>
          removeEvidence(mutation, { ...evidenceVerb.opts<ReadOptions>(), ...options }),
        ),
      );
  },
  watch: () => {
    reader('watch', 'every event as it happens')
      .option('--after <seq>', 'begin after this record of the ledger (default: now)')
      .action(answer(watch));
  },
  rollback: () => {
    reader(
      'rollback',
      'undo a mutation, a committed one too if nothing newer stands in the way; the state before is kept',
    )
      .argument('<mutation>')
      .option('--dry-run', 'print the plan and change nothing; exit 75 when something stands in the way')
      .action(answer(rollback));
  },
  resolve: () => {
    reader('resolve', 'decide what becomes of a quarantined mutation')
      .argument('<mutation>')
      .option('--commit', 'keep the state as it is')
      .option('--rollback', 'put the state back')
      .action(answer(resolve));
  },
  pin: () => {
    reader('pin', 'keep the snapshots of a mutation out of retention')
      .argument('<mutation>')
      .option('--off', 'let retention have them again')
      .action(answer(pin));
  },
  prune: () => {
    reader('prune', 'let go of the snapshots and evidence that retention does not keep')
      .option('--dry-run', 'say what would go, and why')
      .action(answer(prune));
  },
  seal: () => sealing('seal', true, 'make a dataset read-only unless a mutation is cleared'),
  unseal: () => sealing('unseal', false, 'lift the seal of a dataset'),
  doctor: () => {
    verb(
      'doctor',
      'find out what storage, permissions and tools are there, prove it, and say how to get what is missing',
    ).action(answer(async (options: DoctorOptions) => (await import('./commands/doctor.ts')).doctor(options)));
  },
  audit: () => {
    const audit = program
      .command('audit')
      .description('prove, export or restore the ledger of HAUKI_HOME')
      .exitOverride();
    audit
      .command('verify')
      .description(
        'walk the whole ledger: chain, signed head, saved head, replay; exit 1 and the first broken record if it does not hold',
      )
      .option(
        '--head <file>',
        'also check that a head kept elsewhere (the output of an earlier verify --json) lies on the chain',
      )
      .option('--json', 'print one JSON document')
      .exitOverride()
      .action(answer(async (options: VerifyOptions) => (await import('./commands/audit.ts')).auditVerify(options)));
    audit
      .command('rebuild')
      .description(
        'restore a ledger that was lost from what the snapshots on the storage tell; no controller may have work',
      )
      .option('--dry-run', 'say what would be restored, and write nothing')
      .option('--json', 'print one JSON document')
      .exitOverride()
      .action(answer(async (options: RebuildOptions) => (await import('./commands/rebuild.ts')).auditRebuild(options)));
    audit
      .command('export')
      .description('the records as JSON lines, on stdout')
      .option('--after <seq>', 'only records after this one')
      .option('--json', 'JSON lines are what it prints anyway')
      .exitOverride()
      .action(answer(async (options: ExportOptions) => (await import('./commands/audit.ts')).auditExport(options)));
  },
};

function sealing(name: string, sealed: boolean, description: string): void {
  reader(name, description)
    .option('--path <dir>', 'the directory or subvolume')
    .option('--dataset <name>', 'the dataset')
    .action(answer((options: SealOptions) => seal(sealed, options)));
}

const asked = Object.entries(VERBS).filter(([name]) => name === process.argv[2]);
for (const [, define] of asked.length > 0 ? asked : Object.entries(VERBS)) define();

void program.parseAsync().then(
  () => process.exit(exitCode),
  (error: unknown) => process.exit(failed(error)),
);

function failed(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0;
    // Without a command, commander shows the help as an error.
    if (json) printRefusal(refusal('usage', error.message.replace(/^error: /, '')), json);
    else if (error.code !== 'commander.help') say('see hauki --help, or hauki COMMAND --help');
    return EXIT_USAGE;
  }
  if (error instanceof RefusedError) {
    printRefusal(error.refusal, json);
    return exitCodeOf(error);
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json) printRefusal(refusal('internal', error instanceof Error ? error.message : String(error)), json);
  else say(message);
  return exitCodeOf(error);
}
