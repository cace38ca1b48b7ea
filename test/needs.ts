import { spawnSync } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { describe } from 'vitest';

/**
 * What some tests need and not every machine has. Each entry finds out by trying, not by guessing from a version:
 * `undefined` when the component works, else why it does not and what would help.
 */
const PROBES = {
  root: () => (process.getuid?.() === 0 ? undefined : 'not root; run as root'),
  btrfs: probeBtrfs,
  zfs: probeZfs,
  xattr: () => program('setfattr', 'attr') ?? program('getfattr', 'attr'),
  acl: () => program('setfacl', 'acl') ?? program('getfacl', 'acl'),
  cgroup: probeCgroup,
  gocryptfs: () => program('gocryptfs', 'gocryptfs') ?? program('fusermount3', 'fuse3') ?? fuseDevice(),
  sshfs: () => program('sshfs', 'sshfs'),
  unshare: () => program('unshare', 'util-linux'),
  curl: () => program('curl', 'curl'),
  git: () => program('git', 'git'),
  'ssh-keygen': () => program('ssh-keygen', 'openssh-client'),
  strace: () => program('strace', 'strace'),
  ngircd: () => program('ngircd', 'ngircd'),
  inspircd: () => program('inspircd', 'inspircd'),
  atheme: () => program('atheme-services', 'atheme-services'),
  openssl: () => program('openssl', 'openssl'),
  script: () => program('script', 'bsdutils'),
  setpriv: () => program('setpriv', 'util-linux'),
  netns: probeNetns,
  chromium: () => program('chromium', 'chromium'),
  busybox: () => program('busybox', 'busybox'),
  bash: () => program('bash', 'bash'),
  fish: () => program('fish', 'fish'),
  zsh: () => program('zsh', 'zsh'),
  mandoc: () => program('mandoc', 'mandoc'),
  tcsh: () => program('tcsh', 'tcsh'),
  executable: probeExecutable,
  'systemd-analyze': () => program('systemd-analyze', 'systemd'),
  sshd: () => program('sshd', 'openssh-server'),
  promtool: () => program('promtool', 'prometheus'),
  'dpkg-deb': () => program('dpkg-deb', 'dpkg'),
  registry: probeRegistry,
} satisfies Record<string, () => string | undefined>;

export type Component = keyof typeof PROBES;

/** What came of looking for a component: `why` says what is missing, and is empty when it is there. */
export interface Need {
  readonly ok: boolean;
  readonly why: string;
  /** Options for a `describe` or `test` that depends on it: skipped, with the reason on record, when it is missing. */
  readonly options: { readonly skip: boolean; readonly meta: { readonly skipReason?: string } };
  /** `describe` for tests that depend on it, skipped with the reason on record when it is missing. */
  describe(name: string, tests: () => void): void;
}

const found = new Map<Component, string | undefined>();

/**
 * Says whether this machine has every one of the components.
 *
 *     needs('btrfs', 'acl').describe('a snapshot keeps ACLs', () => { … });
 *
 * Under CI=true a missing component throws instead, which fails the file: there, everything is to be checked.
 */
export function needs(...components: readonly [Component, ...Component[]]): Need {
  const missing = components.flatMap((component) => {
    if (!found.has(component)) found.set(component, PROBES[component]());
    const why = found.get(component);
    return why === undefined ? [] : [`needs ${component}: ${why}`];
  });
  const why = missing.join('; ');
  const ok = why === '';
  if (!ok && process.env['CI'] === 'true') throw new Error(`CI=true, and this file ${why}`);
  const options = { skip: !ok, meta: ok ? {} : { skipReason: why } };
  return { ok, why, options, describe: (name, tests) => void describe(name, options, tests) };
}

function program(name: string, debianPackage: string): string | undefined {
  // sbin is where mkfs and mount helpers live, and is not on everybody's PATH.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const there = folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return there ? undefined : `${name} is not installed; apt-get install ${debianPackage}`;
}

function probeZfs(): string | undefined {
  return PROBES.root() ?? program('zpool', 'zfsutils-linux') ?? attempt('zpool', 'list');
}

/** Where control groups can be made and frozen, if anywhere. */
export const CGROUPS = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((folder) =>
  existsSync(join(folder, 'cgroup.procs')),
);

function probeCgroup(): string | undefined {
  const missing = PROBES.root();
  if (missing !== undefined) return missing;
  if (CGROUPS === undefined) return 'no unified control groups are mounted';
  const group = join(CGROUPS, `hauki-needs-${process.pid}`);
  try {
    mkdirSync(group);
    writeFileSync(join(group, 'cgroup.freeze'), '0');
    return undefined;
  } catch (error) {
    return `no control group can be made and frozen: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    if (existsSync(group)) rmdirSync(group);
  }
}

function fuseDevice(): string | undefined {
  return existsSync('/dev/fuse') ? undefined : '/dev/fuse is not there';
}

/** Namespaces with a wire between them: containers often may not make them. */
function probeNetns(): string | undefined {
  const missing = PROBES.root() ?? program('ip', 'iproute2');
  if (missing !== undefined) return missing;
  const name = `hauki-needs-${process.pid}`;
  const made = attempt('ip', 'netns', 'add', name);
  if (made !== undefined) return made;
  const wired = attempt('ip', '-n', name, 'link', 'add', 'hauki-a', 'type', 'veth', 'peer', 'name', 'hauki-b');
  spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  return wired;
}

/** From where npm installs. Its own patience is minutes. */
function probeRegistry(): string | undefined {
  const patience = ['--fetch-retries=0', '--fetch-timeout=10000'];
  return program('npm', 'npm') ?? attempt('npm', 'view', 'koffi', 'version', '--prefer-online', ...patience);
}

/** The whole way: make a file system, mount it over a loop device, unmount it. Containers often lack one of the three. */
/** Made from what nobody has to download for anything else. With CI=true it is made. */
function probeExecutable(): string | undefined {
  const bun = join(import.meta.dirname, '../tools/bun/node_modules');
  if (process.env['CI'] === 'true' || existsSync(bun)) return undefined;
  return 'Bun is not there; "npm run build:exe" fetches it and makes the executable';
}

function probeBtrfs(): string | undefined {
  const missing = PROBES.root() ?? program('mkfs.btrfs', 'btrfs-progs') ?? program('btrfs', 'btrfs-progs');
  if (missing !== undefined) return missing;
  const folder = mkdtempSync(join(tmpdir(), 'hauki-needs-'));
  const image = join(folder, 'image');
  const mountPoint = join(folder, 'mnt');
  try {
    writeFileSync(image, '');
    // The smallest size mkfs.btrfs takes is about 110 MB; the file is sparse.
    truncateSync(image, 128 * 1024 * 1024);
    mkdirSync(mountPoint);
    return (
      attempt('mkfs.btrfs', '-q', image) ??
      attempt('mount', '-o', 'loop', image, mountPoint) ??
      attempt('btrfs', 'subvolume', 'create', join(mountPoint, 's')) ??
      attempt('umount', mountPoint)
    );
  } finally {
    // After a failure half-way it may still be mounted; when it is not, this fails and that is fine.
    spawnSync('umount', [mountPoint], { stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  }
}

function attempt(command: string, ...args: readonly string[]): string | undefined {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin` };
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env });
  if (status === 0) return undefined;
  return `${command} failed: ${error?.message ?? stderr.trim().split('\n').at(-1) ?? `exit ${status}`}`;
}
