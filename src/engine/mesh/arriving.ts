import type { Epoch } from '../../core/barrier/message.ts';
import type { Clock } from '../../ports/clock.ts';

interface Waiting {
  readonly epoch: Epoch;
  readonly isThere: () => boolean;
  readonly settle: (how: 'go on' | 'called off') => void;
}

/**
 * In its first moments a controller knows of nobody: nodes speak every two seconds, on IRC every ten, and need some seconds to link
 * again. Until then silence says nothing about them, and whoever wants them halted waits.
 */
export class Arrivals {
  readonly #untilMono: number;
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();

  /** @param forMs how long the first moments are */
  constructor(clock: Clock, forMs: number) {
    this.#clock = clock;
    this.#untilMono = clock.mono() + forMs;
  }

  /** @param isThere whether all that are waited for have been heard */
  wait(epoch: Epoch, isThere: () => boolean): Promise<'go on' | 'called off'> {
    const leftMs = this.#untilMono - this.#clock.mono();
    if (isThere() || leftMs <= 0) return Promise.resolve('go on');
    return new Promise((resolve) => {
      const settle: Waiting['settle'] = (how) => {
        cancel();
        this.#waiting.delete(waiting);
        resolve(how);
      };
      const waiting: Waiting = { epoch, isThere, settle };
      const cancel = this.#clock.after(leftMs, () => settle('go on'));
      this.#waiting.add(waiting);
    });
  }

  /** Somebody was heard. */
  look(): void {
    for (const waiting of this.#waiting) if (waiting.isThere()) waiting.settle('go on');
  }

  /** The barriers there are: whoever waits for another waits in vain. */
  keep(wanted: (epoch: Epoch) => boolean): void {
    for (const waiting of this.#waiting) if (!wanted(waiting.epoch)) waiting.settle('called off');
  }
}
