import { Argument, type Command } from 'commander';
import type { CompletionOptions } from './commands/completion.ts';
import type { DemoOptions } from './commands/demo.ts';
import type { ExplainOptions } from './commands/explain.ts';
import type { ManOptions } from './commands/man.ts';
import type { WorkTools } from './work-verbs.ts';

/** See hauki.ts. */
export interface HelpTools extends Pick<WorkTools, 'answer' | 'verb'> {
  /** The program with all its verbs. */
  readonly whole: () => Command;
}

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `hauki demo`, `explain`, `completion` and `man`: hauki about itself. Each is loaded when it is called for. */
export function helpVerbs({ answer, verb, whole }: HelpTools): Readonly<Record<string, () => void>> {
  return {
    demo: () => {
      verb('demo', 'see it work, in less than a minute: a change that works, one that fails, one that nobody can allow')
        .option('--keep', 'leave what was made, to be looked at')
        .addHelpText(
          'after',
          `
A controller and a node are started as real processes on a temporary folder, and ended again; nothing else is touched.

Exit codes: 0 every promise was kept · 1 one was not: what is left of it is kept, and named · 128+n stopped by a signal`,
        )
        .action(answer(async (options: DemoOptions) => (await import('./commands/demo.ts')).demo(options)));
    },
    explain: () => {
      verb('explain', 'what an error code or an exit code means, and what to do; without one, all of them')
        .argument('[code]', 'as in the parentheses behind an error: lock_timeout; or 64, 70, 75')
        .action(
          answer(async (code: string | undefined, options: ExplainOptions) =>
            (await import('./commands/explain.ts')).explain(code, options),
          ),
        );
    },
    completion: () => {
      verb('completion', 'print the script by which a shell completes hauki commands')
        .addArgument(new Argument('<shell>', 'whose').choices(SHELLS))
        .addHelpText(
          'after',
          `
Examples:
  $ source <(hauki completion bash)       in ~/.bashrc; likewise zsh in ~/.zshrc, behind compinit
  $ hauki completion fish | source        in ~/.config/fish/config.fish`,
        )
        .action(
          answer(async (shell: (typeof SHELLS)[number], options: CompletionOptions) =>
            (await import('./commands/completion.ts')).completion(shell, options, whole()),
          ),
        );
    },
    man: () => {
      verb('man', 'the manual page of a command, or of hauki')
        .argument('[command]', 'guard, webhook, …')
        .option('--into <dir>', 'write all pages into this folder instead')
        .option('--markdown', 'print all of it as one page of Markdown instead')
        .action(
          answer(async (name: string | undefined, options: ManOptions) =>
            (await import('./commands/man.ts')).man(name, options, whole()),
          ),
        );
    },
  };
}
