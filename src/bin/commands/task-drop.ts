import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { readHeader } from '../../core/task/header.ts';
import { DROP_BYTES_MAX } from '../../core/task/limits.ts';
import { SIGNATURE, taskNameRefusal } from '../../core/task/name.ts';
import { type Put, putTask } from '../../node/task/put.ts';
import { isPatch } from '../../surgery/surgeon.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText, say } from '../output.ts';
import { spoolOf } from '../spool.ts';
import { usage } from './asking.ts';

export interface DropOptions {
  readonly as?: string;
  readonly sign?: string;
  readonly spool?: string;
  readonly controller?: string;
  readonly json?: boolean;
}

/**
 * `hauki task drop`: a file into a node's inbox, whole or not at all; then the node is told. Where its spool is not known here, the file goes
 * by the controller and the node's link.
 */
export async function taskDrop(node: string, file: string, options: DropOptions): Promise<number> {
  const name = options.as ?? (file === '-' ? '' : basename(file));
  if (name === '') throw usage('What comes from stdin has no name.', 'Give it one: --as NAME.');
  const misnamed = taskNameRefusal(name);
  if (misnamed !== undefined) throw new RefusedError({ ...misnamed, hint: 'Give it another name: --as NAME.' });
  const bytes = await read(file);
  const refused = unfit(bytes);
  if (refused !== undefined) throw refused;
  const signature = options.sign === undefined ? await madeBefore(file) : await sign(bytes, options.sign);
  const spool = await spoolOf(node, options.spool);
  if (spool === undefined) return byController(node, { name, bytes, signature }, options);
  const inbox = join(spool, 'inbox');
  await putTask(inbox, { name, bytes, signature, ...(file === '-' ? {} : { modified: (await stat(file)).mtime }) });

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

async function byController(node: string, { name, bytes, signature }: Put, options: DropOptions): Promise<number> {
  if (bytes.length > DROP_BYTES_MAX) {
    const hint = "Drop it on a machine that has the node's spool, or name that: --spool DIR.";
    const most = `${DROP_BYTES_MAX / 1024} KiB`;
    throw new RefusedError(refusal('task_invalid', `A task that goes by the controller has ${most} at most.`, hint));
  }
  const drop = {
    task: name,
    content: bytes.toString('base64'),
    ...(signature === undefined ? {} : { signature: String(signature) }),
  };
  const { words } = await calling(connect(options.controller), (client) => client.dropTask(node, drop));
  if (options.json) {
    printJson({ status: 'dropped', node, task: name, signed: true, told: true });
    return 0;
  }
  printText(`dropped    ${oneLine(name)} at node ${node}, by the controller: ${oneLine(words)}`);
  say(`watch it: hauki task logs -f ${node} '${oneLine(name)}'`);
  return 0;
}

/** A signature that lies beside the file, as ssh-keygen leaves it. */
async function madeBefore(file: string): Promise<Buffer | undefined> {
  const beside = file + SIGNATURE;
  return file === '-' || !existsSync(beside) ? undefined : read(beside);
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
