import { refusal, RefusedError } from '../base/refusal.ts';

/**
 * Whether this is the single executable (scripts/build-exe.mjs), or runs under Bun otherwise. It has no native parts: no storage, no
 * ledger. Everything else is there.
 */
export const STANDALONE = 'bun' in process.versions;

/** Commands that open storage or ledger in their own process. */
const NATIVE: ReadonlySet<string> = new Set(['up', 'controller', 'doctor', 'demo', 'audit']);

/** @throws RefusedError `native_missing` for a command that this executable cannot run */
export function refuseWithoutNative(verb: string): void {
  if (!STANDALONE || !NATIVE.has(verb)) return;
  throw new RefusedError(
    refusal('native_missing', `"hauki ${verb}" needs storage and a ledger, and this executable has neither.`),
  );
}
