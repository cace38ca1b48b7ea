/** Steps to go back, each registered when its step forward has been made. */
export class Undo {
  readonly #steps: (() => void | Promise<void>)[] = [];

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step);
  }

  /** Goes all the way back, the last step first; past those that fail too. @returns what failed */
  async run(): Promise<readonly unknown[]> {
    const failed: unknown[] = [];
    for (const step of this.#steps.toReversed()) {
      try {
        await step();
      } catch (error) {
        failed.push(error);
      }
    }
    return failed;
  }
}
