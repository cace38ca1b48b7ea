import type { Code } from '../../base/codes.ts';

/** Somebody whom a door did not let in, or who asked there for what is not theirs. */
export interface Denial {
  /** The address it came from. */
  readonly peer: string;
  /** As whom, as far as that was known: `node crm`, `token ci`. */
  readonly as?: string;
  /** What was asked for: method and path. */
  readonly what: string;
  readonly code: Code;
  readonly message: string;
  /** So many of the same came since the last that is on record. */
  readonly times: number;
}
