import { RefusedError, refusal } from '../base/refusal.ts';

/** What has to be done for a step. */
export interface Work {
  /** What it changes, for people: `write /etc/…`. */
  readonly words: string;
  readonly act: () => Promise<void>;
  /** Takes it back, also when `act` got only half-way. What has none stays as it is. */
  readonly undo?: () => Promise<void>;
}

/** A step of an installation. It looks first, so that whatever was done already is left alone. */
export type Step = () => Promise<Work | undefined>;

export interface Taking {
  /** What is about to be done. */
  readonly tell: (words: string) => void;
  /** Only says what would be done. */
  readonly dryRun?: boolean;
  /** When steps were taken back: what runs is to be what ran before. */
  readonly restored?: () => Promise<void>;
}

/**
 * Takes steps one after the other. When one fails, those before it are taken back, the last one first.
 *
 * @returns what was changed, in words; nothing when all was done already
 * @throws RefusedError of the step that failed, with what could not be taken back
 */
export async function take(steps: readonly Step[], { tell, dryRun = false, restored }: Taking): Promise<string[]> {
  const changed: string[] = [];
  const undo: (() => Promise<void>)[] = [];
  try {
    for (const step of steps) {
      const work = await step();
      if (work === undefined) continue;
      tell(dryRun ? `would ${work.words}` : work.words);
      changed.push(work.words);
      if (dryRun) continue;
      if (work.undo !== undefined) undo.unshift(work.undo);
      await work.act();
    }
    return changed;
  } catch (error) {
    if (undo.length === 0) throw error;
    tell('it failed; taking back what was changed');
    const left: string[] = [];
    for (const back of restored === undefined ? undo : [...undo, restored])
      await back().catch((failed: unknown) => void left.push(wordsOf(failed)));
    if (left.length === 0) throw error;
    throw new RefusedError(
      refusal('install_failed', `${wordsOf(error)} Not everything could be taken back: ${left.join(' ')}`),
    );
  }
}

function wordsOf(error: unknown): string {
  if (error instanceof RefusedError) return error.refusal.message;
  return error instanceof Error ? error.message : String(error);
}
