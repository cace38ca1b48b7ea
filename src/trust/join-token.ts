import { createHash } from 'node:crypto';
import * as z from 'zod';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/** What a join token carries: everything a new node needs to find its controller, know it, and be known to it. */
export interface JoinToken {
  /** `host:port`, tried in this order. */
  readonly controllers: readonly string[];
  readonly mesh: string;
  /** SHA-256 of the CA's certificate (DER), lower-case hex: what the server is checked against before it hears the secret. */
  readonly caFingerprint: string;
  readonly secret: string;
  readonly node: string;
  /** Wall clock of the controller, ms. For people: whether it has expired the controller decides. */
  readonly expiresAt: number;
}

/** Version 1. The letters before the dot tell what this is, wherever it turns up. */
const PREFIX = 'hauki-join1.';
const CHECKSUM_BYTES = 4;

const payload = z.object({
  a: z.array(z.string().min(1)).min(1),
  m: z.string().regex(/^[0-9a-f]{16}$/),
  f: z.string().regex(/^[0-9a-f]{64}$/),
  s: z.string().min(22),
  n: z.string().min(1),
  e: z.int().positive(),
});

/** One line: `hauki-join1.` and, as base64url, a JSON object with four bytes of its SHA-256 behind it. */
export function writeToken(token: JoinToken): string {
  const { controllers: a, mesh: m, caFingerprint: f, secret: s, node: n, expiresAt: e } = token;
  const text = Buffer.from(JSON.stringify({ a, m, f, s, n, e }));
  return PREFIX + Buffer.concat([text, checksum(text)]).toString('base64url');
}

/** Refused: `token_invalid`, whatever is wrong with it. */
export function readToken(text: string): Result<JoinToken, Refusal> {
  const line = text.trim();
  if (!line.startsWith(PREFIX)) {
    const other = /^hauki-join\d+\./.test(line);
    const words = other
      ? 'This join token was made by another version of hauki.'
      : `This is no join token: those begin with "${PREFIX}".`;
    return err(refusal('token_invalid', words));
  }
  const bytes = Buffer.from(line.slice(PREFIX.length), 'base64url');
  const body = bytes.subarray(0, Math.max(bytes.length - CHECKSUM_BYTES, 0));
  // Decoding passes over what is no base64url, so it is also compared the other way round.
  const whole = bytes.toString('base64url') === line.slice(PREFIX.length);
  if (!whole || !checksum(body).equals(bytes.subarray(body.length))) return err(mistyped());
  try {
    const { a, m, f, s, n, e } = payload.parse(JSON.parse(body.toString('utf8')));
    return ok({ controllers: a, mesh: m, caFingerprint: f, secret: s, node: n, expiresAt: e });
  } catch {
    return err(mistyped());
  }
}

function mistyped(): Refusal {
  return refusal('token_invalid', 'This join token is mistyped or cut off: its checksum does not fit.');
}

function checksum(body: Buffer): Buffer {
  return createHash('sha256').update(body).digest().subarray(0, CHECKSUM_BYTES);
}
