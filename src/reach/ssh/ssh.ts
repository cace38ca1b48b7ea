import { resolve } from 'node:path';

import { refusal, type Refusal, RefusedError } from '../../base/refusal.ts';
import type { Reach } from '../../ports/reach.ts';
import { ownEnvironment } from '../command.ts';
import { courierLine } from '../courier.ts';
import { type FarOptions, farReach } from '../far.ts';

export interface Destination {
  /** For people. */
  readonly name: string;
  /** A name, an address, or an alias of ssh's configuration. */
  readonly host: string;
  readonly user?: string;
  readonly port?: number;
}

export interface SshOptions extends FarOptions {
  /** Files; else what ssh takes by itself. With `knownHosts` no other file of host keys counts. */
  readonly knownHosts?: string;
  readonly identity?: string;
  readonly config?: string;
  readonly connectSeconds?: number;
}

/** Another host by OpenSSH's client, with the keys, aliases and jumps its user has set up. Never asks anything. */
export function sshReach(destination: Destination, options: SshOptions = {}): Reach {
  const { name } = destination;
  const words = sshWords(destination, options);
  return farReach(
    {
      name,
      argv: (run) => [...words, courierLine(run)],
      // Without our locale: the configuration of many hosts sends it along.
      env: ownEnvironment(/^(PATH|HOME|USER|LOGNAME|SSH_AUTH_SOCK|KRB5CCNAME)$/),
      explain: (said, late) => Promise.resolve(explain(name, said, late)),
    },
    options,
  );
}

/** @throws RefusedError `usage` for a file whose name ssh would not take as it is */
function sshWords({ host, user, port }: Destination, options: SshOptions): readonly string[] {
  const { knownHosts, identity, config, connectSeconds = 10 } = options;
  const settings = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    ...(knownHosts === undefined
      ? []
      : [
          `UserKnownHostsFile=${asSetting(knownHosts)}`,
          'GlobalKnownHostsFile=/dev/null',
          'VerifyHostKeyDNS=no',
          'UpdateHostKeys=no',
        ]),
    ...(identity === undefined ? [] : [`IdentityFile=${asSetting(identity)}`, 'IdentitiesOnly=yes']),
    `ConnectTimeout=${connectSeconds}`,
    'ServerAliveInterval=5',
    'ServerAliveCountMax=3',
    'LogLevel=ERROR',
    'RequestTTY=no',
    'RemoteCommand=none',
    'PermitLocalCommand=no',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'ForwardX11=no',
    // A connection that stays after its command would keep what it was given.
    'ControlMaster=no',
  ];
  return [
    'ssh',
    ...(config === undefined ? [] : ['-F', resolve(config)]),
    ...settings.flatMap((setting) => ['-o', setting]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    '--',
    host,
  ];
}

/** A path as ssh reads it: between quotes, `%` being the beginning of something else. */
function asSetting(path: string): string {
  const whole = resolve(path);
  if (/["\\\n]|\$\{/.test(whole))
    throw new RefusedError(
      refusal('usage', `ssh cannot be given the file ${JSON.stringify(whole)}.`, 'Give it a name without " \\ and ${.'),
    );
  return `"${whole.replaceAll('%', '%%')}"`;
}

/** What OpenSSH's client says, as a refusal. */
export function explain(name: string, said: string, late: boolean): Refusal {
  const last =
    said
      .split('\n')
      .findLast((line) => line.trim() !== '')
      ?.trim() ?? '';
  const words = last === '' ? '' : ` (ssh: ${last.slice(0, 300).replace(/\.$/, '')})`;
  if (late) return refusal('context_unreachable', `${name} did not answer in time${words}.`);
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(said))
    return refusal(
      'context_denied',
      `The host key of ${name} is not the one that is known.`,
      'Find out why before anything else; then put the right key into the file of known hosts. Nothing was executed.',
    );
  if (/host key is known for|Host key verification failed/i.test(said))
    return refusal(
      'context_denied',
      `The host key of ${name} is not known.`,
      'Put it into the file of known hosts (ssh-keyscan, compared with the host itself). Nothing was executed.',
    );
  if (/Permission denied|Too many authentication failures|no matching/i.test(said))
    return refusal('context_denied', `${name} does not let us in${words}.`);
  if (
    /Could not resolve|Connection (refused|closed|reset|timed out)|timed out|No route|unreachable|kex_exchange|lost connection|Broken pipe/i.test(
      said,
    )
  )
    return refusal('context_unreachable', `${name} cannot be reached${words}.`);
  return refusal('context_missing', `No POSIX shell answers on ${name}${words}.`);
}
