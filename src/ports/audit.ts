/** What a walk over the whole ledger found. */
export interface Audited {
  readonly ok: boolean;
  readonly records: number;
  /** The first place where something is wrong, in words for people. */
  readonly firstBroken?: { readonly seq: number; readonly problem: string };
  /** What was not wrong but leaves the proof weaker than it could be, in words for people. */
  readonly notes: readonly string[];
}

/** The ledger's files, looked at from outside of the controller that writes them. */
export interface Audit {
  /** What they take, bytes. */
  bytes(): Promise<number>;
  /**
   * Walks all of it; writes nothing. Takes seconds for a large one, and is no burden to the controller meanwhile.
   *
   * @throws RefusedError when it could not be walked at all
   */
  verify(): Promise<Audited>;
}
