import { oneLine } from '../wire/one-line.ts';
import type { SendDatagram } from './datagram.ts';

/** What supervises this process as a service (systemd), told by datagrams: sd_notify(3). Without one, nothing is told. */
export interface ServiceManager {
  /**
   * It does its work from now on. Until it stops, the status is kept up to date, and the watchdog is told that all is well whenever `turns`
   * says so: a process that only looks alive is started again.
   *
   * @param status what it is doing, in one line
   * @param turns whether its loop has turned since it was last asked; an answer that does not come is a no
   */
  ready(status: () => string, turns: () => boolean | Promise<boolean>): void;
  stopping(): void;
}

const LOOK_MS = 5_000;

export interface Supervision {
  /** Where it listens. */
  readonly socket: string;
  /** How long it is patient with a process that says nothing, ms; undefined: for ever. */
  readonly watchdogMs: number | undefined;
}

/** From the environment, which is cleaned of it: what this process starts is not to speak for it. */
export function takeSupervision(env: NodeJS.ProcessEnv, pid: number): Supervision | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: usec, WATCHDOG_PID: watched } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
  if (socket === undefined || !/^[/@]/.test(socket)) return undefined;
  const isForUs = watched === undefined || Number(watched) === pid;
  const watchdogMs = isForUs && Number(usec) > 0 ? Number(usec) / 1_000 : undefined;
  return { socket, watchdogMs };
}

export const NOBODY: ServiceManager = { ready: () => {}, stopping: () => {} };

export function serviceManager({ socket, watchdogMs }: Supervision, send: SendDatagram): ServiceManager {
  /** What has not gone out: said with what comes next, or nobody would hear it. */
  let owed: readonly string[] = [];
  let look: NodeJS.Timeout | undefined;
  const say = (...lines: readonly string[]): void => {
    const all = [...owed, ...lines];
    if (all.length === 0) return;
    owed = send(socket, Buffer.from(all.join('\n'))) ? [] : all.filter((line) => !line.startsWith('WATCHDOG'));
  };
  return {
    ready: (status, turns) => {
      let shown = statusLine(status());
      say('READY=1', shown);
      let asking = false;
      const tick = async (): Promise<void> => {
        if (asking) return;
        asking = true;
        try {
          const alive = watchdogMs !== undefined && (await turns());
          const now = statusLine(status());
          const changed = now !== shown;
          shown = now;
          say(...(changed ? [now] : []), ...(alive ? ['WATCHDOG=1'] : []));
        } finally {
          asking = false;
        }
      };
      // Thrice within its patience: one that comes late must not cost the service its life.
      look = setInterval(() => void tick(), Math.min(LOOK_MS, (watchdogMs ?? Infinity) / 3));
      look.unref();
    },
    stopping: () => {
      clearInterval(look);
      say('STOPPING=1', 'STATUS=stopping');
    },
  };
}

function statusLine(text: string): string {
  return `STATUS=${oneLine(text)}`;
}
