/** What a person can ask for on IRC. */
export type Question =
  | { readonly kind: 'help' }
  | { readonly kind: 'status' }
  | { readonly kind: 'locks' }
  | { readonly kind: 'node'; readonly node: string }
  | { readonly kind: 'last'; readonly count: number }
  /** A snapshot's whole name, the part of it after the `@`, or a mutation. */
  | { readonly kind: 'why'; readonly of: string };

/** What changes something, and therefore needs an account on the list or a signature. */
export type Change =
  | { readonly kind: 'rollback'; readonly mutation: string }
  | { readonly kind: 'resolve'; readonly mutation: string; readonly choice: 'commit' | 'rollback' }
  | { readonly kind: 'pin'; readonly mutation: string; readonly pinned: boolean };

/** A change, and whose signature stands beside it. */
export interface Signed {
  readonly change: Change;
  /** The words that were signed: the change as it was written. */
  readonly words: string;
  readonly signer: string;
  /** Seconds since the epoch, by the signer's clock. */
  readonly at: number;
  /** Base64 of an SSH signature, without the lines that begin and end it. */
  readonly signature: string;
}

export type Said =
  | { readonly type: 'question'; readonly question: Question }
  | { readonly type: 'change'; readonly change: Change }
  | { readonly type: 'signed'; readonly signed: Signed }
  /** Known words, wrongly used: how they are used. */
  | { readonly type: 'usage'; readonly usage: string };

export const LAST_MAX = 10;
const LAST_DEFAULT = 5;
/** A name that is asked for is never longer: snapshot names have 255 bytes at most. */
const WORD_MAX = 300;

const USAGE: Readonly<Record<string, string>> = {
  help: '!help',
  status: '!status',
  locks: '!locks',
  node: '!node NAME',
  last: `!last [1 to ${LAST_MAX}]`,
  why: '!why SNAPSHOT, or !why MUTATION',
  rollback: '!rollback MUTATION',
  resolve: '!resolve MUTATION commit, or !resolve MUTATION rollback',
  pin: '!pin MUTATION',
  unpin: '!unpin MUTATION',
  signed: '!signed NAME TIME SIGNATURE rollback|resolve|pin|unpin …, as "hauki irc sign" prints it',
};

export const HELP = `I answer ${['status', 'locks', 'node', 'last', 'why'].map((verb) => USAGE[verb]).join(' · ')}. With an account on the list, or signed: ${['rollback', 'resolve', 'pin', 'unpin'].map((verb) => USAGE[verb]).join(' · ')}.`;

/** What somebody said, if it was meant for hauki. Words with `!` that are not hauki's belong to somebody else's bot: no answer. */
export function understand(text: string): Said | undefined {
  if (!/^![a-z]/.test(text)) return undefined;
  const [verb = '', ...words] = text.slice(1).trim().split(/ +/);
  const usage = Object.hasOwn(USAGE, verb) ? USAGE[verb] : undefined;
  if (usage === undefined) return undefined;
  if (words.some((word) => word.length > WORD_MAX && verb !== 'signed')) return { type: 'usage', usage };
  const question = questionIn(verb, words);
  if (question !== undefined) return { type: 'question', question };
  if (verb === 'signed') {
    const signed = signedIn(words);
    return signed === undefined ? { type: 'usage', usage } : { type: 'signed', signed };
  }
  const change = changeIn(verb, words);
  return change === undefined ? { type: 'usage', usage } : { type: 'change', change };
}

function questionIn(verb: string, words: readonly string[]): Question | undefined {
  const [word] = words;
  if (words.length > 1) return undefined;
  switch (verb) {
    case 'help':
    case 'status':
    case 'locks':
      return word === undefined ? { kind: verb } : undefined;
    case 'node':
      return word === undefined ? undefined : { kind: 'node', node: word };
    case 'why':
      return word === undefined ? undefined : { kind: 'why', of: unquoted(word) };
    case 'last': {
      const count = word === undefined ? LAST_DEFAULT : Number(word);
      return Number.isInteger(count) && count >= 1 && count <= LAST_MAX ? { kind: 'last', count } : undefined;
    }
    default:
      return undefined;
  }
}

/** Snapshot names are announced in quotes, and copied with them. */
function unquoted(word: string): string {
  return word.replaceAll(/^['"]|['".,]+$/g, '');
}

/** @returns undefined when it is no change, or not a whole one */
export function changeIn(verb: string, words: readonly string[]): Change | undefined {
  const [mutation, choice] = words;
  if (mutation === undefined || !/^[0-9a-f-]{36}$/.test(mutation)) return undefined;
  if (verb === 'resolve') {
    if (words.length !== 2 || (choice !== 'commit' && choice !== 'rollback')) return undefined;
    return { kind: 'resolve', mutation, choice };
  }
  if (words.length !== 1) return undefined;
  if (verb === 'rollback') return { kind: 'rollback', mutation };
  if (verb === 'pin' || verb === 'unpin') return { kind: 'pin', mutation, pinned: verb === 'pin' };
  return undefined;
}

function signedIn(words: readonly string[]): Signed | undefined {
  const [signer = '', time = '', signature = '', verb = '', ...rest] = words;
  const change = changeIn(verb, rest);
  if (change === undefined || !isSigner(signer) || !/^\d{1,12}$/.test(time)) return undefined;
  if (!/^[A-Za-z0-9+/]{40,2000}={0,2}$/.test(signature)) return undefined;
  return { change, words: [verb, ...rest].join(' '), signer, at: Number(time), signature };
}

/** A name as it may stand in a file of allowed signers, and be given to ssh-keygen: never an option, a pattern or two words. */
export function isSigner(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/.test(name);
}

/** The text that is signed: what is to be done, where it was asked for and when, so that it does nothing in another channel or later. */
export function signedText(channel: string, at: number, words: string): string {
  return `hauki-irc ${channel.toLowerCase()} ${at} ${words}\n`;
}
