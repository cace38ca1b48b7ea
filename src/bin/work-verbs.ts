import { type Command, Option } from 'commander';
import { barrier } from './commands/barrier.ts';
import type { ExecOptions } from './commands/exec.ts';
import { guard } from './commands/guard.ts';
import type { VerbTools } from './mesh-verbs.ts';

/** See hauki.ts. */
export interface WorkTools extends Pick<VerbTools, 'answer'> {
  readonly verb: (spec: string, description: string) => Command;
  readonly reader: (spec: string, description: string) => Command;
  readonly collect: (value: string, before: readonly string[] | undefined) => string[];
}

/** `hauki guard`, `barrier` and `exec`: what runs something. */
export function workVerbs({ answer, verb, reader, collect }: WorkTools): Readonly<Record<string, () => void>> {
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
  };
}
