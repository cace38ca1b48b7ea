import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../ports/clock.ts';
import { type Signed, signedText } from '../../wire/irc/ask.ts';

export interface SignedLinesOptions {
  /** The file of allowed signers, in the format of ssh-keygen; undefined: nobody may sign. */
  readonly signers: string | undefined;
  readonly channel: string;
  readonly clock: Clock;
}

/** A line counts for so long after it was signed, and a signer's clock may be so far ahead. */
const VALID_MS = 300_000;
const AHEAD_MS = 60_000;
const VERIFY_MS_MAX = 5_000;
const VERIFYING_MAX = 4;
const NAMESPACE = 'hauki-irc';

/**
 * Lines that a person signed with an SSH key. Anybody may repeat what stands in a channel, so each counts once, for five minutes, and
 * never before this controller started: what it did not see may have been done by the one before it.
 */
export class SignedLines {
  readonly #options: SignedLinesOptions;
  readonly #startedAt: number;
  /** Texts that were taken, and when they end, ms. Not by signer: his name is not signed, and one key may have several. */
  readonly #taken = new Map<string, number>();
  #verifying = 0;

  constructor(options: SignedLinesOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
  }

  /** @returns why the line does not count, for people; undefined when it does, and from then on it is used up */
  async refusalOf({ signer, words, at, signature }: Signed): Promise<string | undefined> {
    const { signers, channel, clock } = this.#options;
    if (signers === undefined || !existsSync(signers)) return 'no signers are configured here';
    const now = clock.now();
    const signedAt = at * 1_000;
    if (signedAt < now - VALID_MS || signedAt + 999 < this.#startedAt)
      return 'it was signed too long ago, or before this controller started; sign it again';
    if (signedAt > now + AHEAD_MS) return 'it is signed for the future; one of the clocks is wrong';
    this.#forget(now);
    const text = signedText(channel, at, words);
    if (this.#taken.has(text)) return 'it was used already';
    if (this.#verifying >= VERIFYING_MAX) return 'too many lines are being checked; try again';
    this.#verifying += 1;
    try {
      if (!(await verifies(signers, signer, text, signature)))
        return 'it is not signed by that signer for this channel';
    } finally {
      this.#verifying -= 1;
    }
    // The same line may have been checked twice at once.
    if (this.#taken.has(text)) return 'it was used already';
    this.#taken.set(text, signedAt + VALID_MS);
    return undefined;
  }

  #forget(now: number): void {
    for (const [text, end] of this.#taken) if (end < now) this.#taken.delete(text);
  }
}

/** Asks ssh-keygen, which knows the file of allowed signers, validity and all. The text goes in on stdin. */
async function verifies(signers: string, signer: string, text: string, signature: string): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-irc-'));
  try {
    chmodSync(folder, 0o700);
    const file = join(folder, 'signature');
    writeFileSync(file, armoured(signature), { mode: 0o600 });
    const argv = ['-Y', 'verify', '-f', signers, '-I', signer, '-n', NAMESPACE, '-s', file];
    return await new Promise<boolean>((resolve) => {
      const child = spawn('ssh-keygen', argv, { stdio: ['pipe', 'ignore', 'ignore'], timeout: VERIFY_MS_MAX });
      child.once('error', () => resolve(false));
      child.once('close', (code) => resolve(code === 0));
      child.stdin.on('error', () => {});
      child.stdin.end(text);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function armoured(signature: string): string {
  const lines = signature.match(/.{1,70}/g) ?? [];
  return ['-----BEGIN SSH SIGNATURE-----', ...lines, '-----END SSH SIGNATURE-----', ''].join('\n');
}
