import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { lstat, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { readHeader } from '../../core/task/header.ts';
import { SIGNATURE, taskNameRefusal } from '../../core/task/name.ts';
import { flushFolder } from '../../node/task/folders.ts';
import { isPatch } from '../../surgery/surgeon.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText, say } from '../output.ts';
import { requiredSpool } from '../spool.ts';
import { usage } from './asking.ts';

export interface DropOptions {
  readonly as?: string;
  readonly sign?: string;
  readonly spool?: string;
  readonly controller?: string;
  readonly json?: boolean;
}

/** `hauki task drop`: a file into a node's inbox, whole or not at all; then the node is told. */
export async function taskDrop(node: string, file: string, options: DropOptions): Promise<number> {
  const name = options.as ?? (file === '-' ? '' : basename(file));
  if (name === '') throw usage('What comes from stdin has no name.', 'Give it one: --as NAME.');
  const misnamed = taskNameRefusal(name);
  if (misnamed !== undefined) throw new RefusedError({ ...misnamed, hint: 'Give it another name: --as NAME.' });
  const bytes = await read(file);
  const refused = unfit(bytes);
  if (refused !== undefined) throw refused;
  const inbox = join(await requiredSpool(node, options.spool), 'inbox');
  const signature = options.sign === undefined ? undefined : await sign(bytes, options.sign);
  await put(inbox, name, bytes, signature, file === '-' ? undefined : (await stat(file)).mtime);

  const told = await calling(connect(options.controller), (client) => client.command(node, 'poll')).then(
    ({ ok, words }) => (ok ? undefined : (words ?? 'it would not')),
    (error: unknown) => (error instanceof RefusedError ? error.refusal.message : String(error)),
  );
  if (options.json) {
    const signed = signature !== undefined;
    printJson({ status: 'dropped', node, task: name, inbox, signed, told: told === undefined });
    return 0;
  }
  printText(`dropped    ${oneLine(name)} into ${oneLine(inbox)}`);
  if (told === undefined) say(`node ${node} was told; watch it: hauki task logs -f ${node} '${oneLine(name)}'`);
  else say(`node ${node} could not be told (${oneLine(told)}); it looks by itself every second`);
  return 0;
}

async function read(file: string): Promise<Buffer> {
  if (file !== '-') {
    return readFile(file).catch((error: unknown) => {
      throw new RefusedError(refusal('file_failed', `${file} cannot be read: ${(error as Error).message}.`));
    });
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What the node would deny anyway: whoever drops it is still here to mend it. */
function unfit(bytes: Buffer): RefusedError | undefined {
  const header = readHeader(bytes.toString('utf8'));
  if (!header.ok) return new RefusedError(header.error);
  if (bytes.toString('latin1').startsWith('#!') || isPatch(bytes)) return undefined;
  const hint = 'A script begins with #! and its interpreter: #!/bin/sh.';
  return new RefusedError(refusal('task_invalid', 'The file is neither a script nor a unified diff.', hint));
}

/** By ssh-keygen, which asks for the passphrase itself; the key may be in an agent. */
function sign(bytes: Buffer, key: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(
        new RefusedError(
          refusal(
            'task_unsigned',
            `It cannot be signed with ${key}: ${why}.`,
            'Give a private key, or a public one whose private half is in the agent.',
          ),
        ),
      );
    const child = spawn('ssh-keygen', ['-Y', 'sign', '-f', key, '-n', 'hauki-task'], { stdio: 'pipe' });
    const signature: Buffer[] = [];
    let complaint = '';
    child.stdout.on('data', (chunk: Buffer) => void signature.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => (complaint += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.stdin.end(bytes);
    child.once('error', (error) => fail(error.message));
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(signature));
      else fail(complaint.trim().split('\n').at(-1) ?? `ssh-keygen ended with ${code}`);
    });
  });
}

/** Under a name that is left alone; flushed; then the signature takes its place, and the task after it. */
async function put(
  inbox: string,
  name: string,
  bytes: Buffer,
  signature: Buffer | undefined,
  modified: Date | undefined,
): Promise<void> {
  const waiting = await lstat(join(inbox, name)).catch(() => undefined);
  if (waiting !== undefined) {
    const hint = 'Wait until it has been taken, or give this one another name: --as NAME.';
    throw new RefusedError(refusal('name_taken', `A task ${name} waits in ${inbox} already.`, hint));
  }
  const draft = join(inbox, `.drop-${randomBytes(8).toString('hex')}`);
  try {
    if (signature !== undefined) {
      await written(draft, signature);
      await rename(draft, join(inbox, name + SIGNATURE));
    }
    await written(draft, bytes);
    // It was not written just now, but before: by that the node knows that it is whole.
    await utimes(draft, new Date(), modified ?? new Date(Date.now() - 1_000));
    await rename(draft, join(inbox, name));
    await flushFolder(inbox);
  } catch (error) {
    await rm(draft, { force: true });
    throw new RefusedError(
      refusal(
        'spool_missing',
        `The task cannot be put into ${inbox}: ${(error as Error).message}.`,
        'Check that the spool is there, and that you may write to its inbox.',
      ),
    );
  }
}

async function written(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
