import type { ExecOptions } from './commands/exec.ts';
import { collect, type VerbTools } from './mesh-verbs.ts';

/** `hauki exec`: loaded when it is called for. */
export function execVerb({ program, answer }: VerbTools): Readonly<Record<string, () => void>> {
  return {
    exec: () => {
      program
        .command('exec')
        .description('run a command in the place it is meant for: this host, a container, another host')
        .exitOverride()
        .option('--json', 'print one JSON document on stdout, and nothing else')
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
