import type { Lab } from './guest.ts';

/**
 * Something that is tried in the lab: a file in lab/scenarios/ whose default export is made by `scenario()`. Its name is
 * the file's.
 */
export interface Scenario {
  /** One sentence: what is shown to work. */
  readonly about: string;
  /** After so long it has failed. Under emulation everything takes 10 to 40 times as long as outside. */
  readonly minutesMax: number;
  /** Works when it returns, fails when it throws: `node:assert/strict`, or a command's own failure. */
  readonly run: (lab: Lab) => Promise<void>;
}

export function scenario(definition: Scenario): Scenario {
  return definition;
}
