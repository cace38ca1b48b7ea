import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { longWork, runHost, say } from './host.ts';
import { lock } from './lock.ts';
import { type Recipe, recipeHash } from './recipe.ts';

/** What a machine boots from; none of it is ever written to. */
export interface Image {
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** Images of recipes nobody used for so long are removed when a new one is built. */
const UNUSED_DAYS = 14;

/** Where a recipe's image is, or is going to be. */
function imageAt(folder: string): Image {
  return { disk: join(folder, 'disk.img'), kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initrd.img') };
}

/**
 * The image of a recipe, built if it is not in the cache. It is built beside its place and moved there whole, under a lock:
 * whoever finds it finds all of it, and of two who want it one builds and the other waits.
 *
 * @param cache folder of the lab's own, made if it is missing
 * @throws when it cannot be built; the message says where the log is
 */
export async function ensureImage(recipe: Recipe, cache: string, stop: AbortSignal): Promise<Image> {
  const hash = recipeHash(recipe);
  const images = join(cache, 'images');
  const folder = join(images, hash);
  if (!existsSync(folder)) {
    mkdirSync(images, { recursive: true });
    const held = await lock(join(images, 'lock'), stop, () => say('another lab is building an image; waiting for it'));
    try {
      if (!existsSync(folder)) {
        if (process.getuid?.() !== 0)
          throw new Error(`image ${hash} is not in ${cache}, and building it needs root: sudo npm run lab -- build`);
        clearOut(images);
        const draft = join(images, `${hash}.draft`);
        await longWork(`building image ${hash} (once; about five minutes)`, () => build(recipe, draft, stop));
        renameSync(draft, folder);
      }
    } finally {
      held.close();
    }
  }
  const now = new Date();
  utimesSync(folder, now, now);
  return imageAt(folder);
}

/** Removes what builds that were broken off left, and images that have not been used for long. Only under the lock. */
function clearOut(images: string): void {
  for (const name of readdirSync(images)) {
    const path = join(images, name);
    const unusedDays = (Date.now() - statSync(path).mtimeMs) / 86_400_000;
    if (name.endsWith('.draft') || (statSync(path).isDirectory() && unusedDays > UNUSED_DAYS))
      rmSync(path, { recursive: true, force: true });
  }
}

async function build(recipe: Recipe, draft: string, stop: AbortSignal): Promise<void> {
  mkdirSync(draft);
  const log = join(dirname(draft), 'build.log');
  rmSync(log, { force: true });
  const root = join(draft, 'root');
  const container = join(draft, 'container.tar');
  const sources = await hostsSources(recipe, stop);
  const leftOut = recipe.leftOut.map((path) => `--dpkgopt=path-exclude=${path}`);
  // Both at once: most of the time one of the two waits for the network.
  const failed = new AbortController();
  const both = AbortSignal.any([stop, failed.signal]);
  const bootstrap = (packages: readonly string[], target: string, hooks: readonly string[]): Promise<string> =>
    runHost(
      [
        'mmdebstrap',
        ...['--mode=root', '--variant=minbase', `--components=${recipe.components.join(',')}`],
        ...[`--include=${packages.join(',')}`, ...leftOut, ...hooks, recipe.suite, target, ...sources],
      ],
      { stop: both, log, env: { TMPDIR: draft } },
    ).catch((error: unknown) => {
      failed.abort(error);
      throw new Error(`the image could not be built; the log is ${log}`, { cause: error });
    });
  const addUsers = recipe.users.map(
    (name) => `--customize-hook=chroot "$1" useradd --create-home --shell /bin/bash ${name}`,
  );
  const made = await Promise.allSettled([
    bootstrap(recipe.packages, root, addUsers),
    bootstrap(recipe.containerPackages, container, []),
  ]);
  for (const outcome of made) if (outcome.status === 'rejected') throw outcome.reason;

  furnish(recipe, root);
  const lab = join(root, 'opt/lab');
  mkdirSync(lab, { recursive: true });
  copyFileSync(container, join(lab, 'container.tar'));
  writeFileSync(
    join(draft, 'metadata.yaml'),
    'architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: hauki lab\n',
  );
  await runHost(['tar', '-cf', join(lab, 'container-metadata.tar'), '-C', draft, 'metadata.yaml'], { stop });

  const image = imageAt(draft);
  takeOut(root, 'vmlinuz-', image.kernel);
  takeOut(root, 'initrd.img-', image.initrd);
  writeFileSync(image.disk, '');
  truncateSync(image.disk, recipe.diskGiB * 1024 ** 3);
  // Filled without mounting it. Checksums of metadata only cost time here.
  await runHost(['mke2fs', '-q', '-t', 'ext4', '-O', '^metadata_csum', '-m', '0', '-d', root, image.disk], {
    stop,
    log,
  });
  rmSync(root, { recursive: true });
  rmSync(container);
  rmSync(join(draft, 'metadata.yaml'));
}

/**
 * The host's own sources of the suite, in apt's one-line form: whoever has a mirror has it there. None when the host is
 * another Debian; then mmdebstrap takes its defaults.
 */
async function hostsSources({ suite, components }: Recipe, stop: AbortSignal): Promise<string[]> {
  const format = '$(REPO_URI) $(RELEASE) $(SIGNED_BY)';
  const said = await runHost(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages'], { stop });
  const entries = said
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, release = '']) => [suite, `${suite}-updates`, `${suite}-security`].includes(release));
  if (!entries.some(([, release]) => release === suite)) return [];
  const lines = entries.map(([uri = '', release = '', key = '']) => {
    const signedBy = key.startsWith('/') ? `[signed-by=${key}] ` : '';
    return `deb ${signedBy}${uri} ${release} ${components.join(' ')}`;
  });
  return [...new Set(lines)];
}

/** Puts the recipe's own files into the root file system. */
function furnish({ files, links, masked, disabled }: Recipe, root: string): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    rmSync(file, { force: true });
    writeFileSync(file, content);
    chmodSync(file, 0o644);
  }
  const units = join(root, 'etc/systemd/system');
  const all = { ...links, ...Object.fromEntries(masked.map((unit) => [`/etc/systemd/system/${unit}`, '/dev/null'])) };
  for (const [path, target] of Object.entries(all)) {
    const link = join(root, path);
    mkdirSync(dirname(link), { recursive: true });
    rmSync(link, { force: true });
    symlinkSync(target, link);
  }
  const wants = readdirSync(units).filter((name) => name.endsWith('.wants'));
  for (const folder of wants) for (const unit of disabled) rmSync(join(units, folder, unit), { force: true });
}

/** Copies the one file of /boot that begins so: QEMU starts the kernel itself, so there is no boot loader. */
function takeOut(root: string, prefix: string, target: string): void {
  const name = readdirSync(join(root, 'boot')).find((file) => file.startsWith(prefix));
  if (name === undefined) throw new Error(`the image has no /boot/${prefix}…: no kernel was installed`);
  copyFileSync(join(root, 'boot', name), target);
}
