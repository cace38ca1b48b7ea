import type { Heartbeat, TaskPiece } from '../ports/mesh.ts';
import type { MessageToController, MessageToNode } from '../wire/link.ts';

/** A way to the controller. A node has one or several, and says the same on all of them. */
export interface Uplink {
  /** For people: `link`, `irc`. */
  readonly name: string;
  /** Whether it can be spoken on now, as far as it knows. */
  readonly up: boolean;
  /** How often heartbeats go out here, ms. */
  readonly everyMs: number;
  /** What else there is to know of it, for whoever watches. */
  readonly view?: object;
  start(): void;
  stop(): Promise<void>;
  /** What cannot be said now is lost: the next heartbeat says it again. */
  say(message: MessageToController): void;
  /** @param why `changed`: the controller waits for it. `due`: no more than a sign of life, which may be left out where they are rarer */
  beat(heartbeat: Heartbeat, why: 'changed' | 'due'): void;
  /** What tasks say; not there where it would be a flood. */
  tell?(pieces: readonly TaskPiece[]): void;
}

/** What an uplink tells its node. */
export interface Ears {
  /** It is up, or no more. */
  readonly turned: () => void;
  readonly heard: (message: MessageToNode) => void;
}

export type OpenUplink = (ears: Ears) => Uplink;
