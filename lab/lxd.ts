import type { Lab } from './guest.ts';

/** LXD in the guest, with its storage on `tank/lxd`. */
export interface Lxd {
  /** Runs `lxc`. @returns its stdout */
  readonly lxc: (...args: readonly string[]) => Promise<string>;
  /** Runs a program in a container. @returns its stdout */
  readonly exec: (container: string, argv: readonly string[]) => Promise<string>;
  /** Launches a system container of Debian's, and waits until its systemd has started everything. */
  readonly launch: (container: string) => Promise<void>;
  /** Gives a container a folder of the host: what is guarded outside is worked on inside. */
  readonly mount: (container: string, device: string, source: string, path: string) => Promise<void>;
}

const PRESEED = `storage_pools:
- name: default
  driver: zfs
  config: { source: tank/lxd }
profiles:
- name: default
  devices:
    root: { path: /, pool: default, type: disk }
`;

/** With the packages of the recipe's containerPackages in it. */
const IMAGE = 'debian';

/**
 * Sets LXD up on pool `tank`, which is there already, and takes it down after the scenario. About a minute: LXD's start,
 * and unpacking the image once.
 */
export async function startLxd(lab: Lab): Promise<Lxd> {
  const lxc: Lxd['lxc'] = async (...args) => (await lab.run(['lxc', ...args])).stdout;
  lab.after(() => takeDown(lab));
  lab.step('LXD on tank/lxd');
  await lab.run(['lxd', 'init', '--preseed'], { stdin: PRESEED });
  lab.step('LXD imports the container image');
  await lxc('image', 'import', '/opt/lab/container-metadata.tar', '/opt/lab/container.tar', '--alias', IMAGE);
  const exec: Lxd['exec'] = (container, argv) => lxc('exec', container, '-T', '--', ...argv);
  return {
    lxc,
    exec,
    launch: async (container) => {
      lab.step(`container ${container}`);
      await lxc('launch', IMAGE, container);
      await lab.until(
        async () => {
          const asked = ['lxc', 'exec', container, '-T', '--', 'systemctl', 'is-system-running', '--wait'];
          const { stdout } = await lab.run(asked, { okCodes: 'any' });
          return ['running', 'degraded'].includes(stdout.trim());
        },
        `systemd is up in ${container}`,
        { secondsMax: 180 },
      );
    },
    mount: async (container, device, source, path) =>
      void (await lxc('config', 'device', 'add', container, device, 'disk', `source=${source}`, `path=${path}`)),
  };
}

/**
 * Deletes all that LXD has, so that the pool under it can go, and the next LXD makes its own anew. A dataset that still has
 * snapshots LXD only puts aside (`deleted/`), and then does not let go of its storage.
 */
async function takeDown(lab: Lab): Promise<void> {
  await lab.sh(`
    lxc list --format csv --columns n | while read -r name; do lxc delete --force "$name" </dev/null; done
    lxc image list --format csv --columns f | while read -r image; do lxc image delete "$image" </dev/null; done
    if zfs list -H -o name -r tank/lxd/deleted >/run/lab/deleted 2>/dev/null; then
      { grep -E '^tank/lxd/deleted/[^/]+/[^/]+$' /run/lab/deleted || :; } | xargs -r -n 1 zfs destroy -R
    fi
    if lxc profile device get default root pool >/dev/null 2>&1; then lxc profile device remove default root; fi
    if lxc storage show default >/dev/null 2>&1; then lxc storage delete default; fi
  `);
}
