/** What of a task's output is kept in the page, characters. */
const TEXT_MAX = 200_000;

export const ELSEWHERE = 'its output is at the node, beside the task';

/** What has changed of what is known of a run of a task: what it said, how it stands. */
export interface Output {
  readonly text?: string;
  readonly state?: string;
}

/** As the stream of a task's output tells it. */
interface Told {
  readonly text?: string;
  readonly state?: string;
  readonly words?: string;
  readonly mutation?: string;
}

/**
 * The output of the run that a mutation was made for. The controller keeps one tail for each name of a task, so what it tells may be of
 * another run: the first `state` says of which, and until then nothing is shown.
 */
export class TaskOutput {
  readonly #mutation: string;
  readonly #show: (output: Output) => void;
  #text = '';
  #isOwn = false;

  constructor(mutation: string, show: (output: Output) => void) {
    this.#mutation = mutation;
    this.#show = show;
  }

  /** @returns whether to go on listening */
  hear(event: string | undefined, data: string): boolean {
    const { text = '', state, words, mutation } = JSON.parse(data) as Told;
    if (event === 'output') {
      this.#text = (this.#text + text).slice(-TEXT_MAX);
      if (this.#isOwn) this.#show({ text: this.#text });
    }
    if (event !== 'state') return true;
    // Only the first state and those that begin a run name it.
    if (this.#isOwn ? mutation !== undefined && mutation !== this.#mutation : mutation !== this.#mutation) {
      // What was shown already is of the run that is meant, and stays.
      this.#show({ state: ELSEWHERE });
      return false;
    }
    this.#isOwn = true;
    this.#show({ text: this.#text, state: [state, words].filter((one) => one !== undefined).join(': ') });
    return true;
  }
}
