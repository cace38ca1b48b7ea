import { spawn } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, type BigIntStats } from 'node:fs';

/** A file in an open folder. */
export interface Place {
  readonly folder: number;
  readonly name: string;
}

/**
 * Makes a new file the old one's in everything but its content: owner, permissions, ACL, extended attributes. The last two are copied by GNU's
 * `cp`, so that this side needs no native code; where `cp` is another (Alpine's), they are not.
 *
 * @param mode permission bits it is to have
 * @throws when something of it cannot be had: then the file must not take the old one's place
 */
export async function inherit(from: Place, to: Place, old: BigIntStats, mode: number): Promise<void> {
  const where = `/proc/self/fd/${to.folder}/${to.name}`;
  const [uid, gid] = [Number(old.uid), Number(old.gid)];
  chownSync(where, uid, gid);
  await copyAttributes(from, to);
  // Last: changing the owner takes setuid bits away. With an ACL, the group's bits are its mask, as they were.
  chmodSync(where, mode);
  const now = lstatSync(where);
  if (now.uid !== uid || now.gid !== gid || (now.mode & 0o7777) !== mode)
    throw new Error('owner and permissions could not be kept');
}

function copyAttributes(from: Place, to: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    const args = ['--attributes-only', '--no-dereference', '--preserve=mode,xattr', '--'];
    // The folders are handed on as they are open: no path is looked up twice.
    const child = spawn('cp', [...args, `/proc/self/fd/3/${from.name}`, `/proc/self/fd/4/${to.name}`], {
      stdio: ['ignore', 'ignore', 'pipe', from.folder, to.folder],
      env: { PATH: process.env['PATH'], LC_ALL: 'C' },
    });
    let words = '';
    child.stderr?.on('data', (chunk: Buffer) => (words += chunk.toString()));
    child.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? resolve() : reject(error)));
    child.once('close', (code) => {
      const none = /unrecognized option|not supported|without xattr support/i.test(words);
      if (code === 0 || none) resolve();
      else reject(new Error(`its attributes cannot be kept (${words.trim().split('\n')[0]?.slice(0, 200)})`));
    });
  });
}
