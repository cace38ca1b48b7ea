import type { Spool } from './spool.ts';

/** How a vault stands. `waiting`: it is not mounted, and will be tried again. `hanging`: it is, and does not answer. */
export type VaultState = 'mounting' | 'mounted' | 'hanging' | 'waiting' | 'unmounting' | 'unmounted';

export interface VaultView {
  readonly state: VaultState;
  /** Where it is, or will be, mounted. */
  readonly mount: string;
  /** The cipher folder: a path, or `user@host:/path`. */
  readonly cipher: string;
  /** How often it had to be mounted again since the process began. */
  readonly remounts: number;
  /** Why it is not mounted, in words. */
  readonly why?: string;
}

/** The encrypted file space of the mesh, as one node has it. */
export interface Vault {
  readonly view: VaultView;
  /** `nodes/<node>/` in it. */
  readonly spool: Spool;
}
