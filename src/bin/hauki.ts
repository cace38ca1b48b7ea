import { Command, CommanderError, Option } from 'commander';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { ExportOptions, VerifyOptions } from './commands/audit.ts';
import type { ControllerOptions } from './commands/controller.ts';
import type { DoctorOptions } from './commands/doctor.ts';
import { diff, log, type ReadOptions, show } from './commands/history.ts';
import { evidence, prune, removeEvidence, seal, type SealOptions, snapshots } from './commands/kept.ts';
import type { SignOptions } from './commands/irc.ts';
import { pin, resolve, rollback } from './commands/outcome.ts';
import type { RebuildOptions } from './commands/rebuild.ts';
import { locks, status } from './commands/status.ts';
import type { ThawOptions } from './commands/thaw.ts';
import { watch } from './commands/watch.ts';
import { helpVerbs } from './help-verbs.ts';
import { controllerServiceVerbs } from './install-verbs.ts';
import { meshVerbs } from './mesh-verbs.ts';
import { vaultVerbs } from './vault-verbs.ts';
import { taskVerbs } from './task-verbs.ts';
import { workVerbs } from './work-verbs.ts';
import type { WitnessOptions } from './commands/witness.ts';
import { addWebhook, deadLetters, listWebhooks, removeWebhook, retryWebhook } from './commands/webhook.ts';
import { painted } from './colour.ts';
import { refuseWithoutNative } from './standalone.ts';
import { exitCodeOf, printRaw, printRefusal, say } from './output.ts';
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
    writeOut: printRaw,
    outputError: (text, write) => (json ? undefined : write(`hauki: ${text.replace(/^error: /, '')}`)),
  })
  // commander leaves it out where no colour is wanted, as src/bin/colour.ts does.
  .configureHelp({
    styleTitle: (text) => painted('bold', text),
    styleCommandText: (text) => painted('cyan', text),
    styleSubcommandText: (text) => painted('cyan', text),
    styleOptionText: (text) => painted('cyan', text),
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
  HAUKI_TOKEN       token for an http(s) controller (default: the one in HAUKI_HOME, for http only)
  HAUKI_CA          file with the CA of an https controller (default: that of the mesh this machine has joined)
  HAUKI_NODE_HOME   what this machine is as a node (default: /var/lib/hauki-node for root, XDG for a user)

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
      .option('--listen <host:port>', 'let nodes in on this address too (TLS); can be given again', collect)
      .action(
        answer(async (options: ControllerOptions) =>
          (await import('./commands/controller.ts')).runController(options, 'up'),
        ),
      );
  },
  controller: () => {
    const controller = verb('controller', 'run a controller on HAUKI_HOME, logging to stderr; for services')
      .option('--port <n>', 'TCP port on 127.0.0.1; 0 takes any that is free', '7717')
      .option('--node <name>', "the controller's own name (default: the host name)")
      .option('--listen <host:port>', 'let nodes in on this address too (TLS); can be given again', collect)
      .addOption(new Option('--ephemeral', 'Unix socket only, and end when nobody needs it').hideHelp())
      .action(
        answer(async (options: ControllerOptions) =>
          (await import('./commands/controller.ts')).runController(options, 'controller'),
        ),
      );
    controllerServiceVerbs(controller, answer, collect);
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
    reader('watch', 'every event as it happens; on a terminal also who holds what, who waits, who is awaited')
      .option('--after <seq>', 'begin after this record of the ledger (default: now)')
      .option('--type <types>', 'only these, separated by commas; * stands for any letters: cleared,rollback*')
      .option('--node <name>', 'only of mutations of this node')
      .option('--dataset <name>', 'only about this dataset, or one inside it')
      .option('--mutation <id>', 'only about this mutation')
      .action(answer(watch));
  },
  webhook: () => {
    const webhook = program
      .command('webhook')
      .description('who is told by HTTP what happens: signed CloudEvents, at least once, in order')
      .exitOverride();
    const part = (spec: string, description: string): Command =>
      webhook
        .command(spec)
        .description(description)
        .option('--json', 'print one JSON document on stdout, and nothing else')
        .option('--controller <address>', 'unix:/path, http://… or https://… instead of the one on HAUKI_HOME')
        .exitOverride();
    part('add <url>', 'deliver events to this address; its secret is shown once')
      .option('--type <types>', 'only these, separated by commas; * stands for any letters: cleared,rollback*')
      .option('--node <name>', 'only of mutations of this node')
      .option('--dataset <name>', 'only about this dataset, or one inside it')
      .option('--mutation <id>', 'only about this mutation')
      .option('--after <seq>', 'begin after this record of the ledger (default: now)')
      .option('--secret-file <path>', 'the secret, whsec_…, instead of a new one')
      .action(answer(addWebhook));
    part('list', 'who is told, how far each has got, and what is wrong with it').action(answer(listWebhooks));
    part('dead <webhook>', 'events that could not be delivered and were given up').action(answer(deadLetters));
    part('retry <webhook>', 'try dead letters once more; one that was disabled begins again')
      .option('--seq <n>', 'only this one')
      .action(answer(retryWebhook));
    part('remove <webhook>', 'deliver nothing more to it, and forget it').action(answer(removeWebhook));
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
  thaw: () => {
    verb('thaw', 'end whatever the node process on this machine is halted for, and thaw what it froze').action(
      answer(async (options: ThawOptions) => (await import('./commands/thaw.ts')).thaw(options)),
    );
  },
  doctor: () => {
    verb(
      'doctor',
      'find out what storage, permissions and tools are there, prove it, and say how to get what is missing',
    ).action(answer(async (options: DoctorOptions) => (await import('./commands/doctor.ts')).doctor(options)));
  },
  irc: () => {
    const irc = program.command('irc').description('ask for changes on the IRC channel of a controller').exitOverride();
    irc
      .command('sign')
      .argument('<words...>', 'rollback M, resolve M commit, resolve M rollback, pin M, unpin M')
      .description('print a signed line that asks for a change; say it in the channel within five minutes, once')
      .requiredOption('--as <name>', "your name in the controller's file of signers")
      .requiredOption('--key <file>', 'your SSH key (ed25519), or the public part of one in your agent')
      .option('--channel <name>', 'the channel people talk in (default: the one in config.yaml)')
      .option('--json', 'print one JSON document')
      .exitOverride()
      .action(
        answer(async (words: string[], options: SignOptions) =>
          (await import('./commands/irc.ts')).signLine(words, options),
        ),
      );
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
      .command('witness')
      .argument('<logfile>', 'the log of an IRC channel in which the controller announced its heads, by any client')
      .description('check that every head announced there is in the ledger; exit 1 when it was cut or rewritten since')
      .option('--from <nick>', "only what was said by this nick: others may imitate the controller's lines")
      .option('--key <file>', "the controller's public key, kept elsewhere (default: HAUKI_HOME/controller.pub)")
      .option('--json', 'print one JSON document')
      .exitOverride()
      .action(
        answer(async (log: string, options: WitnessOptions) =>
          (await import('./commands/witness.ts')).auditWitness(log, options),
        ),
      );
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

const verbs = {
  ...VERBS,
  ...workVerbs({ answer, verb, reader, collect, behind: process.argv.includes('--') }),
  ...meshVerbs({ program, answer }),
  ...vaultVerbs({ program, answer }),
  ...taskVerbs({ program, answer }),
  ...helpVerbs({ answer, verb, whole }),
};
const asked = Object.entries(verbs).filter(([name]) => name === process.argv[2]);
for (const [, define] of asked.length > 0 ? asked : Object.entries(verbs)) define();
program.hook('preAction', () => refuseWithoutNative(process.argv[2] ?? ''));

/** The program with all its verbs, `exec` in both forms: for what is told about it. */
function whole(): Command {
  const defined = new Set(program.commands.map((command) => command.name()));
  for (const [name, define] of Object.entries(verbs)) if (!defined.has(name)) define();
  const second = (spec: string, description: string): Command => verb(`${spec}-command`, description).name(spec);
  workVerbs({ answer, verb: second, reader, collect, behind: true })['exec']?.();
  const order = Object.keys(verbs);
  (program.commands as Command[]).sort((a, b) => order.indexOf(a.name()) - order.indexOf(b.name()));
  return program;
}

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
