/** The folder that tasks come in by, and whether it is there. */
export interface Spool {
  readonly folder: string;
  /** While it is not, tasks wait. */
  readonly ready: boolean;
  readonly onReady: (f: () => void) => void;
}
