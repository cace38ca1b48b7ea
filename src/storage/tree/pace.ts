const SLICE_MS = 8;

/**
 * Long work in slices: system calls on small files are fastest made directly, but the controller has other callers to answer.
 * `await pace.step()` costs next to nothing until a slice is over, and then lets everybody else have a turn.
 */
export class Pace {
  #since = performance.now();

  /** undefined while the slice lasts, so that `await` can be skipped: `const pause = pace.step(); if (pause) await pause;` */
  step(): Promise<void> | undefined {
    if (performance.now() - this.#since < SLICE_MS) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#since = performance.now();
        resolve();
      });
    });
  }
}
