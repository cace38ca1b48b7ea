/** One file that a diff touches. */
export interface Touch {
  readonly kind: 'create' | 'modify' | 'delete' | 'rename' | 'copy';
  /** Below the dataset, as the file is called afterwards; of one that is deleted, before. */
  readonly path: string;
  /** Of what is renamed or copied. */
  readonly from?: string;
  readonly binary: boolean;
  /** Lines; 0 for what is binary. */
  readonly added: number;
  readonly removed: number;
  /** Where the diff says it: whether it may be executed afterwards. */
  readonly executable?: boolean;
}

/** A unified diff that has been read: nothing in its form alone forbids it. */
export interface Patch {
  readonly bytes: Buffer;
  /** What git takes off the front of each name: 1 for `a/x` and `b/x`, 0 for a plain diff of names without folders. */
  readonly strip: 0 | 1;
  /** In the diff's order; a file may stand in it more than once. */
  readonly touches: readonly Touch[];
}

/** Every path a diff touches, each once: those it makes, changes, takes away, and reads from. */
export function pathsOf({ touches }: Patch): readonly string[] {
  return [...new Set(touches.flatMap(({ path, from }) => (from === undefined ? [path] : [from, path])))];
}
