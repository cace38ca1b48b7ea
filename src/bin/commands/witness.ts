import { createPublicKey, type KeyObject } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { type Verdict, verify } from '../../ledger/audit.ts';
import type { Head } from '../../ports/ledger.ts';
import { headsIn } from '../../wire/irc/witness.ts';
import { replay } from '../compose.ts';
import { homeFrom } from '../home.ts';
import { oneLine, printJson, printText, say } from '../output.ts';
import { EXIT_BROKEN, unreadable } from './audit.ts';

export interface WitnessOptions {
  readonly from?: string;
  readonly key?: string;
  readonly json?: boolean;
}

/** A head, and the line of the log in which it stands first. */
interface Announced {
  readonly head: Head;
  readonly line: number;
}

/**
 * `hauki audit witness`: holds the ledger of this HAUKI_HOME against what was announced in a channel. The log is the word of others, so
 * a head that the controller's key did not sign proves nothing; but it fails the check, because a key can be replaced too.
 */
export async function auditWitness(log: string, options: WitnessOptions): Promise<number> {
  const announced = await announcedIn(log, options.from);
  const publicKey = options.key === undefined ? undefined : publicKeyIn(options.key);
  const verdict = await verify(homeFrom(process.env).root, {
    replay,
    witnesses: announced.map(({ head, line }) => ({ head, from: `The head in line ${line} of the log` })),
    ...(publicKey === undefined ? {} : { publicKey }),
  }).catch(unreadable);
  const missing = announced.find(({ head }) => head.seq > verdict.records);
  if (options.json) {
    const witness = {
      heads: announced.length,
      first: announced[0]?.head.seq,
      last: announced.at(-1)?.head.seq,
      ...(missing === undefined ? {} : { firstMissing: { ...missing.head, line: missing.line } }),
    };
    printJson({ ...verdict, witness });
  } else print(verdict, announced, missing);
  return verdict.ok ? 0 : EXIT_BROKEN;
}

function print(verdict: Verdict, announced: readonly Announced[], missing: Announced | undefined): void {
  for (const note of verdict.notes) say(`note: ${oneLine(note)}`);
  const last = announced.at(-1)?.head.seq ?? 0;
  if (verdict.firstBroken === undefined) {
    const later = verdict.records - last;
    const beyond = later === 0 ? '' : `; of the ${later} after them it says nothing`;
    printText(
      `the channel bears witness to records 1 to ${last}: ${announced.length} heads, each in the ledger${beyond}`,
    );
    return;
  }
  const { seq, problem } = verdict.firstBroken;
  printText(`the ledger is BROKEN at record ${seq}: ${oneLine(problem)}`);
  if (missing !== undefined) {
    const { head, line } = missing;
    printText(`first missing of those announced: record ${head.seq}, ${head.hash} (line ${line} of the log)`);
  }
  if (problem.endsWith("is not signed by the controller's key."))
    printText(
      'somebody else wrote that line, or the key was replaced: see whose line it is; --from NICK leaves others out',
    );
}

/** Every head in a log, by number, once; read line by line, because logs are long. */
async function announcedIn(log: string, from: string | undefined): Promise<Announced[]> {
  const found = new Map<string, Announced>();
  let line = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(log, 'utf8'), crlfDelay: Infinity })) {
      line += 1;
      if (from !== undefined && !saidBy(text, from)) continue;
      for (const head of headsIn(text)) {
        const key = `${head.seq} ${head.hash} ${head.signature}`;
        if (!found.has(key)) found.set(key, { head, line });
      }
    }
  } catch (error) {
    throw new RefusedError(
      refusal('usage', `${log} cannot be read: ${(error as Error).message}.`, 'Name the log of the channel.'),
    );
  }
  if (found.size === 0) {
    const by = from === undefined ? '' : ` said by ${from}`;
    throw new RefusedError(
      refusal(
        'usage',
        `${log} holds no head of a ledger${by}.`,
        'Name the log of the channel in which the controller talks.',
      ),
    );
  }
  return [...found.values()].toSorted((a, b) => a.head.seq - b.head.seq || a.line - b.line);
}

const CALENDAR = /^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)$/i;

/**
 * Whether nothing stands before the head but a time and the nick, as in `[12:00:00] <nick> head …`. Whoever quotes the controller has a
 * nick of his own there. No nick begins with a digit, and all of a time does, but the names of months and days.
 */
function saidBy(text: string, nick: string): boolean {
  const before = text.slice(0, Math.max(0, text.search(/\bhead \d/))).split(/[^A-Za-z0-9_[\]{}|\\^`-]+/);
  const words = before
    .map((word) => word.replaceAll(/^[-[\]]+|[-[\]]+$/g, ''))
    .filter((word) => word !== '' && !/^\d/.test(word) && !CALENDAR.test(word));
  return words.length === 1 && words[0]?.toLowerCase() === nick.toLowerCase();
}

function publicKeyIn(path: string): KeyObject {
  try {
    const key = createPublicKey(readFileSync(path));
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // Said below.
  }
  throw new RefusedError(
    refusal('usage', `${path} holds no ed25519 public key in PEM.`, 'Name a copy of HAUKI_HOME/controller.pub.'),
  );
}
