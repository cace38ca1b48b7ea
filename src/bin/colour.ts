import { isatty } from 'node:tty';

/** What text can look like. Colours are the terminal's own sixteen, so that its theme decides what is readable. */
const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const satisfies Record<string, readonly [on: number, off: number]>;

export type Style = keyof typeof CODES;
export type Paint = (style: Style | undefined, text: string) => string;

/**
 * Whether to print in colour: to a terminal that has some. `NO_COLOR` (anything but empty) forbids it, `FORCE_COLOR` (anything but
 * `0` and `false`) wants it in a pipe too; as commander does for the help.
 */
export function wantsColour(env: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  const { NO_COLOR: no, FORCE_COLOR: force, TERM: term } = env;
  if (no || force === '0' || force === 'false') return false;
  return force !== undefined || (isTerminal && term !== 'dumb');
}

export const plain: Paint = (_style, text) => text;

export const painted: Paint = (style, text) => {
  if (style === undefined || text === '') return text;
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

/** How to paint what is written to stdout (1) or stderr (2). */
export function paintFor(descriptor: 1 | 2, env: NodeJS.ProcessEnv = process.env): Paint {
  return wantsColour(env, isatty(descriptor)) ? painted : plain;
}

/** How things stand, in the words of mutations, nodes, tasks and webhooks: good, at work, to be looked at, bad. */
const STAGES: Readonly<Record<string, Style>> = {
  committed: 'green',
  live: 'green',
  done: 'green',
  active: 'green',
  joined: 'green',
  cleared: 'cyan',
  running: 'cyan',
  halting: 'cyan',
  verifying: 'cyan',
  snapshotting: 'cyan',
  committing: 'cyan',
  rolled_back: 'yellow',
  rolling_back: 'yellow',
  late: 'yellow',
  retrying: 'yellow',
  quarantined: 'magenta',
  denied: 'red',
  failed: 'red',
  lost: 'red',
  revoked: 'red',
  disabled: 'red',
  queued: 'dim',
  cancelled: 'dim',
  waiting: 'dim',
};

/** The colour of a word that says how something stands, `committed` or `rolled_back (rebuilt)`. */
export function styleOfStage(words: string): Style | undefined {
  return STAGES[/^\w+/.exec(words)?.[0] ?? ''];
}
