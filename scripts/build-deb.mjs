import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/*
 * Makes exe/hauki_VERSION_ARCH.deb for this machine's architecture, or for those named (x64, arm64): the executable, and the bundle with its two
 * native packages for a controller under Node. Needs dist/ and the executables, as `npm run build:deb` leaves them, and dpkg-deb. Does
 * nothing for a package that is what they are.
 *
 * What stands in packaging/debian/ goes in as it is, but for the words between @ in `control`.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const DEBIAN = join(ROOT, 'packaging/debian');
const UNITS = join(ROOT, 'packaging/systemd');
const OUT = join(ROOT, 'exe');
const LIB = 'usr/lib/hauki';
const DOC = 'usr/share/doc/hauki';

/** By what Node calls it: what Debian does. */
const ARCHITECTURES = /** @type {Readonly<Record<string, string>>} */ ({ x64: 'amd64', arm64: 'arm64' });

/** Of dist/, what only whoever imports or builds hauki needs. */
const NOT_IN_PACKAGE = new Set(['.inputs', 'types', 'client.mjs', 'man']);

/** Of what npm installs, what runs: the rest is sources, other platforms, and text that the copyright file has. */
const RUNS =
  /(^|\/)(package\.json|[\w-]+\.c?js)$|linux_(x64|arm64)\/koffi\.node$|prebuilds\/linux-[\w]+\/[^/]+\.glibc\.node$/;
const DOES_NOT_RUN =
  /^(node-addon-api|node-gyp-build\/(bin|build-test|optional)\.js|koffi\/(vendor|cnoke\.cjs|src\/koffi\/src\/trampolines\.cjs)|@photostructure\/sqlite\/(scripts|src))(\/|$)/;

const SHELLS = {
  bash: 'usr/share/bash-completion/completions/hauki',
  zsh: 'usr/share/zsh/vendor-completions/_hauki',
  fish: 'usr/share/fish/vendor_completions.d/hauki.fish',
};

// Who may read what is for the package to say, not for whoever builds it; describe() sees to what was copied.
process.umask(0o022);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const asked = process.argv.slice(2);
for (const arch of asked.length === 0 ? [process.arch] : asked) make(arch);

/** @param {string} arch as Node calls it */
function make(arch) {
  const architecture = ARCHITECTURES[arch];
  if (architecture === undefined)
    throw new Error(`There is no package for "${arch}", only for ${Object.keys(ARCHITECTURES).join(' and ')}.`);
  const file = join(OUT, `hauki_${debianVersion()}_${architecture}.deb`);
  const stamp = join(OUT, `.inputs-${architecture}`);
  const inputs = inputsHash(arch);
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs) return;
  const tree = mkdtempSync(join(OUT, 'deb-'));
  try {
    chmodSync(tree, 0o755);
    fill(tree, arch);
    describe(tree, architecture);
    // What every dpkg reads, and seconds: xz saves a sixth, and takes minutes.
    run('dpkg-deb', ['--root-owner-group', '-Zgzip', '-z5', '--build', tree, `${file}.new`], ROOT);
    renameSync(`${file}.new`, file);
    writeFileSync(stamp, inputs);
  } finally {
    rmSync(tree, { recursive: true });
  }
  say(`exe/${relative(OUT, file)}: ${Math.round(statSync(file).size / 1e6)} MB`);
}

/** @param {string} arch */
function inputsHash(arch) {
  const executable = join(OUT, `hauki-linux-${arch}`);
  const stamp = join(OUT, '.inputs');
  if (!existsSync(executable) || !existsSync(stamp))
    throw new Error(`${relative(ROOT, executable)} is missing. Run "npm run build:exe" first.`);
  const files = [stamp, fileURLToPath(import.meta.url), join(ROOT, 'package-lock.json'), join(ROOT, 'CHANGELOG.md')];
  const folders = [DEBIAN, UNITS, join(ROOT, 'docs')].flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .toSorted(),
  );
  const hash = createHash('sha256').update(`${maintainer()}\0`);
  for (const path of [...files, ...folders])
    hash
      .update(`${relative(ROOT, path)}\0`)
      .update(readFileSync(path))
      .update('\0');
  return hash.digest('hex');
}

/**
 * Everything but DEBIAN/.
 *
 * @param {string} tree
 * @param {string} arch
 */
