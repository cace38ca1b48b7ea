import { type KeyObject, sign, verify } from 'node:crypto';
import { Assembly, type Whole } from './assembly.ts';
import { LINE_BYTES_MAX } from './events.ts';

/**
 * Signed lines of a control channel, which everybody may read and write:
 *
 *     HAUKI1 <kind> <sender> <number> <part>/<parts> <base64 payload> <base64 signature>
 *
 * The signature covers all that stands before it, and the channel. `number` only grows for each sender: it is the sender's wall clock in
 * ms, or one more than its last number where that is higher. The last one is kept over restarts, so that a clock that was set back
 * makes nobody deaf. A payload too long for one line comes in parts of one number, each signed.
 */
const MARK = 'HAUKI1';
const LINE = new RegExp(
  `^${MARK} ([a-z]{1,16}) ([A-Za-z0-9][A-Za-z0-9_.-]{0,62}) (\\d{1,15}) (\\d{1,2})/(\\d{1,2}) ([A-Za-z0-9+/]*={0,2}) ([A-Za-z0-9+/]{86}==)$`,
);
const SIGNATURE_CHARACTERS = 88;
export const PARTS_MAX = 24;

/**
 * A number may lie so far from the reader's clock. Replays are older than what was read already; for a reader that has just started and
 * has read nothing, they are older than its start.
 */
const APART_MS_MAX = 120_000;

export interface ControlMessage {
  /** What it is about, for people who read the channel: `halt`, `heartbeat`. */
  readonly kind: string;
  /** Name of the node, or of the controller. */
  readonly sender: string;
  readonly number: number;
  readonly payload: Buffer;
}

/**
 * The next number of a sender. One from a clock that was far ahead for a while is forgotten: nobody would take what follows it.
 *
 * @param last its number before, 0 for the first
 * @param now wall clock, ms
 */
export function nextNumber(last: number, now: number): number {
  return last > now + APART_MS_MAX ? now : Math.max(last + 1, now);
}

/**
 * The lines that carry a message.
 *
 * @param key the sender's private key: ed25519, or EC of 256 bits
 * @throws RangeError when the payload needs more than PARTS_MAX lines
 */
export function controlLines(message: ControlMessage, channel: string, key: KeyObject): string[] {
  const { kind, sender, number, payload } = message;
  const head = `${MARK} ${kind} ${sender} ${number}`;
  const room = LINE_BYTES_MAX - head.length - ` ${PARTS_MAX}/${PARTS_MAX}  `.length - SIGNATURE_CHARACTERS;
  // Whole groups of base64: three bytes are four characters.
  const bytesMax = Math.floor(room / 4) * 3;
  const parts = Math.max(1, Math.ceil(payload.length / bytesMax));
  if (parts > PARTS_MAX)
    throw new RangeError(`a payload of ${payload.length} bytes does not fit into ${PARTS_MAX} lines`);
  return Array.from({ length: parts }, (_, index) => {
    const part = payload.subarray(index * bytesMax, (index + 1) * bytesMax).toString('base64');
    const said = `${head} ${index + 1}/${parts} ${part}`;
    return `${said} ${signatureOf(channel, said, key)}`;
  });
}

/** Why a line was not taken. */
export type Ignored =
  /** It begins like a control line, and is none. */
  | 'malformed'
  /** Of a kind, or to somebody, that this reader has nothing to do with. */
  | 'not_for_us'
  /** Nobody of that name is known, or not any more. */
  | 'unknown_sender'
  /** Not signed by the sender's key, or for another channel. */
  | 'forged'
  /** Read before, or older than what was read before. */
  | 'replayed'
  /** From before this reader started, or too long ago. */
  | 'old'
  /** From the future: a clock is wrong. */
  | 'early'
  /** Parts of a message whose other parts did not come. */
  | 'incomplete';

export type Reading =
  | { readonly type: 'message'; readonly message: ControlMessage }
  /** A part; more have to come. */
  | { readonly type: 'part' }
  | { readonly type: 'ignored'; readonly why: Ignored; readonly sender?: string }
  /** Not a control line at all: people talk there too. */
  | { readonly type: 'talk' };

export interface ControlReaderOptions {
  readonly channel: string;
  /** Public keys by which a sender may sign at this moment; none when it is not known, or was revoked. */
  readonly keysOf: (sender: string) => readonly KeyObject[];
  /** What this reader has to do with. */
  readonly wants: (kind: string, sender: string) => boolean;
  /** Wall clock when the reader started, ms. */
  readonly startedAt: number;
}

