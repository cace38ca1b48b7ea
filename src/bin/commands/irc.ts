import { spawnSync } from 'node:child_process';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { changeIn, isSigner, signedText } from '../../wire/irc/ask.ts';
import { readConfig } from '../config.ts';
import { homeFrom } from '../home.ts';
import { printJson, printText } from '../output.ts';

export interface SignOptions {
  readonly as: string;
  readonly key: string;
  readonly channel?: string;
  readonly json?: boolean;
}

/**
 * `hauki irc sign`: a line to be said in the controller's channel, or to it alone, that makes a change. Signed by ssh-keygen, so that a
 * key in an agent, on a token or behind a passphrase serves as well; hauki never sees it.
 */
export function signLine(words: readonly string[], { as, key, channel, json = false }: SignOptions): number {
  const [verb = '', ...rest] = words;
  if (changeIn(verb, rest) === undefined)
    throw usage(
      `"${words.join(' ')}" is nothing that can be asked for on IRC.`,
      'Write rollback M, resolve M commit, resolve M rollback, pin M or unpin M.',
    );
  if (!isSigner(as))
    throw usage(
      `"${as}" cannot be the name of a signer.`,
      "Give the name that stands in the controller's file of signers.",
    );
  const where = channel ?? readConfig(homeFrom(process.env).config).irc?.channel;
  if (where === undefined) throw usage('It is not known which channel the line is for.', 'Name it: --channel "#mesh".');
  const at = Math.floor(Date.now() / 1_000);
  const said = words.join(' ');
  const line = `!signed ${as} ${at} ${signatureOf(signedText(where, at, said), key)} ${said}`;
  if (json) printJson({ line });
  else printText(line);
  return 0;
}

function signatureOf(text: string, key: string): string {
  const { status, stdout, error } = spawnSync('ssh-keygen', ['-Y', 'sign', '-n', 'hauki-irc', '-f', key], {
    input: text,
    encoding: 'utf8',
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [, body] = /-----BEGIN SSH SIGNATURE-----\n([\s\S]*?)-----END/.exec(stdout ?? '') ?? [];
  if (status === 0 && body !== undefined) return body.replaceAll('\n', '');
  throw usage(
    `${key} could not be used to sign: ${error?.message ?? 'ssh-keygen says why above'}.`,
    'Name an ed25519 key: a private one, or the public one of a key in your agent.',
  );
}

function usage(message: string, hint: string): RefusedError {
  return new RefusedError(refusal('usage', message, hint));
}
