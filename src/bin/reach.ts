import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

import { ok, type Result } from '../base/result.ts';
import type { Refusal } from '../base/refusal.ts';
import type { Reach } from '../ports/reach.ts';
import { localReach } from '../reach/local/local.ts';
import { lxdReach } from '../reach/lxd/lxd.ts';
import { sshReach, type SshOptions } from '../reach/ssh/ssh.ts';
import { contextName, parseContext } from '../wire/context.ts';

/**
 * The reach of a context.
 *
 * @param text `local`, `lxd:crm`, `ssh:root@db1`
 * @returns `context_invalid` for what is none; whether it is there, only `check` and `run` tell
 */
export function openReach(text: string, ssh: SshOptions = {}): Result<Reach, Refusal> {
  const parsed = parseContext(text);
  if (!parsed.ok) return parsed;
  const context = parsed.value;
  const name = contextName(context);
  switch (context.via) {
    case 'local':
      return ok(localReach());
    case 'lxd':
      return ok(
        lxdReach({
          name,
          instance: context.instance,
          program: isInstalled('lxc') || !isInstalled('incus') ? 'lxc' : 'incus',
        }),
      );
    case 'incus':
      return ok(lxdReach({ name, instance: context.instance, program: 'incus' }));
    case 'ssh': {
      const { via: _, ...destination } = context;
      return ok(sshReach({ name, ...destination }, ssh));
    }
  }
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
