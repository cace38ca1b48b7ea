import { type Command, Option } from 'commander';
import type { ControllerInstallOptions, NodeInstallOptions } from './commands/install.ts';

/** See hauki.ts. */
type Answer = <A extends unknown[]>(run: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;
type Collect = (value: string, before: readonly string[] | undefined) => string[];

const JSON_WORDS = 'print one JSON document on stdout, and nothing else';
const DRY_RUN_WORDS = 'say what would be done, and change nothing';

/** `hauki controller install | uninstall`. */
export function controllerServiceVerbs(controller: Command, answer: Answer, collect: Collect): void {
  controller
    .command('install')
    .description('make the controller a service of this host (systemd), and start it; again: changes only what differs')
    .option('--port <n>', 'as for hauki controller')
    .option('--node <name>', 'as for hauki controller')
    .option('--listen <host:port>', 'let nodes in on this address too (TLS); can be given again', collect)
    .option('--dry-run', `print the unit, ${DRY_RUN_WORDS}`)
    .option('--json', JSON_WORDS)
    .exitOverride()
    .action(
      answer(async (options: ControllerInstallOptions) =>
        (await import('./commands/install.ts')).controllerInstall(options),
      ),
    );
  controller
    .command('uninstall')
    .description('stop the service and remove it; HAUKI_HOME stays')
    .option('--dry-run', DRY_RUN_WORDS)
    .option('--json', JSON_WORDS)
    .exitOverride()
    .action(
      answer(async (options: ControllerInstallOptions) =>
        (await import('./commands/install.ts')).controllerUninstall(options),
      ),
    );
}

/** `hauki node install | upgrade | uninstall`, from the controller's host. */
export function nodeServiceVerbs(node: Command, answer: Answer, list: Collect): void {
  const there = (name: string, description: string): Command =>
    node
      .command(name)
      .description(description)
      .argument('<name>', 'of the node')
      .requiredOption('--via <context>', 'where it is to run: lxd:NAME, incus:NAME, ssh:[USER@]HOST[:PORT]')
      .option('--known-hosts <file>', "ssh: the host keys that count, instead of the user's")
      .option('--identity <file>', "ssh: the key to log in with, instead of the user's")
      .option('--ssh-config <file>', "ssh: its configuration, instead of the user's")
      .option('--dry-run', DRY_RUN_WORDS)
      .option('--json', JSON_WORDS)
      .exitOverride();
  const bringing = (name: string, description: string): Command =>
    there(name, description)
      .option('--executable <file>', 'the program to bring (default: what "npm run build:exe" made)')
      .option('--within <duration>', 'how long its first heartbeat may take (default: 2m)');
  bringing(
    'install',
    'on the controller: bring a node to a container or host, as a service, and wait until it is heard',
  )
    .option('--controller <host:port>', 'where the node finds the controller (default: where it listens)')
    .option('--datasets <names>', 'what it may change, as for invite', list)
    .addOption(new Option('--modes <modes>', 'as for invite').argParser(list))
    .option('--ttl-max <duration>', 'as for invite')
    .option('--rate <n>', 'as for invite')
    .action(
      answer(async (name: string, options: NodeInstallOptions) =>
        (await import('./commands/install.ts')).nodeInstall(name, options),
      ),
    );
  bringing(
    'upgrade',
    'on the controller: another program for an installed node; the old one again if it is not heard',
  ).action(
    answer(async (name: string, options: NodeInstallOptions) =>
      (await import('./commands/install.ts')).nodeUpgrade(name, options),
    ),
  );
  there('uninstall', 'on the controller: remove the service there and revoke the node; its state stays').action(
    answer(async (name: string, options: NodeInstallOptions) =>
      (await import('./commands/install.ts')).nodeUninstall(name, options),
    ),
  );
}
