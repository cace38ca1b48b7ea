/** Where a node's tasks lie: a folder that may not be there yet, because its vault is not mounted. */
export interface Spool {
  readonly folder: string;
  /** While it is not, tasks wait. */
  readonly ready: boolean;
  readonly onReady: (f: () => void) => void;
}
