import { refusal, RefusedError } from '../base/refusal.ts';
import type { Step } from './steps.ts';
import type { There } from './there.ts';

/** A unit of systemd's that is to run. */
export interface Unit {
  readonly name: string;
  readonly text: string;
}

export const UNIT_FOLDER = '/etc/systemd/system';

export function unitPath({ name }: Pick<Unit, 'name'>): string {
  return `${UNIT_FOLDER}/${name}`;
}

/** @throws RefusedError `install_refused` where no systemd runs, or whoever is let in there is not root */
export async function requireSystemd(there: There): Promise<void> {
  const { stdout } = await there.ask(['sh', '-c', 'id -u; if [ -d /run/systemd/system ]; then echo systemd; fi']);
  const [uid, systemd] = stdout.split('\n');
  const { name } = there.reach;
  if (systemd !== 'systemd')
    throw new RefusedError(
      refusal(
        'install_refused',
        `No systemd runs on ${name}, so nothing would keep a service running there.`,
        'Where there is another init, have it run the program itself: docs/services.md. Nothing was changed.',
      ),
    );
  if (uid !== '0')
    throw new RefusedError(
      refusal(
        'install_refused',
        `Services are installed by root; on ${name} we are user ${uid}.`,
        'Run it as root, or reach root there. Nothing was changed.',
      ),
    );
}

export async function isActive(there: There, { name }: Pick<Unit, 'name'>): Promise<boolean> {
  return (await there.ask(['systemctl', 'is-active', '--quiet', name])).code === 0;
}

/**
 * Writes, enables and starts a unit.
 *
 * @param files what it runs: when one of them was replaced, it is started again
 */
export function unitSteps(there: There, unit: Unit, files: readonly string[]): Step[] {
  const { name, text } = unit;
  const path = unitPath(unit);
  const reload = async (): Promise<void> => void (await there.run(['systemctl', 'daemon-reload']));
  return [
    async () => {
      const before = await there.text(path);
      const unread = await property(there, unit, 'NeedDaemonReload');
      if (before === text && unread !== 'yes') return undefined;
      return {
        words: `write ${path}`,
        act: async () => {
          await there.put(path, text, 0o644);
          await reload();
        },
        undo: async () => {
          if (before === undefined) await there.run(['rm', '-f', path]);
          else await there.put(path, before, 0o644);
          await reload();
        },
      };
    },
    async () => {
      if ((await there.ask(['systemctl', 'is-enabled', '--quiet', name])).code === 0) return undefined;
      return {
        words: `enable ${name}`,
        act: async () => void (await there.run(['systemctl', 'enable', '--quiet', name])),
        undo: async () => void (await there.run(['systemctl', 'disable', '--quiet', name])),
      };
    },
    async () => {
      const active = await isActive(there, unit);
      if (active && !(await isOlderThan(there, unit, [path, ...files]))) return undefined;
      return {
        words: `${active ? 'restart' : 'start'} ${name}`,
        act: () => start(there, unit),
        undo: async () => void (await there.run(['systemctl', 'stop', name])),
      };
    },
  ];
}

/**
 * Whether it was started before one of these files became what it is. Asked of the machine and not remembered, so that an installation that
 * was killed in between is finished by the next.
 */
async function isOlderThan(there: There, unit: Pick<Unit, 'name'>, files: readonly string[]): Promise<boolean> {
  const since = /^@(\d+)$/.exec(await property(there, unit, 'ActiveEnterTimestamp'))?.[1];
  const { code, stdout } = await there.ask(['stat', '-c', '%Z', '--', ...files]);
  if (since === undefined || code !== 0) return true;
  return stdout
    .trim()
    .split('\n')
    .some((changed) => Number(changed) > Number(since));
}

async function property(there: There, { name }: Pick<Unit, 'name'>, property: string): Promise<string> {
  const { stdout } = await there.ask(['systemctl', 'show', '--timestamp=unix', '-p', property, '--value', name]);
  return stdout.trim();
}

/** Starts it, or starts it again, and returns when it says that it is ready. @throws RefusedError with the end of its journal */
export async function start(there: There, unit: Unit): Promise<void> {
  // What failed too often before is to be tried all the same.
  await there.ask(['systemctl', 'reset-failed', unit.name]);
  const { code } = await there.ask(['systemctl', 'restart', unit.name]);
  if (code !== 0) throw new RefusedError(await unwell(there, unit));
}

/** Why a unit does not do what it should, by its own words. */
export async function unwell(there: There, { name }: Pick<Unit, 'name'>): Promise<ReturnType<typeof refusal>> {
  const { stdout } = await there.ask(['journalctl', '--no-pager', '-n', '12', '-o', 'cat', '-u', name]);
  const { stdout: state } = await there.ask([
    'systemctl',
    'show',
    '-p',
    'ActiveState,SubState,Result',
    '--value',
    name,
  ]);
  return refusal(
    'install_failed',
    `${name} on ${there.reach.name} does not run (${state.trim().replaceAll('\n', ', ')}). It said: ${stdout.trim()}`,
  );
}

/** Stops, disables and removes a unit. */
export function removalSteps(there: There, unit: Pick<Unit, 'name'>): Step[] {
  const { name } = unit;
  const path = unitPath(unit);
  return [
    async () => {
      const { code } = await there.ask(['systemctl', 'is-active', '--quiet', name]);
      const { stdout } = await there.ask(['systemctl', 'is-enabled', name]);
      if (code !== 0 && stdout.trim() !== 'enabled') return undefined;
      return {
        words: `stop and disable ${name}`,
        act: async () => void (await there.run(['systemctl', 'disable', '--quiet', '--now', name])),
      };
    },
    async () => {
      if ((await there.ask(['test', '-e', path])).code !== 0) return undefined;
      return {
        words: `remove ${path}`,
        act: async () => {
          await there.run(['rm', '-f', path]);
          await there.run(['systemctl', 'daemon-reload']);
          await there.ask(['systemctl', 'reset-failed', name]);
        },
      };
    },
  ];
}
