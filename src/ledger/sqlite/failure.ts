import { refusal, RefusedError } from '../../base/refusal.ts';

/** Primary result codes of SQLite: https://sqlite.org/rescode.html */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;

/**
 * What SQLite threw, as a refusal: `ledger_broken` when the file itself is damaged, else `ledger_unavailable` (disk full, I/O error, no
 * permission, locked by somebody), which can go away by itself.
 *
 * @param attempt what was tried, on which file: "Opening /…/ledger.db"
 */
export function refused(attempt: string, error: unknown): RefusedError {
  if (error instanceof RefusedError) return error;
  const why = error instanceof Error ? error.message : String(error);
  const code = resultCode(error);
  if (code === SQLITE_NOTADB || code === SQLITE_CORRUPT) {
    const hint = 'Put the ledger back from a backup, or move the file away and choose another HAUKI_HOME.';
    return new RefusedError(refusal('ledger_broken', `${attempt} failed: ${why}.`, hint));
  }
  return new RefusedError(refusal('ledger_unavailable', `${attempt} failed: ${why}.`));
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === SQLITE_BUSY;
}

/** Extended codes carry the primary one in their low byte. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}
