import { type Command, Option } from 'commander';
import { barrier } from './commands/barrier.ts';
import type { ExecOptions } from './commands/exec.ts';
import type { GemOptions } from './commands/gem-exec.ts';
import { guard } from './commands/guard.ts';
import type { McpOptions } from './commands/mcp.ts';
import type { VerbTools } from './mesh-verbs.ts';

/** See hauki.ts. */
export interface WorkTools extends Pick<VerbTools, 'answer'> {
  readonly verb: (spec: string, description: string) => Command;
  readonly reader: (spec: string, description: string) => Command;
  /** Whether something stands behind "--". */
  readonly behind: boolean;
  readonly collect: (value: string, before: readonly string[] | undefined) => string[];
}

/** `hauki guard`, `barrier`, `exec` and `mcp`: what runs something. */
export function workVerbs({ answer, verb, reader, collect, behind }: WorkTools): Readonly<Record<string, () => void>> {
  return {
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
        .option(
          '--critical',
          'halt and flush every node of the mesh first: one master snapshot, then go on; without --path\nand --dataset of what config.yaml names',
        )
        .option('--hold', 'critical: the nodes stay halted until the command has ended')
        .option('--allow-missing <node>', 'critical: do without this node; can be given again', collect)
        .option('--flush <duration>', 'critical: how long the nodes have for their flush (default: 30s)')
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
    barrier: () => {
      reader('barrier', 'halt and flush every node, take one master snapshot, go on')
        .option('--intent <text>', 'what it is for (1 to 512 characters)')
        .option('--path <dir>', 'a directory to freeze; can be given again', collect)
        .option(
          '--dataset <name>',
          'a dataset to freeze; can be given again (default: those config.yaml names)',
          collect,
        )
        .option('--recursive', 'with every dataset inside those named, all of one moment (ZFS)')
        .option('--node <name>', 'who asks (default: the host name)')
        .option('--wait <duration>', 'how long to wait for mutations under way (default: 30s)')
        .option('--allow-missing <node>', 'do without this node; can be given again', collect)
        .option('--flush <duration>', 'how long the nodes have for their flush (default: 30s)')
        .option('-q, --quiet', 'say nothing but errors')
        .addHelpText(
          'after',
          `
The snapshot is verified: every node said that it had flushed before it was taken, and afterwards that it never ran in between. A
node that is not heard of, cannot flush or ran too early denies it, and then no snapshot stays. A node that hears nothing more goes on
by itself after 10 s.

Example:
  $ hauki barrier --intent "before the upgrade" --dataset tank/meshfs --recursive

Exit codes: 0 verified · 64 wrong usage · 75 denied, all nodes go on`,
        )
        .action(answer(barrier));
    },
    mcp: () => {
      reader('mcp', 'serve an AI agent on stdin and stdout, by the Model Context Protocol, until it is gone')
        .option('--node <name>', 'as whom its changes are made (default: the host name)')
        .addHelpText(
          'after',
          `
The agent's host starts it: docs/agents.md has the set-up of each. Its tools ask for clearance, commit, roll back, run commands under
guard, and tell why the state is as it is. What the agent has not committed when it ends, dies or falls silent is undone.

Example:
  $ claude mcp add hauki -- hauki mcp`,
        )
        .action(answer(async (options: McpOptions) => (await import('./commands/mcp.ts')).mcp(options)));
    },
    // A command stands behind "--"; without it, it is a text with command blocks.
    exec: () => (behind ? execCommand() : execText()),
  };

  function execText(): void {
    sshOptions(verb('exec', 'run the command blocks of a text, or a command, in the place each is meant for'))
      .showHelpAfterError('hauki: a command stands behind "--": hauki exec --via local -- ls -l')
      .argument('<file>', 'a Markdown or plain text with command blocks; - for stdin')
      .option(
        '--via <node=context>',
        'how a node is reached: local, lxd:NAME, incus:NAME, ssh:[USER@]HOST[:PORT]',
        collect,
      )
      .option('--node <name>', 'the node of blocks that name none')
      .option('--dataset <name>', 'what is frozen for blocks that name nothing; can be given again', collect)
      .option('--path <dir>', 'the same, as a directory', collect)
      .option('--dry-run', 'show the plan, look whether each place is there, and execute nothing')
      .option('--yes', 'execute the plan without asking')
      .option('--undo-all', 'when a block fails, roll back those before it too, the newest first')
      .option('--controller <address>', 'unix:/path, http://… or https://… instead of the one on HAUKI_HOME')
      .addHelpText(
        'after',
        `
Blocks are fences marked gem-exec, and [GEM-EXEC] sections; docs/gem-exec.md has the rules:
  \`\`\`sh gem-exec node=crm intent="bump the schema" timeout=5m verify="./check" datasets=tank/crm
  ./migrate.sh
  \`\`\`

Examples:
  $ hauki exec runbook.md --dry-run
  $ hauki exec runbook.md --via crm=lxd:hauki-crm --undo-all
  $ assistant | hauki exec - --yes --node crm
  $ hauki exec --via lxd:crm -- systemctl restart shadow-writer       (a command: see hauki exec --help --)

Every block is run under a guard of its own, in the text's order; the first that fails is rolled back, and ends it.

Exit codes: 0 all committed · 1 stopped at a block, which was rolled back · 64 wrong usage, or the text cannot be read · 70 outcome
unknown, or not all could be undone · 75 denied or a place is not there, nothing executed · 128+n stopped by a signal`,
      )
      .action(
        answer(async (file: string, options: GemOptions) =>
          (await import('./commands/gem-exec.ts')).gemExec(file, options),
        ),
      );
  }

  function sshOptions(command: Command): Command {
    return command
      .option('--known-hosts <file>', "ssh: the host keys that count, instead of the user's")
      .option('--identity <file>', "ssh: the key to log in with, instead of the user's")
      .option('--ssh-config <file>', "ssh: its configuration, instead of the user's");
  }

  function execCommand(): void {
    sshOptions(verb('exec', 'run a command in the place it is meant for: this host, a container, another host'))
      .argument('<command...>', 'the command and its arguments, after --')
      .option('--via <context>', 'local, lxd:NAME, incus:NAME or ssh:[USER@]HOST[:PORT]')
      .option('--cwd <dir>', 'the folder there, absolute (default: where a login starts; locally, this one)')
      .option('--env <name=value>', 'a variable for it; can be given again', collect)
      .option('--timeout <duration>', 'end it with all its processes after so long')
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
  }
}
