import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { formatDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';

/** What a signature is for: one made for another purpose does not count. */
const NAMESPACE = 'hauki-task';
const MS_MAX = 20_000;

export interface Signing {
  /** ssh-keygen's allowed-signers file; undefined: nobody may sign. */
  readonly signers: string | undefined;
  /** Tasks without a signature are run. */
  readonly unsigned: boolean;
}

/**
 * Who signed these bytes. Asked of ssh-keygen, with a copy of the signature that nobody else writes to.
 *
 * @returns undefined for an unsigned task that may be run all the same
 * @throws when this machine cannot say just now: no space, no process, no answer in time
 */
export async function signerOf(
  bytes: Buffer,
  signature: Buffer | undefined,
  { signers, unsigned }: Signing,
): Promise<Result<string | undefined, Refusal>> {
  const refuse = (message: string, hint?: string): Result<never, Refusal> =>
    err(refusal('task_unsigned', message, hint));
  if (signature === undefined) return unsigned ? ok(undefined) : refuse('The task is not signed.');
  if (signers === undefined) {
    const hint = 'Name an allowed-signers file in node.yaml: "tasks: { signers: FILE }".';
    return refuse('The task is signed, and this node knows nobody who may sign.', hint);
  }
  const folder = await mkdtemp(join(tmpdir(), 'hauki-signature-'));
  try {
    const file = join(folder, 'task.sig');
    await writeFile(file, signature, { mode: 0o600 });
    const found = await keygen(['-Y', 'find-principals', '-f', signers, '-n', NAMESPACE, '-s', file], bytes);
    const principal = found.stdout.split('\n')[0]?.split(',')[0] ?? '';
    if (found.code !== 0 || principal === '')
      return refuse(`The signature is by no key that ${signers} allows (${found.why}).`);
    const verify = ['-Y', 'verify', '-f', signers, '-n', NAMESPACE, '-I', principal, '-s', file];
    const verified = await keygen(verify, bytes);
    if (verified.code !== 0)
      return refuse(
        `The signature of ${principal} does not hold for these bytes (${verified.why}).`,
        'Was the task changed after it was signed, or signed for something else than hauki-task? Sign it anew.',
      );
    return ok(principal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  /** The last line of what it complained of. */
  readonly why: string;
}

function keygen(args: readonly string[], input: Buffer): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = spawn('ssh-keygen', args, {
      stdio: 'pipe',
      timeout: MS_MAX,
      env: { PATH: process.env['PATH'] ?? '' },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk: Buffer) => (stderr += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', ({ message }) => reject(new Error(`ssh-keygen cannot be run: ${message}`)));
    child.once('close', (code) => {
      // By its time limit, and by nobody else.
      if (child.killed) return reject(new Error(`ssh-keygen did not answer within ${formatDuration(MS_MAX)}`));
      const why = `${stderr}\n${stdout}`.trim().split('\n')[0] ?? '';
      resolve({ code: code ?? 1, stdout, why: why === '' ? `ssh-keygen ended with ${code}` : why });
    });
  });
}
