import { Argument, type Command, Option } from 'commander';
import { SCOPES } from '../core/token/token.ts';
import type { InitOptions } from './commands/mesh.ts';
import type { InviteOptions, JoinOptions, NodeOptions } from './commands/node.ts';
import type { NodeRunOptions } from './commands/node-run.ts';
import type { ThawOptions } from './commands/thaw.ts';
import type { TokenOptions } from './commands/token.ts';

import { nodeServiceVerbs } from './install-verbs.ts';

const VERBS = ['ping', 'thaw', 'poll'] as const;

/** What the verbs of the mesh need of the command line: see hauki.ts. */
export interface VerbTools {
  readonly program: Command;
  readonly answer: <A extends unknown[]>(run: (...args: A) => Promise<number>) => (...args: A) => Promise<void>;
}

/** `hauki mesh`, `node` and `token`: who is let in. Each is loaded when it is called for. */
export function meshVerbs({ program, answer }: VerbTools): Readonly<Record<string, () => void>> {
  const below = (parent: Command, spec: string, description: string): Command =>
    parent
      .command(spec)
      .description(description)
      .exitOverride()
      .option('--json', 'print one JSON document on stdout, and nothing else');
  const asking = (parent: Command, spec: string, description: string): Command =>
    below(parent, spec, description).option('--controller <address>', 'instead of the one on HAUKI_HOME');
  return {
    mesh: () => {
      const mesh = program.command('mesh').description('the mesh of this controller').exitOverride();
      below(mesh, 'init', "make the mesh's CA and the controller's certificate in HAUKI_HOME/mesh")
        .option('--name <host>', 'a name or address the controller is reached by; can be given again', collect)
        .option('--address <host:port>', 'where nodes find it, for join tokens; can be given again', collect)
        .addHelpText(
          'after',
          '\nThen: hauki controller --listen 10.0.0.5:7717, and hauki node invite NAME. See docs/mesh.md.',
        )
        .action(answer(async (options: InitOptions) => (await import('./commands/mesh.ts')).meshInit(options)));
    },
    node: () => {
      const node = program.command('node').description('nodes of the mesh: invite, join, look, revoke').exitOverride();
      asking(node, 'invite', 'on the controller: print a join token for a node; it works once')
        .argument('<name>', '1 to 63 letters, digits, "_", "." or "-"')
        .option('--datasets <names>', 'what it may change, with what lies inside; by commas, or given again', list)
        .addOption(new Option('--modes <modes>', 'standard, critical or both, by commas').argParser(list))
        .option('--ttl-max <duration>', 'the longest lease it gets')
        .option('--rate <n>', 'mutations it may ask for in a minute')
        .option('--valid <duration>', 'how long the token can be used (default: 1d)')
        .action(
          answer(async (name: string, options: InviteOptions) =>
            (await import('./commands/node.ts')).nodeInvite(name, options),
          ),
        );
      below(node, 'join', 'on the node: make its key here, and get its certificate for a join token')
        .argument('<token>', 'the line that "hauki node invite" printed; - reads it from stdin')
        .option('--home <dir>', 'where the node keeps key and certificate (default: HAUKI_NODE_HOME)')
        .action(
          answer(async (token: string, options: JoinOptions) =>
            (await import('./commands/node.ts')).nodeJoin(token, options),
          ),
        );
      asking(node, 'list', 'the nodes, and who is invited').action(
        answer(async (options: NodeOptions) => (await import('./commands/node.ts')).nodeList(options)),
      );
      asking(node, 'show', 'one node; without a name, this machine as a node')
        .argument('[name]')
        .option('--home <dir>', 'as for join')
        .action(
          answer(async (name: string | undefined, options: JoinOptions) =>
            (await import('./commands/node.ts')).nodeShow(name, options),
          ),
        );
      asking(node, 'revoke', 'deny a node everything from now on, end what it has open; or withdraw its invitation')
        .argument('<name>')
        .action(
          answer(async (name: string, options: NodeOptions) =>
            (await import('./commands/node.ts')).nodeRevoke(name, options),
          ),
        );
      asking(node, 'tell', 'have a node do something now, over its link')
        .argument('<name>')
        .addArgument(
          new Argument('<verb>', 'ping only answers; thaw ends its halt; poll looks for work').choices(VERBS),
        )
        .action(
          answer(async (name: string, verb: (typeof VERBS)[number], options: NodeOptions) =>
            (await import('./commands/node.ts')).nodeTell(name, verb, options),
          ),
        );
      below(node, 'rotate', 'on the node: a new key, and a certificate for it')
        .option('--home <dir>', 'as for join')
        .action(answer(async (options: JoinOptions) => (await import('./commands/node.ts')).nodeRotate(options)));
      node
        .command('run')
        .description('on the node: run it, logging to stderr, until a signal comes; for services')
        .option('--serve <names>', 'be several nodes, each with its folder in HAUKI_NODE_HOME/nodes: crm,billing')
        .option('--via <kind>', 'run its hooks in the container of its name: lxd or incus (default: here)')
        .exitOverride()
        .action(answer(async (options: NodeRunOptions) => (await import('./commands/node-run.ts')).nodeRun(options)));
      nodeServiceVerbs(node, answer, list);
      below(node, 'status', 'on the node: how its process stands, asked directly').action(
        answer(async (options: ThawOptions) => (await import('./commands/thaw.ts')).nodeStatus(options)),
      );
    },
    token: () => {
      const token = program.command('token').description('API tokens for programs and people').exitOverride();
      asking(token, 'create', 'make a token, and show it: once')
        .argument('<name>', 'who bears it; tokens and nodes share one set of names')
        .addOption(new Option('--scope <scopes>', `${SCOPES.join(', ')}; by commas, or given again`).argParser(list))
        .option('--expires <duration>', 'after so long it is worth nothing (default: never)')
        .action(
          answer(async (name: string, options: TokenOptions) =>
            (await import('./commands/token.ts')).tokenCreate(name, options),
          ),
        );
      asking(token, 'list', 'the tokens there are').action(
        answer(async (options: NodeOptions) => (await import('./commands/token.ts')).tokenList(options)),
      );
      asking(token, 'revoke', 'deny its bearer everything from now on, and end what it has open')
        .argument('<name>')
        .action(
          answer(async (name: string, options: NodeOptions) =>
            (await import('./commands/token.ts')).tokenRevoke(name, options),
          ),
        );
    },
  };
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** `a,b` and `a` given again come to the same. */
function list(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...value.split(',').filter((word) => word !== '')];
}
