import { lstat, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Between mark and end lie a few renames, ms. */
const MINUTE_MS = 60_000;

/**
 * Keeps a name in the inbox for one at a time. A task and its signature take their places one after the other, and those of two tasks that
 * do so at once would mix.
 *
 * The mark is a file, because who drops may be on another host of the same vault, where no lock of a process reaches. One that was killed
 * leaves it, and a minute later it counts no more. Should two find such a one at the same moment, their signatures could mix after all: then
 * a task is denied that could have run, but none is lost (see putTask), and none runs that nobody signed.
 *
 * @returns undefined when somebody else is about it just now
 * @throws what the work throws, or what the file system says
 */
export async function withName<T>(inbox: string, name: string, work: () => Promise<T>): Promise<T | undefined> {
  const mark = join(inbox, `.drop-${name}`);
  const left = await lstat(mark).catch(() => undefined);
  if (left !== undefined && Date.now() - left.mtimeMs > MINUTE_MS) await rm(mark, { force: true });
  try {
    await (await open(mark, 'wx')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
  try {
    return await work();
  } finally {
    // What cannot be taken away counts no more in a minute, either.
    await rm(mark, { force: true }).catch(() => undefined);
  }
}
