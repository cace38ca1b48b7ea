import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Channel, ServerOptions } from '../doors/irc/connection.ts';
import type { TlsTrust } from '../doors/irc/transport.ts';
import type { Log } from '../ports/log.ts';
import type { IrcConfig, IrcLinkConfig } from './irc-config.ts';
import { readSecret } from './secret.ts';

/**
 * How to reach an IRC server, the files read that the configuration names. They are read at once, so that a missing password stops the
 * start with a reason.
 *
 * @param root the folder from which files are named
 * @throws RefusedError `usage` when a file cannot be used
 */
export function serverOf(config: IrcConfig | IrcLinkConfig, root: string, log: Log): Omit<ServerOptions, 'channels'> {
  const { server, port, tls, nick, passwordFile, sasl, flood, patience } = config;
  const at = (path: string): string => resolve(root, path);
  const password = passwordFile === undefined ? undefined : readSecret(at(passwordFile), "the IRC server's password");
  const account =
    sasl === undefined
      ? undefined
      : {
          account: sasl.account,
          password: readSecret(at(sasl.passwordFile), 'the password of the SASL account'),
        };
  if (tls === false && (password ?? account) !== undefined)
    log.warn({ server }, 'IRC: a password is sent in the clear, because tls is false');
  return {
    host: server,
    port,
    ...(tls === false ? {} : { tls: trustOf(tls, at) }),
    nick,
    ...(password === undefined ? {} : { password }),
    ...(account === undefined ? {} : { sasl: account }),
    flood,
    patience: {
      quietMs: patience.quiet,
      answerMs: patience.answer,
      retryMs: patience.retry,
      retryMsMax: patience.retryMax,
    },
  };
}

/** @param keyFile holds the channel's key, where it has one @throws RefusedError `usage` when it cannot be used */
export function channelOf(name: string, keyFile: string | undefined, root: string): Channel {
  return keyFile === undefined ? { name } : { name, key: readSecret(resolve(root, keyFile), `the key of ${name}`) };
}

function trustOf(tls: Exclude<IrcConfig['tls'], false>, at: (path: string) => string): TlsTrust {
  const { ca, servername } = tls === true ? {} : tls;
  return {
    ...(ca === undefined ? {} : { ca: pem(at(ca)) }),
    ...(servername === undefined ? {} : { servername }),
  };
}

function pem(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text;
  } catch (error) {
    throw unusable(path, (error as Error).message);
  }
  throw unusable(path, 'it holds no certificate in PEM');
}

function unusable(path: string, why: string): RefusedError {
  return new RefusedError(
    refusal('usage', `${path} cannot be used as certificate authority: ${why}.`, 'Name a PEM file under irc.tls.ca.'),
  );
}
