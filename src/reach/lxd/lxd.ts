import type { Refusal } from '../../base/refusal.ts';
import { refusal } from '../../base/refusal.ts';
import type { Reach } from '../../ports/reach.ts';
import { ownEnvironment } from '../command.ts';
import { courierArgv } from '../courier.ts';
import { type FarOptions, farReach } from '../far.ts';
import { ask, type Asked } from './client.ts';

export interface Instance {
  /** For people. */
  readonly name: string;
  /** As LXD has it: letters, digits, dashes. */
  readonly instance: string;
  /** The client that leads there. */
  readonly program: 'lxc' | 'incus';
}

/** A container or virtual machine of LXD's or Incus', by its own client. Commands run as root in it. */
export function lxdReach({ name, instance, program }: Instance, options: FarOptions = {}): Reach {
  const env = ownEnvironment(/^(PATH$|HOME$|USER$|LOGNAME$|LXD_|INCUS_|XDG_|DBUS_)/);
  return farReach(
    {
      name,
      argv: (run) => [program, 'exec', instance, '--mode=non-interactive', '--', ...courierArgv(run)],
      env,
      explain: async (said, late) =>
        explain({ name, instance, program }, said, late, await ask(program, instance, env)),
    },
    options,
  );
}

/**
 * Why nothing answers in an instance.
 *
 * @param said by `lxc exec`
 * @param asked what `lxc query` said of the instance
 */
export function explain({ name, instance, program }: Instance, said: string, late: boolean, asked: Asked): Refusal {
  const last = (text: string): string =>
    text
      .split('\n')
      .findLast((line) => line.trim() !== '')
      ?.trim() ?? '';
  if (asked.status === undefined) {
    if (/not found/i.test(asked.said))
      return refusal(
        'context_missing',
        `There is no instance ${instance} (${program}).`,
        `"${program} list" shows what there is. Nothing was executed.`,
      );
    return refusal(
      'context_unreachable',
      `${program} cannot be asked for ${instance}: ${last(asked.said).slice(0, 300)}`,
    );
  }
  if (asked.status !== 'Running')
    return refusal(
      'context_missing',
      `The instance ${instance} is not running: it is ${asked.status.toLowerCase()}.`,
      `${asked.status === 'Frozen' ? `"${program} resume ${instance}" thaws it` : `"${program} start ${instance}" starts it`}. Nothing was executed.`,
    );
  if (late) return refusal('context_unreachable', `${name} is running, but did not answer in time.`);
  return refusal('context_missing', `No POSIX shell answers in ${name} (${program}: ${last(said).slice(0, 300)}).`);
}
