import { refusal, RefusedError } from '../base/refusal.ts';
import type { Step } from './steps.ts';
import type { There } from './there.ts';

/** The executable that is brought to another machine. */
export interface Program {
  /** Where it is to be. */
  readonly path: string;
  readonly bytes: () => Promise<Uint8Array>;
  /** SHA-256, lower-case hex. */
  readonly sha256: string;
}

/** As Node calls the architectures that there are executables for. */
export type Arch = 'x64' | 'arm64';

/** @throws RefusedError `install_refused` for a machine that there is no executable for */
export async function archOf(there: There): Promise<Arch> {
  const machine = (await there.run(['uname', '-sm'])).trim();
  if (machine === 'Linux x86_64') return 'x64';
  if (machine === 'Linux aarch64') return 'arm64';
  throw new RefusedError(
    refusal(
      'install_refused',
      `${there.reach.name} is ${machine}; there are executables for Linux on x86_64 and aarch64.`,
    ),
  );
}

/**
 * Puts the program in place: brought beside, checked by its hash and by running it, then swapped with what was there in one rename.
 */
export function programStep(there: There, { path, bytes, sha256 }: Program): Step {
  const fresh = `${path}.new`;
  const old = `${path}.old`;
  const folder = path.slice(0, path.lastIndexOf('/'));
  return async () => {
    const before = await there.sha256(path);
    if (before === sha256) {
      // It was swapped by a run that did not live to hear of it: should it not be heard of now either, the old one comes back.
      if ((await there.sha256(old)) === undefined) return undefined;
      return {
        words: `go on with ${path}, which was replaced before`,
        act: async () => {},
        undo: async () => void (await there.run(['mv', '-f', '--', old, path])),
      };
    }
    return {
      words: `${before === undefined ? 'bring' : 'replace'} ${path}`,
      act: async () => {
        await there.run(['mkdir', '-p', '--', folder]);
        const content = await bytes();
        await there.put(fresh, content, 0o755);
        const arrived = await there.sha256(fresh);
        if (arrived !== sha256) {
          await there.ask(['rm', '-f', '--', fresh]);
          throw new RefusedError(
            refusal(
              'install_failed',
              `The program did not arrive whole on ${there.reach.name}: its SHA-256 is ${arrived}.`,
            ),
          );
        }
        // A libc that does not fit, a file system mounted noexec: found out before anything depends on it.
        await there.run([fresh, '--version']);
        if (before !== undefined) await there.run(['ln', '-f', '--', path, old]);
        await there.run(['mv', '-f', '--', fresh, path]);
      },
      undo: async () => {
        await there.run(['rm', '-f', '--', fresh]);
        if (before === undefined) {
          await there.run(['rm', '-f', '--', path]);
          // Unless somebody else has something in it.
          await there.ask(['rmdir', '--', folder]);
        } else if ((await there.sha256(old)) === before) await there.run(['mv', '-f', '--', old, path]);
      },
    };
  };
}

/** What an upgrade kept in case it had to be taken back. */
export function forgetOldStep(there: There, { path }: Pick<Program, 'path'>): Step {
  return async () => {
    const old = `${path}.old`;
    if ((await there.ask(['test', '-e', old])).code !== 0) return undefined;
    return { words: `remove ${old}`, act: async () => void (await there.run(['rm', '-f', '--', old])) };
  };
}
