import { refusal, RefusedError } from '../../base/refusal.ts';
import { nodeRefusal } from '../../core/policy/policy.ts';
import { homeFrom } from '../home.ts';
import { printJson, printText, say } from '../output.ts';
import { describeSelfTest, serve, type Serving, tellStarter } from '../serve.ts';
import { openSupervision } from '../supervision.ts';
import { nodeName } from './asking.ts';

export interface ControllerOptions {
  readonly port?: string;
  readonly node?: string;
  readonly listen?: readonly string[];
  readonly ephemeral?: boolean;
  readonly json?: boolean;
}

/** `hauki up` and `hauki controller`: run until a signal comes. @returns the exit code */
export async function runController(options: ControllerOptions, words: 'up' | 'controller'): Promise<number> {
  const node = options.node ?? nodeName();
  const refused = nodeRefusal(node);
  if (refused !== undefined) throw new RefusedError(refused);
  let serving: Serving;
  try {
    serving = await serve({
      home: homeFrom(process.env),
      node,
      ephemeral: options.ephemeral ?? false,
      ...(options.ephemeral ? {} : { port: portOf(options.port) }),
      ...(options.listen === undefined ? {} : { listen: options.listen }),
      supervised: await openSupervision(),
      logLevel: process.env['HAUKI_LOG'] || (words === 'up' ? 'warn' : 'info'),
    });
  } catch (error) {
    if (error instanceof RefusedError) tellStarter(error.refusal);
    throw error;
  }
  tellStarter('ready');
  if (!options.ephemeral) announce(serving, options.json ?? false, words);
  await serving.stopped;
  if (words === 'up' && !options.json) say('stopped');
  return 0;
}

function announce(
  { node, socket, url, token, listening, selfTests }: Serving,
  json: boolean,
  words: 'up' | 'controller',
): void {
  if (json) return printJson({ status: 'ready', node, socket, url, listening, selfTests });
  for (const test of selfTests) printText(`self-test  ${describeSelfTest(test)}`);
  printText(`ready      node ${node} · ${url ?? ''} · unix:${socket}`);
  if (url !== undefined)
    printText(`page       ${url}/ · log in with the token in ${token}, or with one of "hauki token create"`);
  if (listening.length > 0) printText(`nodes      let in on ${listening.join(', ')}`);
  if (words === 'up')
    printText('try        ./hauki guard --intent "why" --path DIR -- COMMAND        (Ctrl-C ends the mesh)');
}

function portOf(text = '7717'): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new RefusedError(
    refusal('usage', `"${text}" is not a port.`, 'Give a number from 0 to 65535; 0 takes any that is free.'),
  );
}
