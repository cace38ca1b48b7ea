import { createHash } from 'node:crypto';

/** What the image is made of. Everything in it goes into the hash under which the image is cached. */
export interface Recipe {
  /** Raised when image.ts does something else with the same recipe. */
  readonly format: number;
  readonly suite: string;
  readonly components: readonly string[];
  readonly packages: readonly string[];
  /** Of the system container that LXD scenarios launch. */
  readonly containerPackages: readonly string[];
  /** What dpkg leaves out: nobody reads manuals in there, and every file costs time. */
  readonly leftOut: readonly string[];
  /** Written over what the packages brought; absolute path in the guest → content. */
  readonly files: Readonly<Record<string, string>>;
  /** Absolute path in the guest → target. */
  readonly links: Readonly<Record<string, string>>;
  /** Units that never start. */
  readonly masked: readonly string[];
  /** Units that start only when a scenario says so. */
  readonly disabled: readonly string[];
  /** Users beside root, for what an ordinary one may and may not do. */
  readonly users: readonly string[];
  /** Size of the root file system; the file is sparse. */
  readonly diskGiB: number;
}

export const RECIPE: Recipe = {
  format: 1,
  suite: 'bookworm',
  components: ['main', 'contrib'],
  packages: [
    // The kernel and ZFS for it: dkms compiles the module while the image is built, at the host's speed.
    ...['linux-image-cloud-amd64', 'linux-headers-cloud-amd64', 'zfs-dkms', 'zfsutils-linux', 'zstd', 'kmod'],
    ...['systemd-sysv', 'udev', 'dbus', 'openssh-server', 'iproute2', 'procps', 'sudo', 'ca-certificates', 'curl'],
    ...['lxd', 'lxd-client', 'dnsmasq-base', 'iptables', 'squashfs-tools'],
    // What scenarios and the conformance suites look at.
    ...['acl', 'attr', 'btrfs-progs', 'e2fsprogs', 'git', 'strace', 'openssh-client', 'util-linux-extra', 'psmisc'],
    ...['gocryptfs', 'sshfs', 'fuse3', 'ngircd', 'sanoid'],
  ],
  containerPackages: [
    ...['systemd-sysv', 'dbus', 'curl', 'fuse3', 'gocryptfs', 'sshfs', 'iproute2', 'procps'],
    // Signatures of tasks, and patches.
    ...['openssh-client', 'git'],
  ],
  leftOut: ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*'],
  files: {
    '/etc/hostname': 'hauki-lab\n',
    '/etc/hosts': '127.0.0.1 localhost\n127.0.1.1 hauki-lab\n::1 localhost\n',
    // Without one every boot would be a first boot, and systemd would enable whatever its presets say.
    '/etc/machine-id': '6861756b69206c616220686f73740000\n',
    '/etc/fstab': '# The kernel command line names the root; the rest are mount units.\n',
    // QEMU's user-mode network. By driver, since LXD's bridges and veth pairs are ethernet as well.
    '/etc/systemd/network/lab.network':
      '[Match]\nDriver=virtio_net\n\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n',
    // Keys are made for each run and come with the cargo: the image has none, and a run never talks to another's guest.
    '/etc/ssh/sshd_config.d/lab.conf': [
      'HostKey /run/cargo/.lab/host_key',
      'AuthorizedKeysFile /run/cargo/.lab/key.pub',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      // Costs a second a login under emulation, and brings nothing here.
      'UsePAM no',
      'UseDNS no',
      'PrintMotd no',
      'PrintLastLog no',
      'MaxSessions 500',
      'SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8',
      '',
    ].join('\n'),
    '/etc/systemd/system/ssh.service.d/lab.conf': '[Unit]\nRequiresMountsFor=/run/cargo\nWants=opt-hauki.mount\n',
    '/etc/systemd/system/run-cargo.mount':
      '[Mount]\nWhat=/dev/disk/by-id/virtio-cargo\nWhere=/run/cargo\nType=squashfs\nOptions=ro\n',
    // The checkout, writable: what is written lies on the guest's own disk.
    '/etc/systemd/system/opt-hauki.mount': [
      '[Unit]',
      'RequiresMountsFor=/run/cargo /var/lib/lab',
      'Before=ssh.service',
      '[Mount]',
      'What=overlay',
      'Where=/opt/hauki',
      'Type=overlay',
      'Options=lowerdir=/run/cargo,upperdir=/var/lib/lab/upper,workdir=/var/lib/lab/overlay',
      '',
    ].join('\n'),
    '/etc/tmpfiles.d/lab.conf': 'd /run/lab 0755 root root\n',
    // Holds what a scenario starts over ssh, whatever becomes of it: stopping the unit ends it all.
    '/etc/systemd/system/lab-commands.service':
      '[Service]\nExecStart=sleep infinity\nDelegate=yes\nTimeoutStopSec=2\nKillMode=control-group\n',
    '/etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\n',
    // By default ZFS takes half the memory, and LXD and vitest want some.
    '/etc/modprobe.d/zfs.conf': 'options zfs zfs_arc_max=402653184\n',
    '/etc/modules-load.d/lab.conf': 'zfs\n',
    '/var/lib/lab/upper/.keep': '',
    '/var/lib/lab/overlay/.keep': '',
  },
  links: {
    '/etc/systemd/system/multi-user.target.wants/systemd-networkd.service':
      '/lib/systemd/system/systemd-networkd.service',
    '/usr/local/bin/node': '/run/cargo/.lab/node',
    '/usr/local/bin/hauki': '/opt/hauki/hauki',
    '/etc/resolv.conf': '/dev/null',
  },
  masked: [
    ...['apt-daily.timer', 'apt-daily-upgrade.timer', 'apt-daily.service', 'apt-daily-upgrade.service'],
    ...['e2scrub_all.timer', 'e2scrub_reap.service', 'fstrim.timer', 'dpkg-db-backup.timer', 'man-db.timer'],
    ...['systemd-networkd-wait-online.service', 'systemd-udev-settle.service', 'systemd-timesyncd.service'],
  ],
  // Without lxd-containers LXD comes up when somebody opens its socket.
  disabled: ['sanoid.timer', 'ngircd.service', 'lxd-containers.service'],
  users: ['alice'],
  diskGiB: 8,
};

/** Under which a recipe's image is cached: 16 hex digits. */
export function recipeHash(recipe: Recipe): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
}
