import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { oneLine } from '../../src/wire/one-line.ts';
import type { Refused } from '../api.ts';
import { RefusalNotice } from './notice.tsx';

export interface Choice {
  readonly label: string;
  readonly danger?: boolean;
  /** Not to be chosen: until the plan is known, say, or while something is in the way. */
  readonly disabled?: boolean;
  /** Does it; what is refused is shown, and the dialog stays. @returns what was done, for people */
  readonly run: () => Promise<string>;
}

/** Asks before anything is done: what will happen, then whether it should. */
export function ActionDialog({
  title,
  children,
  choices,
  done,
  close,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
  readonly choices: readonly Choice[];
  /** It was done, or refused after the dialog was closed; in words for people. */
  readonly done: (words: string) => void;
  readonly close: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [running, setRunning] = useState<string>();
  const [error, setError] = useState<Refused>();
  useEffect(() => dialog.current?.showModal(), []);

  const choose = async ({ label, run }: Choice): Promise<void> => {
    setRunning(label);
    setError(undefined);
    try {
      const words = await run();
      done(words);
      dialog.current?.close();
    } catch (problem) {
      // Whoever has closed it meanwhile is to know all the same.
      if (dialog.current?.open !== true) done(`Not done: ${oneLine((problem as Refused).message)}`);
      setError(problem as Refused);
      setRunning(undefined);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={close} aria-busy={running !== undefined}>
      <h2 id={heading}>{title}</h2>
      <div class="dialog-body">
        {children}
        {error === undefined ? null : <RefusalNotice error={error} />}
      </div>
      <footer>
        <button type="button" class="button" onClick={() => dialog.current?.close()} autofocus>
          {running === undefined ? 'Cancel' : 'Close'}
        </button>
        {choices.map((choice) => (
          <button
            key={choice.label}
            type="button"
            class={choice.danger === true ? 'button danger' : 'button primary'}
            disabled={choice.disabled === true || running !== undefined}
            onClick={() => void choose(choice)}
          >
            {running === choice.label ? `${choice.label} …` : choice.label}
          </button>
        ))}
      </footer>
    </dialog>
  );
}
