import { type Code, CODES } from './codes.ts';

/**
 * A "no" that helps: what was refused and why (`message`), what to do next (`hint`), and a stable `code` for machines.
 * `evidence` names the things that stand in the way (snapshots, mutations, processes), as plain JSON.
 */
export interface Refusal {
  readonly code: Code;
  readonly message: string;
  readonly hint: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

/**
 * @param message what was attempted, on what, and why it was refused
 * @param hint what to do next; the catalogue's hint where the place has nothing better to say
 */
export function refusal(
  code: Code,
  message: string,
  hint: string = CODES[code].hint,
  evidence?: Readonly<Record<string, unknown>>,
): Refusal {
  return evidence === undefined ? { code, message, hint } : { code, message, hint, evidence };
}

/** Thrown where a refusal must cross code that only knows exceptions (a constructor, a start-up sequence). */
export class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(reason: Refusal) {
    super(`${reason.message} (${reason.code}). ${reason.hint}`);
    this.name = 'RefusedError';
    this.refusal = reason;
  }

  get code(): Code {
    return this.refusal.code;
  }

  get hint(): string {
    return this.refusal.hint;
  }
}
