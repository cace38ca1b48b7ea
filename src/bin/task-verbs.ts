import type { Command } from 'commander';
import type { DropOptions } from './commands/task-drop.ts';
import type { LogOptions, TaskOptions } from './commands/task.ts';
import type { VerbTools } from './mesh-verbs.ts';

/** `hauki task`: files that nodes run, each under a clearance of its own. */
export function taskVerbs({ program, answer }: VerbTools): Readonly<Record<string, () => void>> {
  return {
    task: () => {
      const task = program.command('task').description('tasks of nodes: drop, list, look').exitOverride();
      const below = (spec: string, description: string): Command =>
        task
          .command(spec)
          .description(description)
          .exitOverride()
          .argument('<node>')
          .option('--spool <dir>', "the node's spool (default: what node.yaml of this machine says)")
          .option('--controller <address>', 'instead of the one on HAUKI_HOME')
          .option('--json', 'print one JSON document on stdout, and nothing else');
      below('drop', "put a file into a node's inbox, in its spool or by the controller")
        .argument('<file>', 'a script that begins with #!, or a unified diff; - reads stdin')
        .option('--as <name>', "what the task is called (default: the file's name)")
        .option('--sign <key>', 'sign it by ssh-keygen with this key (default: FILE.sig, where it is there)')
        .addHelpText(
          'after',
          `
Where nothing here says where the node's spool is, it goes by the controller: signed, and of 128 KiB at most.

Header lines at its top: #hauki intent: …, mode, timeout, verify, datasets, name. See docs/tasks.md.`,
        )
        .action(
          answer(async (node: string, file: string, options: DropOptions) =>
            (await import('./commands/task-drop.ts')).taskDrop(node, file, options),
          ),
        );
      below('list', 'the tasks of a node').action(
        answer(async (node: string, options: TaskOptions) =>
          (await import('./commands/task.ts')).taskList(node, options),
        ),
      );
      below('show', 'what became of a task, and what to do next')
        .argument('<name>')
        .action(
          answer(async (node: string, name: string, options: TaskOptions) =>
            (await import('./commands/task.ts')).taskShow(node, name, options),
          ),
        );
      below('logs', 'what a task says, or said')
        .argument('<name>')
        .option(
          '-f, --follow',
          'until it has ended; exit code 0 when it is done, 70 when it failed, 75 when it was denied',
        )
        .action(
          answer(async (node: string, name: string, options: LogOptions) =>
            (await import('./commands/task.ts')).taskLogs(node, name, options),
          ),
        );
    },
  };
}
