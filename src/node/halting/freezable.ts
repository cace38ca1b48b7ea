import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import * as z from 'zod';

import { cgroupMount } from './mounts.ts';
import { type Argv, type Run, runHere } from './process.ts';

/** Names begin with a letter or digit, so that none can be taken for an option. */
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9@:_.\\-]{0,254}$/, 'is no name of one');
const container = z.string().regex(/^[A-Za-z][A-Za-z0-9-]{0,62}$/, 'is no name of a container');

/** What can be frozen, as it stands in node.yaml: exactly one of the three. */
export const Freezable = z.union(
  [
    z.strictObject({ unit: name }),
    z.strictObject({ container, via: z.enum(['lxc', 'incus']).default('lxc') }),
    z.strictObject({
      cgroup: z.string().regex(/^\/sys\/fs\/cgroup\/(?!.*\/?\.\.(\/|$)).+$/, 'is not below /sys/fs/cgroup'),
    }),
  ],
  { error: 'say what is to be frozen: unit, container (via: lxc or incus), or cgroup' },
);
export type Freezable = z.infer<typeof Freezable>;

/** How one kind of thing is frozen. Each call says why it failed, or nothing. */
export interface Handle {
  /** For people: `unit crm.service`. */
  readonly words: string;
  freeze(signal: AbortSignal): Promise<string | undefined>;
  /** Also of what is not frozen. */
  thaw(): Promise<string | undefined>;
  /** What thaws it when this process cannot. */
  readonly thawArgv: Argv;
  /** The folder of its control group. @throws with words, when that cannot be found out */
  group(): Promise<string>;
}

/** Ms. A freeze that takes longer waits for something that is frozen already. */
const FREEZE_MS = 5_000;
const THAW_MS = 10_000;
const ASK_MS = 5_000;
const LOOK_MS = 5;

/** Always on this host: what is frozen is the same, wherever the hooks run. */
export function handleOf(thing: Freezable, run: Run = runHere): Handle {
  if ('unit' in thing) return unit(thing.unit, run);
  if ('container' in thing) return containerOf(thing.container, thing.via, run);
  return controlGroup(thing.cgroup);
}

function unit(service: string, run: Run): Handle {
  const thawArgv: Argv = ['systemctl', 'thaw', service];
  const property = async (wanted: string): Promise<string> => {
    const { stdout } = await run(['systemctl', 'show', `--property=${wanted}`, '--value', service], {
      withinMs: ASK_MS,
    });
    return stdout.trim();
  };
  return {
    words: `unit ${service}`,
    thawArgv,
    freeze: async (signal) => (await run(['systemctl', 'freeze', service], { withinMs: FREEZE_MS, signal })).why,
    thaw: async () => {
      const { why } = await run(thawArgv, { withinMs: THAW_MS });
      return why === undefined || (await property('FreezerState')) === 'running' ? undefined : why;
    },
    group: async () => {
      const path = await property('ControlGroup');
      if (path === '') throw new Error('it is not running');
      return join((await cgroupMount()) ?? '', path);
    },
  };
}

function containerOf(instance: string, via: 'lxc' | 'incus', run: Run): Handle {
  const state = `/1.0/instances/${instance}/state`;
  const change = (action: 'freeze' | 'unfreeze'): Argv => {
    return [via, 'query', '--request', 'PUT', '--wait', '--data', JSON.stringify({ action, timeout: 10 }), state];
  };
  const look = async (): Promise<{ status?: string; pid?: number }> => {
    const { why, stdout } = await run([via, 'query', state], { withinMs: ASK_MS });
    if (why !== undefined) throw new Error(why);
    return JSON.parse(stdout) as { status?: string; pid?: number };
  };
  return {
    words: `container ${instance}`,
    thawArgv: change('unfreeze'),
    freeze: async (signal) => (await run(change('freeze'), { withinMs: FREEZE_MS, signal })).why,
    thaw: async () => {
      const { why } = await run(change('unfreeze'), { withinMs: THAW_MS });
      if (why === undefined) return undefined;
      // Refused for one that runs or is off; and for one that is still about to freeze, whose processes do not all stop: it will have to be
      // asked again when they do.
      const { status = '' } = await look().catch(() => ({ status: undefined }));
      return ['Running', 'Stopped'].includes(status) ? undefined : why;
    },
    group: async () => {
      const { pid = 0 } = await look();
      if (pid <= 0) throw new Error('it is not running');
      const own = /^0::(.*)$/m.exec(await readFile(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
      const payload = /^.*?\/lxc\.payload\.[^/]+/.exec(own)?.[0] ?? own;
      return join((await cgroupMount()) ?? '', payload);
    },
  };
}

function controlGroup(path: string): Handle {
  const file = join(path, 'cgroup.freeze');
  const isFrozen = async (): Promise<boolean> =>
    /^frozen 1$/m.test(await readFile(join(path, 'cgroup.events'), 'utf8'));
  const attempt = async (work: () => Promise<string | undefined>): Promise<string | undefined> =>
    work().catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  return {
    words: `cgroup ${path}`,
    thawArgv: ['sh', '-c', 'echo 0 > "$0"', file],
    freeze: (signal) =>
      attempt(async () => {
        await writeFile(file, '1');
        const end = performance.now() + FREEZE_MS;
        while (!(await isFrozen())) {
          if (signal.aborted) return 'called off';
          if (performance.now() > end) return `it did not stop within ${FREEZE_MS} ms`;
          await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        }
        return undefined;
      }),
    thaw: () =>
      attempt(async () => {
        await writeFile(file, '0').catch((error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        });
        return undefined;
      }),
    group: async () => path,
  };
}
