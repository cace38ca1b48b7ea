import type { Refusal } from '../../base/refusal.ts';
import type { Result } from '../../base/result.ts';
import type { Mutation } from '../../core/mutation/mutation.ts';
import type { Controller } from '../../engine/controller.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { type Change, type Said, type Signed, understand } from '../../wire/irc/ask.ts';
import { LINE_BYTES_MAX } from '../../wire/irc/events.ts';
import { split } from '../../wire/irc/text.ts';
import { oneLine } from '../../wire/one-line.ts';
import { answerTo, type Asked } from './answers.ts';
import { Paces } from './flood.ts';
import type { SignedLines } from './signed-lines.ts';

/** Words said on IRC, with who said them as far as the server vouches for it. */
export interface Spoken {
  readonly nick: string;
  readonly ident: string;
  readonly hostname: string;
  readonly text: string;
  /** Where it was said: a channel, or undefined for a private message. */
  readonly channel: string | undefined;
  /** The account the server says the speaker is logged in to. */
  readonly account: string | undefined;
  /** When the server says it was said, ms: a bouncer repeats old words to whoever comes back. */
  readonly at: number | undefined;
}

export interface AsksOptions {
  readonly asked: Asked;
  readonly controller: Pick<Controller, 'rollback' | 'resolve' | 'pin'>;
  /** Where questions are answered, and what signed lines are for. */
  readonly channel: string;
  /** Whether somebody is in our channels: nobody else is told anything. */
  readonly isMember: (nick: string) => boolean;
  /** Accounts that may change things, in lower case. */
  readonly accounts: ReadonlySet<string>;
  readonly signedLines: SignedLines;
  readonly answer: (target: string, line: string) => void;
  readonly clock: Clock;
  readonly log: Log;
}

/** What one person may ask, and all together. */
const PERSON = { burst: 5, perSecond: 0.2 };
const EVERYBODY = { burst: 20, perSecond: 1 };
const PEOPLE_MAX = 1_000;
/** Words that are older are repeated, not said: as far apart may the server's clock and ours be. */
const REPEATED_MS = 120_000;
/** Of an account's name, chars. */
const WHO_MAX = 100;

/** Answers people, and does what those may ask for who may change things. */
export class Asks {
  readonly #options: AsksOptions;
  readonly #people = new Paces(PERSON, PEOPLE_MAX);
  readonly #everybody = new Paces(EVERYBODY, 1);
  /** Questions nobody answered because too many were asked. */
  ignored = 0;

  constructor(options: AsksOptions) {
    this.#options = options;
  }

  /** Takes what was said. Never rejects. */
  async take(spoken: Spoken): Promise<void> {
    const { asked, log, clock, channel } = this.#options;
    const said = understand(spoken.text);
    if (said === undefined || (spoken.channel !== undefined && !same(spoken.channel, channel))) return;
    if (spoken.at !== undefined && clock.now() - spoken.at > REPEATED_MS) return;
    if (spoken.channel === undefined && !this.#options.isMember(spoken.nick)) return;
    if (!this.#people.take(personOf(spoken), clock.mono()) || !this.#everybody.take('', clock.mono())) {
      this.ignored += 1;
      return;
    }
    try {
      this.#reply(spoken, await this.#answer(said, spoken, asked));
    } catch (error) {
      log.error({ error: String(error) }, 'IRC: a question could not be answered');
      this.#reply(spoken, ["That cannot be answered just now; the controller's log says why."]);
    }
  }

  async #answer(said: Said, spoken: Spoken, asked: Asked): Promise<string[]> {
    switch (said.type) {
      case 'usage':
        return [`Write ${said.usage}`];
      case 'question':
        return answerTo(said.question, asked);
      case 'change': {
        const { account } = spoken;
        if (account === undefined || !this.#options.accounts.has(account.toLowerCase())) {
          const as =
            account === undefined
              ? 'you are logged in to no account the server tells of'
              : `account ${account} is not on the list`;
          return [`Refused: ${as}. Sign it instead: hauki irc sign`];
        }
        return [await this.#change(said.change, `IRC account ${account}`, spoken)];
      }
      case 'signed':
        return [await this.#signed(said.signed, spoken)];
    }
  }

  async #signed(signed: Signed, spoken: Spoken): Promise<string> {
    const refused = await this.#options.signedLines.refusalOf(signed);
    if (refused === undefined) return this.#change(signed.change, `IRC signer ${signed.signer}`, spoken);
    this.#options.log.warn(
      { nick: oneLine(spoken.nick), signer: signed.signer },
      `IRC: a signed line was refused: ${refused}`,
    );
    return `Refused: ${refused}.`;
  }

  async #change(change: Change, by: string, { nick }: Spoken): Promise<string> {
    const { controller, log } = this.#options;
    const who = oneLine(by).slice(0, WHO_MAX);
    log.info({ by: who, nick: oneLine(nick), ...change }, 'IRC: a change is asked for');
    const { mutation } = change;
    switch (change.kind) {
      case 'rollback':
        return outcome(await controller.rollback(mutation, undefined, who), 'Rolled back');
      case 'resolve':
        return outcome(
          await controller.resolve(mutation, change.choice, who),
          change.choice === 'commit' ? 'Committed' : 'Rolled back',
        );
      case 'pin':
        return outcome(await controller.pin(mutation, change.pinned, who), change.pinned ? 'Pinned' : 'Unpinned');
    }
  }

  #reply({ nick, channel }: Spoken, lines: readonly string[]): void {
    const before = channel === undefined ? '' : `${nick}: `;
    for (const line of lines) {
      for (const piece of split(oneLine(before + line), LINE_BYTES_MAX)) this.#options.answer(channel ?? nick, piece);
    }
  }
}

function outcome(result: Result<Mutation, Refusal>, done: string): string {
  if (result.ok) return `${done}: '${result.value.node}' "${result.value.intent}" [${result.value.id}]`;
  return `Refused: ${result.error.message} (${result.error.code}) ${result.error.hint}`;
}

function personOf({ ident, hostname }: Spoken): string {
  return `${ident}@${hostname}`;
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
