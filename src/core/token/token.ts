/**
 * What an API token lets its bearer do, each on its own:
 *
 * - `read`: see status, mutations, events, snapshots
 * - `guard`: ask for clearance under the token's own name, and end what it got
 * - `operate`: what an operator does to mutations and what is kept: roll back, resolve, pin, prune, seal; ask for any node
 * - `admin`: nodes, invitations and tokens
 */
export const SCOPES = ['read', 'guard', 'operate', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** A token for programs and people. The ledger has its digest; the token itself was shown once. */
export interface ApiToken {
  /** What its bearer is called as a node: tokens and nodes share one set of names. */
  readonly name: string;
  /** SHA-256 of the token, lower-case hex. */
  readonly digest: string;
  readonly scopes: readonly Scope[];
  /** Wall clock, ms. */
  readonly issuedAt: number;
  readonly expiresAt?: number;
}
