import type { Lab } from './guest.ts';

/** LXD's own pool, on a disk of its own. */
export const LXD_POOL = 'lxd';

/** LXD in the guest. */
export interface Lxd {
  /** Runs `lxc`. @returns its stdout */
  readonly lxc: (...args: readonly string[]) => Promise<string>;
  /** Runs a program in a container. @returns its stdout */
  readonly exec: (container: string, argv: readonly string[]) => Promise<string>;
  /** Starts a new system container of Debian's, and waits until its systemd has started everything. */
  readonly launch: (container: string) => Promise<void>;
  /** Reboots a container. @param options of `lxc restart` */
  readonly restart: (container: string, ...options: readonly string[]) => Promise<void>;
  /** Gives a container a folder of the host: what is guarded outside is worked on inside. */
  readonly mount: (container: string, device: string, source: string, path: string) => Promise<void>;
}

/** A disk of its own: the pool of a scenario comes and goes. */
const PRESEED = `storage_pools:
- name: default
  driver: zfs
  config: { source: /dev/disk/by-id/virtio-lxd, zfs.pool_name: ${LXD_POOL} }
profiles:
- name: default
  devices:
    root: { path: /, pool: default, type: disk }
`;

/** With the packages of the recipe's containerPackages in it. */
const IMAGE = 'debian';
/** Has been started once, so that its files have the owners of an unprivileged container: those that are launched are clones of it. */
const TEMPLATE = 'lab-template';

/**
 * LXD on a machine, with no container of an earlier scenario; they are deleted after this one. LXD itself, its image and the container that
 * others are cloned from stay for the scenarios that come, since to make them takes three minutes; its pool does so exported, so that
 * those without LXD have the machine's ZFS to themselves.
 */
export async function startLxd(lab: Lab): Promise<Lxd> {
  const lxc: Lxd['lxc'] = async (...args) => (await lab.run(['lxc', ...args])).stdout;
  const exec: Lxd['exec'] = (container, argv) => lxc('exec', container, '-T', '--', ...argv);
  const settled = (container: string): Promise<unknown> =>
    lab.until(
      async () => {
        const asked = ['lxc', 'exec', container, '-T', '--', 'systemctl', 'is-system-running', '--wait'];
        const { stdout } = await lab.run(asked, { okCodes: 'any' });
        return ['running', 'degraded'].includes(stdout.trim());
      },
      `systemd is up in ${container}`,
      { secondsMax: 180 },
    );
  await lab.sh(`
    exported=$(zpool import 2>/dev/null || :)
    if [[ $exported == *"pool: ${LXD_POOL}"* ]]; then zpool import ${LXD_POOL}; fi
    systemctl start lxd.socket
  `);
  const template = await lab.run(['lxc', 'info', TEMPLATE], { okCodes: 'any' });
  if (template.code !== 0) {
    lab.step('LXD');
    await lab.run(['lxd', 'init', '--preseed'], { stdin: PRESEED });
    lab.step('LXD imports the container image');
    await lxc('image', 'import', '/opt/lab/container-metadata.tar', '/opt/lab/container.tar', '--alias', IMAGE);
    lab.step('the container that others are cloned from');
    await lxc('launch', IMAGE, TEMPLATE);
    await settled(TEMPLATE);
    await lxc('stop', '--force', TEMPLATE);
  }
  lab.after(() => takeDown(lab));
  return {
    lxc,
    exec,
    launch: async (container) => {
      lab.step(`container ${container}`);
      await lxc('copy', TEMPLATE, container);
      await lxc('start', container);
      await settled(container);
    },
    restart: async (container, ...options) => {
      const { code } = await lab.run(['lxc', 'restart', ...options, container], { okCodes: 'any' });
      // LXD gives a proxy device five seconds to come up, which emulated is not always enough; then the container is off.
      if (code !== 0) await lxc('start', container);
    },
    mount: async (container, device, source, path) =>
      void (await lxc('config', 'device', 'add', container, device, 'disk', `source=${source}`, `path=${path}`)),
  };
}

/**
 * Deletes a scenario's containers. A dataset that still has snapshots LXD only puts aside (`deleted/`); those go too, and what hauki kept
 * in that pool. Then LXD stops, and its pool is exported.
 */
async function takeDown(lab: Lab): Promise<void> {
  await lab.sh(`
    lxc list --format csv --columns n | while read -r name; do
      if [[ $name != ${TEMPLATE} ]]; then lxc delete --force "$name" </dev/null; fi
    done
    for own in ${LXD_POOL}/deleted/containers ${LXD_POOL}/.hauki; do
      { zfs list -H -o name -d 1 "$own" 2>/dev/null || :; } | tail -n +2 | xargs -r -n 1 zfs destroy -R
    done
    systemctl stop lxd.socket lxd.service
    zpool export ${LXD_POOL}
  `);
}