function fill(tree, arch) {
  /** @type {(path: string, content: string | Buffer, mode?: number) => void} */
  const put = (path, content, mode = 0o644) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
    chmodSync(join(tree, path), mode);
  };
  const ours = (/** @type {string} */ name) => readFileSync(join(DEBIAN, name), 'utf8');

  put('usr/bin/hauki', ours('hauki'), 0o755);
  mkdirSync(join(tree, LIB, 'exe'), { recursive: true });
  copyFileSync(join(OUT, `hauki-linux-${arch}`), join(tree, LIB, 'hauki'));
  chmodSync(join(tree, LIB, 'hauki'), 0o755);
  // Where src/bin/executable.ts looks for what it brings to a container.
  symlinkSync('../hauki', join(tree, LIB, `exe/hauki-linux-${arch}`));
  for (const name of readdirSync(join(ROOT, 'dist')))
    if (!NOT_IN_PACKAGE.has(name)) cpSync(join(ROOT, 'dist', name), join(tree, LIB, 'dist', name), { recursive: true });
  nativePackages(join(tree, LIB), arch);

  const controller = { exec: '/usr/bin/hauki controller', options: '/etc/default/hauki-controller' };
  const node = { exec: '/usr/lib/hauki/hauki node run', options: '/etc/default/hauki-node' };
  put('usr/lib/systemd/system/hauki-controller.service', unit('hauki-controller.service', controller));
  put('usr/lib/systemd/system/shadow-writer.service', unit('shadow-writer.service', node));
  put('etc/default/hauki-controller', ours('hauki-controller.default'));
  put('etc/default/hauki-node', ours('hauki-node.default'));

  put(`${DOC}/copyright`, ours('copyright'));
  put(`${DOC}/changelog.gz`, packed(readFileSync(join(ROOT, 'CHANGELOG.md'))));
  put(`${DOC}/changelog.Debian.gz`, packed(debianChangelog()));
  cpSync(join(ROOT, 'docs'), join(tree, DOC, 'docs'), { recursive: true });
  for (const name of readdirSync(UNITS).filter((name) => name.endsWith('.conf')))
    put(`${DOC}/examples/${name}`, readFileSync(join(UNITS, name)));
  put('usr/share/lintian/overrides/hauki', ours('lintian-overrides'));
  for (const { path, text } of manual()) put(path, packed(text));
  for (const [shell, path] of Object.entries(SHELLS)) {
    const script = completion(shell);
    if (script !== undefined) put(path, script);
  }
}

/**
 * A unit of packaging/systemd for the places of this package, with options of the administrator's.
 *
 * @param {string} name
 * @param {{ exec: string, options: string }} how
 */
function unit(name, { exec, options }) {
  const text = readFileSync(join(UNITS, name), 'utf8');
  const [, rest] = /^# Written by [^\n]*\n([^]*)$/.exec(text) ?? [];
  const lines = rest?.replace(/^ExecStart=.*$/m, () => `EnvironmentFile=-${options}\nExecStart=${exec} $HAUKI_OPTIONS`);
  if (lines === undefined || lines === rest) throw new Error(`packaging/systemd/${name} is not as it was.`);
  return `# Of the package hauki; options stand in ${options}, what else is to be otherwise belongs into ${name}.d/.\n${lines}`;
}

/**
 * What the bundle leaves outside (scripts/build.mjs), by the lock file, for that architecture and without what does not run.
 *
 * @param {string} folder
 * @param {string} arch
 */
function nativePackages(folder, arch) {
  const draft = mkdtempSync(join(OUT, 'native-'));
  try {
    for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(ROOT, name), join(draft, name));
    const platform = ['--os=linux', `--cpu=${arch}`, '--libc=glibc'];
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
    run('npm', ['ci', '--omit=dev', '--ignore-scripts', ...platform, ...quiet], draft);
    const installed = join(draft, 'node_modules');
    for (const entry of readdirSync(installed, { recursive: true, withFileTypes: true })) {
      const path = relative(installed, join(entry.parentPath, entry.name));
      const isForeign = path.includes('prebuilds/') && !path.includes(`prebuilds/linux-${arch}/`);
      if (!entry.isFile() || !RUNS.test(path) || DOES_NOT_RUN.test(path) || isForeign) continue;
      const target = join(folder, 'node_modules', path);
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(join(installed, path), target);
      chmodSync(target, 0o644);
    }
  } finally {
    rmSync(draft, { recursive: true });
  }
}

