import { paintFor } from '../colour.ts';
import { writeTo } from '../output.ts';
import { Footer, isLive } from './footer.ts';
import { stopwatch } from './stopwatch.ts';

const TURN = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const TURN_MS = 100;

/** Tells people what is waited for. */
export interface Progress {
  /**
   * @param what is the case: what only differs in `words`, by the time it has taken, is not news
   * @param words that end without a full stop
   */
  readonly tell: (what: string, words: string) => void;
  /** The wait is over; what is said next begins on a line of its own. */
  readonly end: () => void;
}

/** On a terminal one line that turns and counts the time; elsewhere a line whenever something else is the case. */
export function progress(talk: (text: string) => void, wanted: boolean): Progress {
  return wanted && isLive(2) ? turning() : lines(talk);
}

function lines(talk: (text: string) => void): Progress {
  let said = '';
  let over = false;
  return {
    tell: (what, words) => {
      if (what !== said && !over) talk(words);
      said = what;
    },
    end: () => void (over = true),
  };
}

function turning(): Progress {
  const { stderr } = process;
  const footer = new Footer((text) => writeTo(2, text), stderr);
  const paint = paintFor(2);
  const begun = performance.now();
  let current: string | undefined;
  let turn = 0;
  const draw = (): void => {
    if (current === undefined) return;
    const spent = stopwatch(performance.now() - begun);
    turn = (turn + 1) % TURN.length;
    footer.draw([`${paint('cyan', TURN[turn] ?? '')} ${current} ${paint('dim', spent)}`]);
  };
  const timer = setInterval(draw, TURN_MS);
  timer.unref();
  return {
    tell: (what) => {
      current = what;
      draw();
    },
    end: () => {
      clearInterval(timer);
      current = undefined;
      footer.clear();
    },
  };
}
