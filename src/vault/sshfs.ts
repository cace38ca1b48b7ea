import { resolve } from 'node:path';

import { refusal, RefusedError } from '../base/refusal.ts';
import { explainSshfs } from '../wire/vault/sshfs.ts';
import type { LayerPlan } from './layer.ts';

/** A cipher folder on another host. */
export interface SshfsSource {
  /** `user@host:/path`; the host may be an alias of ssh's configuration. */
  readonly from: string;
  readonly port?: number;
  /** Files; else what ssh takes by itself. With `knownHosts` no other file of host keys counts. */
  readonly knownHosts?: string;
  readonly identity?: string;
}

/** @throws RefusedError `usage` for a file whose name sshfs would not take as it is */
export function sshfsLayer(source: SshfsSource, point: string, log: string): LayerPlan {
  const { from, port, knownHosts, identity } = source;
  const options = [
    // What the kernel or sshfs remembers of a file another host has changed, it returns cut short.
    'direct_io',
    'dir_cache=no',
    'entry_timeout=0',
    'attr_timeout=0',
    'negative_timeout=0',
    // Never asks anything, and never believes a host it does not know.
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    'ConnectTimeout=10',
    'ServerAliveInterval=5',
    'ServerAliveCountMax=3',
    // A connection that others use too would end with theirs.
    'ControlPath=none',
    ...(knownHosts === undefined
      ? []
      : [`UserKnownHostsFile=${asSetting(knownHosts)}`, 'GlobalKnownHostsFile=/dev/null', 'UpdateHostKeys=no']),
    ...(identity === undefined ? [] : [`IdentityFile=${asSetting(identity)}`, 'IdentitiesOnly=yes']),
  ];
  return {
    name: 'sshfs',
    fsType: 'fuse.sshfs',
    package: 'sshfs',
    point,
    args: ['-f', ...(port === undefined ? [] : ['-p', String(port)]), '-o', options.join(','), '--', from, point],
    log,
    explain: (_, said) => explainSshfs(said, from),
  };
}

/** A path as ssh reads it behind sshfs: between quotes, `%` being the beginning of something else, a comma the end of the option. */
function asSetting(path: string): string {
  const whole = resolve(path);
  if (/["\\\n,]|\$\{/.test(whole))
    throw new RefusedError(
      refusal(
        'usage',
        `sshfs cannot be given the file ${JSON.stringify(whole)}.`,
        'Give it a name without " \\ , and ${.',
      ),
    );
  return `"${whole.replaceAll('%', '%%')}"`;
}
