import { createHmac, randomBytes } from 'node:crypto';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/** Signatures after Standard Webhooks (https://www.standardwebhooks.com), so that receivers check them with a library they have. */

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;
const SECRET_BYTES_MIN = 24;
const SECRET_BYTES_MAX = 64;

export function newSecret(): string {
  return `${PREFIX}${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/** A secret as it is shared: `whsec_` and base64 of 24 to 64 bytes. */
export function secretOf(text: string): Result<string, Refusal> {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : undefined;
  const bytes = encoded === undefined ? 0 : Buffer.from(encoded, 'base64').length;
  const whole = encoded !== undefined && /^[A-Za-z0-9+/]+={0,2}$/.test(encoded);
  if (whole && bytes >= SECRET_BYTES_MIN && bytes <= SECRET_BYTES_MAX) return ok(text);
  const hint = 'Write "whsec_" and the base64 of 24 to 64 random bytes, or give none and have one made.';
  return err(refusal('webhook_refused', 'The secret is not one of Standard Webhooks.', hint));
}

/** The headers that prove where a delivery is from, and when. @param atMs wall clock */
export function signed(id: string, atMs: number, body: string, secret: string): Record<string, string> {
  const timestamp = String(Math.floor(atMs / 1_000));
  const key = Buffer.from(secret.slice(PREFIX.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
