/**
 * Turns calls that come one by one into batches, for work that costs nearly the same for many as for one. The first call goes at
 * once, with those that have arrived; what comes while it is under way goes together into the next. Nobody waits for a timer.
 *
 * @param work answers every call of a batch, in the order they came
 * @param most calls in one batch
 */
export function gather<Call, Answer>(
  work: (calls: readonly Call[]) => Promise<readonly Answer[]>,
  most: number,
): (call: Call) => Promise<Answer> {
  interface Waiting {
    readonly call: Call;
    readonly settle: (answer: Answer) => void;
    readonly fail: (error: unknown) => void;
  }
  const waiting: Waiting[] = [];
  let running = false;

  async function drain(): Promise<void> {
    running = true;
    // Callers that set out together arrive over a few turns of the event loop, for each has looked at something first.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0) {
      const batch = waiting.splice(0, most);
      try {
        const answers = await work(batch.map(({ call }) => call));
        if (answers.length !== batch.length) throw new Error(`${batch.length} calls got ${answers.length} answers`);
        for (const [index, { settle }] of batch.entries()) settle(answers[index] as Answer);
      } catch (error) {
        for (const { fail } of batch) fail(error);
      }
    }
    running = false;
  }

  return (call) =>
    new Promise((settle, fail) => {
      waiting.push({ call, settle, fail });
      if (!running) void drain();
    });
}