/** The manual pages that the build wrote, if it does. */
function manual() {
  const folder = join(ROOT, 'dist/man');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[1-8]$/.test(entry.name))
    .map(({ parentPath, name }) => ({
      path: `usr/share/man/man${name.at(-1)}/${name}.gz`,
      text: readFileSync(join(parentPath, name)),
    }));
}

/**
 * The program's own script for a shell, if it makes them.
 *
 * @param {string} shell
 */
function completion(shell) {
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'dist/hauki.cjs'), 'completion', shell], {
    encoding: 'utf8',
  });
  return status === 0 && stdout !== '' ? stdout : undefined;
}

/**
 * DEBIAN/, from what is there by now.
 *
 * @param {string} tree
 * @param {string} architecture
 */
function describe(tree, architecture) {
  const files = readdirSync(tree, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(tree, join(entry.parentPath, entry.name)))
    .toSorted();
  // What was copied came with the rights it had here.
  for (const entry of readdirSync(tree, { recursive: true, withFileTypes: true }))
    if (entry.isDirectory()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  for (const path of files) chmodSync(join(tree, path), statSync(join(tree, path)).mode & 0o100 ? 0o755 : 0o644);
  const words = /** @type {Record<string, string>} */ ({
    VERSION: debianVersion(),
    ARCHITECTURE: architecture,
    MAINTAINER: maintainer(),
    INSTALLED_SIZE: String(Math.ceil(files.reduce((sum, path) => sum + statSync(join(tree, path)).size, 0) / 1024)),
  });
  const control = join(tree, 'DEBIAN');
  mkdirSync(control);
  const put = (/** @type {string} */ name, /** @type {string} */ text, mode = 0o644) => {
    writeFileSync(join(control, name), text);
    chmodSync(join(control, name), mode);
  };
  const template = readFileSync(join(DEBIAN, 'control'), 'utf8');
  put(
    'control',
    template.replaceAll(/@([A-Z_]+)@/g, (_, word) => words[word] ?? ''),
  );
  put('conffiles', files.flatMap((path) => (path.startsWith('etc/') ? [`/${path}\n`] : [])).join(''));
  put(
    'md5sums',
    files.flatMap((path) => (path.startsWith('etc/') ? [] : [`${md5(join(tree, path))}  ${path}\n`])).join(''),
  );
  for (const name of ['postinst', 'prerm', 'postrm']) put(name, readFileSync(join(DEBIAN, name), 'utf8'), 0o755);
}

/** A pre-release sorts before its release: 1.0.0-rc.1 is 1.0.0~rc.1. */
function debianVersion() {
  return `${version.replace('-', '~')}-1`;
}

/** Debian wants one of its own form; what changed stands in the other. */
function debianChangelog() {
  const date = new Date(Number(epoch()) * 1000).toUTCString().replace('GMT', '+0000');
  return `hauki (${debianVersion()}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- ${maintainer()}  ${date}\n`;
}

/** As Debian's own tools are told. */
function maintainer() {
  const { DEBFULLNAME: name = 'hauki developers', DEBEMAIL: mail = 'hauki@users.noreply.github.com' } = process.env;
  return `${name} <${mail}>`;
}

/** @param {string | Buffer} content */
function packed(content) {
  return gzipSync(content, { level: 9 });
}

/** @param {string} file */
function md5(file) {
  return createHash('md5').update(readFileSync(file)).digest('hex');
}

/** When what is built was written, so that the same sources make the same package: the last commit, outside git now. */
function epoch() {
  const given = process.env['SOURCE_DATE_EPOCH'];
  if (given !== undefined && given !== '') return given;
  const log = spawnSync('git', ['-c', 'safe.directory=*', 'log', '-1', '--format=%ct'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return log.status === 0 ? log.stdout.trim() : String(Math.floor(Date.now() / 1000));
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 */
function run(program, args, cwd) {
  execFileSync(program, args, {
    cwd,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, SOURCE_DATE_EPOCH: epoch() },
  });
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`build:deb: ${text}\n`);
}