/** Takes what is said in a control channel, line by line, and lets only through what a known sender signed, once, and just now. */
export class ControlReader {
  readonly #options: ControlReaderOptions;
  /** The newest number read whole, by sender. */
  readonly #newest = new Map<string, number>();
  readonly #assemblies = new Map<string, Assembly>();
  readonly #counts = new Map<Ignored, number>();

  constructor(options: ControlReaderOptions) {
    this.#options = options;
  }

  /** How many lines were ignored, by why. */
  get ignored(): Readonly<Partial<Record<Ignored, number>>> {
    return Object.fromEntries(this.#counts);
  }

  /** For whoever understands the payload, and finds that it means nothing. */
  count(why: Ignored): void {
    this.#counts.set(why, (this.#counts.get(why) ?? 0) + 1);
  }

  /** @param now wall clock, ms */
  read(line: string, now: number): Reading {
    if (!line.startsWith(`${MARK} `)) return { type: 'talk' };
    const [whole, kind = '', sender = '', digits, part, parts, payload = '', signature = ''] = LINE.exec(line) ?? [];
    if (whole === undefined) return this.#ignore('malformed');
    const at = { number: Number(digits), part: Number(part), parts: Number(parts) };
    if (at.part < 1 || at.part > at.parts || at.parts > PARTS_MAX) return this.#ignore('malformed');
    if (!this.#options.wants(kind, sender)) return this.#ignore('not_for_us', sender);
    const keys = this.#options.keysOf(sender);
    if (keys.length === 0) return this.#ignore('unknown_sender', sender);
    const said = whole.slice(0, -signature.length - 1);
    if (!keys.some((key) => verifies(this.#options.channel, said, signature, key)))
      return this.#ignore('forged', sender);

    // From here on the sender has said it; only when is open.
    if (at.number <= (this.#newest.get(sender) ?? -1)) return this.#ignore('replayed', sender);
    if (at.number < Math.max(this.#options.startedAt, now - APART_MS_MAX)) return this.#ignore('old', sender);
    if (at.number > now + APART_MS_MAX) return this.#ignore('early', sender);
    const taken = this.#assemble(sender, { ...at, kind, bytes: Buffer.from(payload, 'base64'), now });
    if (taken === 'part') return { type: 'part' };
    if (taken === 'replayed') return this.#ignore('replayed', sender);
    this.#newest.set(sender, at.number);
    this.#assemblies.delete(sender);
    return { type: 'message', message: { kind, sender, number: at.number, payload: taken.payload } };
  }

  /** One message of a sender is put together at a time: a newer one makes an older one void. */
  #assemble(sender: string, part: Parameters<Assembly['take']>[0]): Whole | 'part' | 'replayed' {
    const open = this.#assemblies.get(sender);
    if (open !== undefined && open.number > part.number) return 'replayed';
    if (open !== undefined && open.accepts(part)) return open.take(part);
    if (open !== undefined) this.count('incomplete');
    const fresh = new Assembly(part);
    this.#assemblies.set(sender, fresh);
    return fresh.take(part);
  }

  #ignore(why: Ignored, sender?: string): Reading {
    this.count(why);
    return { type: 'ignored', why, ...(sender === undefined ? {} : { sender }) };
  }
}

function signatureOf(channel: string, said: string, key: KeyObject): string {
  return sign(digestOf(key), signedText(channel, said), { key, dsaEncoding: 'ieee-p1363' }).toString('base64');
}

function verifies(channel: string, said: string, signature: string, key: KeyObject): boolean {
  const bytes = Buffer.from(signature, 'base64');
  // Base64 can write the same bytes in more than one way; only the way that was sent is taken.
  if (bytes.toString('base64') !== signature) return false;
  return verify(digestOf(key), signedText(channel, said), { key, dsaEncoding: 'ieee-p1363' }, bytes);
}

/** Ed25519 brings its own; both kinds of key give signatures of 64 bytes. */
function digestOf(key: KeyObject): 'sha256' | null {
  return key.asymmetricKeyType === 'ed25519' ? null : 'sha256';
}

function signedText(channel: string, said: string): Buffer {
  return Buffer.from(`hauki-irc-control\n${channel.toLowerCase()}\n${said}`);
}
