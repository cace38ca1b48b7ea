import { hasProgram, longWork, runHost } from './host.ts';

/** Debian's package → a program of it by which it is recognised. */
const TO_RUN = {
  'qemu-system-x86': 'qemu-system-x86_64',
  'qemu-utils': 'qemu-img',
  'squashfs-tools': 'mksquashfs',
  'openssh-client': 'ssh',
  'util-linux': 'setpriv',
} as const;
const TO_BUILD = { mmdebstrap: 'mmdebstrap', e2fsprogs: 'mke2fs', tar: 'tar' } as const;

/**
 * Sees to it that the programs the lab runs are there: as root it installs the missing ones.
 *
 * @throws naming the packages, when there is no way to install them
 */
export async function ensurePackages(stop: AbortSignal): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(
      `the lab runs on Linux x64 (its image and the Node it brings in are); this is ${process.platform} ${process.arch}`,
    );
  const missing = Object.entries({ ...TO_RUN, ...TO_BUILD })
    .filter(([, program]) => !hasProgram(program))
    .map(([name]) => name);
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) throw new Error(`programs are missing. As root: ${command}`);
  const apt = (...args: readonly string[]): Promise<string> =>
    runHost(['apt-get', '-qq', ...args], { stop, env: { DEBIAN_FRONTEND: 'noninteractive' } });
  await longWork(`installing ${missing.join(', ')}`, async () => {
    await apt('update');
    await apt('install', '-y', '--no-install-recommends', ...missing);
  });
}
