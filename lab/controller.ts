import type { Lab } from './guest.ts';

/** A controller in the guest, as a unit of systemd's. */
export interface Controller {
  readonly unit: string;
  /** Its process id; 0 when it does not run. */
  readonly pid: () => Promise<number>;
  /** Sends it a signal, to it alone. */
  readonly kill: (signal: NodeJS.Signals) => Promise<void>;
  /** Waits until it has ended, by itself or by a signal. @returns systemd's word for how: success, exit-code, signal … */
  readonly ended: () => Promise<string>;
  /** Ends it in order, as `systemctl stop` does. */
  readonly stop: () => Promise<void>;
  readonly journal: () => Promise<string>;
}

interface Order {
  readonly unit: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly properties: readonly string[];
}

/**
 * Starts a controller under systemd, where it survives the end of the ssh command that started it, and waits until it
 * takes requests.
 *
 * @throws with its journal, when it ends instead
 */
export async function startController(lab: Lab, { unit, argv, env, properties }: Order): Promise<Controller> {
  const settings = Object.entries(env).map(([name, value]) => `--setenv=${name}=${value}`);
  const more = properties.map((property) => `--property=${property}`);
  await lab.run(['systemd-run', '--quiet', `--unit=${unit}`, ...settings, ...more, '--', ...argv]);
  const show = async (property: string): Promise<string> =>
    (await lab.run(['systemctl', 'show', '--value', '-p', property, unit])).stdout.trim();
  const running = async (): Promise<boolean> => ['active', 'activating'].includes(await show('ActiveState'));
  const controller: Controller = {
    unit,
    pid: async () => Number(await show('MainPID')),
    kill: async (signal) => void (await lab.run(['systemctl', 'kill', '--kill-whom=main', '-s', signal, unit])),
    ended: async () => {
      await lab.until(async () => !(await running()), `${unit} ends`);
      return show('Result');
    },
    stop: async () => void (await lab.run(['systemctl', 'stop', unit])),
    journal: async () => (await lab.run(['journalctl', '--no-pager', '-o', 'cat', '-u', unit])).stdout,
  };
  const socket = `${env['HAUKI_HOME'] ?? ''}/controller.sock`;
  await lab.until(
    async () => {
      const ready = ['curl', '-sf', '--unix-socket', socket, '-o', '/dev/null', 'http://localhost/readyz'];
      if ((await lab.run(ready, { okCodes: 'any' })).code === 0) return true;
      if (await running()) return false;
      throw new Error(`${unit} ended before it took requests:\n${await controller.journal()}`);
    },
    `${unit} takes requests`,
    // On a machine that does much besides, a start under emulation takes minutes.
    { secondsMax: 300 },
  );
  return controller;
}
