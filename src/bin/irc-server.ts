import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Channel, ServerOptions } from '../doors/irc/connection.ts';
import type { TlsTrust } from '../doors/irc/transport.ts';
import type { Log } from '../ports/log.ts';
import type { IrcServerConfig } from './irc-config.ts';
import { readSecret } from './secret.ts';

/**
 * An IRC server as the settings name it. Files are read now, so that a missing password stops the start with a reason; the server may
 * be anything but there.
 *
 * @param home where files are looked for
 * @throws RefusedError `usage` when a file cannot be used
 */
export function ircServer(
  config: IrcServerConfig & { readonly nick: string },
  home: string,
  log: Log,
): Omit<ServerOptions, 'channels'> {
  const { server, port, tls, nick, passwordFile, sasl, flood, patience } = config;
  const at = (path: string): string => resolve(home, path);
  const password = passwordFile === undefined ? undefined : readSecret(at(passwordFile), "the IRC server's password");
  const saslPassword =
    sasl === undefined ? undefined : readSecret(at(sasl.passwordFile), 'the password of the SASL account');
  if (tls === false && (password ?? saslPassword) !== undefined)
    log.warn({ server }, 'IRC: a password is sent in the clear, because tls is false');
  return {
    host: server,
    port,
    ...(tls === false ? {} : { tls: trustOf(tls, at) }),
    nick,
    ...(password === undefined ? {} : { password }),
    ...(sasl === undefined || saslPassword === undefined
      ? {}
      : { sasl: { account: sasl.account, password: saslPassword } }),
    flood,
    patience: {
      quietMs: patience.quiet,
      answerMs: patience.answer,
      retryMs: patience.retry,
      retryMsMax: patience.retryMax,
    },
  };
}

/** A channel, and its key where it has one. @throws RefusedError as above */
export function ircChannel(name: string, keyFile: string | undefined, home: string): Channel {
  return keyFile === undefined ? { name } : { name, key: readSecret(resolve(home, keyFile), `the key of ${name}`) };
}

function trustOf(tls: Exclude<IrcServerConfig['tls'], false>, at: (path: string) => string): TlsTrust {
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
