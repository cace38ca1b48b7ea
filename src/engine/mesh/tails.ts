import type { Clock } from '../../ports/clock.ts';
import type { TaskPiece } from '../../ports/mesh.ts';

/** How a task stands, as its node tells. */
export interface TaskStand {
  readonly task: string;
  readonly state: 'running' | 'done' | 'failed' | 'denied';
  readonly mutation?: string;
  readonly words?: string;
  /** When something was heard of it last; wall clock, ms. */
  readonly heardAt: number;
}

interface Tail {
  stand: TaskStand;
  text: string;
  /** Characters that were said before `text`, and are not kept or were not told. */
  leftOut: number;
  readonly listeners: Set<(piece: TaskPiece) => void>;
}

/** Of what a task says, so many characters are kept; of a node, so many tasks; of the mesh, so many nodes, and characters in all. */
const CHARS_MAX = 64_000;
const TASKS_MAX = 50;
const NODES_MAX = 200;
const CHARS_IN_ALL_MAX = 16_000_000;

/**
 * What the nodes' tasks said last, for whoever watches: bounded, in memory only. All of it stands in the log beside the task; what became
 * of it, in the ledger.
 */
export class Tails {
  readonly #clock: Clock;
  /** What was heard of last stands last, nodes as well as tasks. */
  readonly #nodes = new Map<string, Map<string, Tail>>();
  /** In all tails together. */
  #chars = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hear(node: string, pieces: readonly TaskPiece[]): void {
    for (const piece of pieces) {
      this.#take(this.#tailOf(node, piece), piece);
      this.#makeRoom(node);
    }
  }

  /** The tasks of a node that were heard of since this controller started, the latest last. */
  tasks(node: string): TaskStand[] {
    return [...(this.#nodes.get(node)?.values() ?? [])].map(({ stand }) => stand);
  }

  /** What is kept of a task; undefined for one that was not heard of. */
  tail(
    node: string,
    task: string,
  ): { readonly stand: TaskStand; readonly text: string; readonly leftOut: number } | undefined {
    return this.#nodes.get(node)?.get(task);
  }

  /** Called with each piece from now on. @returns what ends that */
  follow(node: string, task: string, listener: (piece: TaskPiece) => void): () => void {
    const tail = this.#nodes.get(node)?.get(task);
    tail?.listeners.add(listener);
    return () => void tail?.listeners.delete(listener);
  }

  #tailOf(node: string, { task, state, mutation }: TaskPiece): Tail {
    const tasks = this.#nodes.get(node) ?? new Map<string, Tail>();
    const before = tasks.get(task);
    // One that begins anew is another task of the same name.
    const isNew = before === undefined || (state === 'running' && mutation !== before.stand.mutation);
    const stand: TaskStand = { task, state: 'running', heardAt: this.#clock.now() };
    const tail = isNew ? { stand, text: '', leftOut: 0, listeners: before?.listeners ?? new Set() } : before;
    if (isNew) this.#chars -= before?.text.length ?? 0;
    tasks.delete(task);
    tasks.set(task, tail);
    this.#nodes.delete(node);
    this.#nodes.set(node, tasks);
    return tail;
  }

  /** Whose node was silent for longest goes first, and of its tails the same. */
  #makeRoom(heard: string): void {
    const oldest = (): string => this.#nodes.keys().next().value ?? '';
    while ((this.#nodes.get(heard)?.size ?? 0) > TASKS_MAX) this.#forgetOneOf(heard);
    while (this.#nodes.size > NODES_MAX || this.#chars > CHARS_IN_ALL_MAX) this.#forgetOneOf(oldest());
  }

  #forgetOneOf(node: string): void {
    const tasks = this.#nodes.get(node);
    const [task, tail] = tasks?.entries().next().value ?? [];
    if (tasks === undefined || task === undefined) return void this.#nodes.delete(node);
    this.#chars -= tail?.text.length ?? 0;
    tasks.delete(task);
    if (tasks.size === 0) this.#nodes.delete(node);
  }

  #take(tail: Tail, piece: TaskPiece): void {
    const { state, mutation, words, text = '', leftOut = 0 } = piece;
    tail.stand = {
      ...tail.stand,
      heardAt: this.#clock.now(),
      ...(state === undefined ? {} : { state }),
      ...(mutation === undefined ? {} : { mutation }),
      ...(words === undefined ? {} : { words }),
    };
    const all =
      tail.text +
      text +
      (leftOut === 0 ? '' : `\n… ${leftOut} characters are left out here; all of it stands in the task's log …\n`);
    const before = tail.text.length;
    tail.text = all.slice(-CHARS_MAX);
    this.#chars += tail.text.length - before;
    tail.leftOut += all.length - tail.text.length;
    for (const listener of tail.listeners) listener(piece);
  }
}
