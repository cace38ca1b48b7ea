import * as z from 'zod';

/** What may stand under `irc:` in a controller's config.yaml, and of a node. Files are named from the home's folder. */

const PORT = { tls: 6_697, clear: 6_667 };

const channel = z
  .string({ error: 'a channel in quotes, such as "#hauki": without them # begins a comment' })
  .regex(/^[#&][^\s,:\p{Cc}]{1,49}$/u, 'a channel is # or & and 1 to 49 characters, without spaces, commas or colons');
const nick = z
  .string()
  .regex(/^[A-Za-z_[\]{}|\\^`][A-Za-z0-9_[\]{}|\\^`-]{0,29}$/, 'a nick begins with a letter, 30 characters at most');
const account = z.string().regex(/^[^\s,:!@*?\p{Cc}]{1,64}$/u, 'an account is one word');
const file = z.string().min(1);
type Duration = z.ZodType<number, string>;

/** How to reach a server, and how to behave there. */
function serverShape(duration: Duration, pace: { readonly burst: number; readonly perSecond: number }) {
  return {
    server: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an address; the port stands in "port"'),
    port: z.int().min(1).max(65_535).optional(),
    tls: z
      .union([z.boolean(), z.strictObject({ ca: file.optional(), servername: z.string().min(1).optional() })])
      .default(true),
    passwordFile: file.optional(),
    sasl: z.strictObject({ account, passwordFile: file }).optional(),
    flood: z
      .strictObject({
        burst: z.int().min(1).max(1_000).default(pace.burst),
        perSecond: z.number().min(0.05).max(1_000).default(pace.perSecond),
      })
      .prefault({}),
    patience: z
      .strictObject({
        quiet: duration.prefault('30s'),
        answer: duration.prefault('20s'),
        retry: duration.prefault('1s'),
        retryMax: duration.prefault('1m'),
      })
      .prefault({}),
  };
}

function withPort<T extends { readonly port?: number | undefined; readonly tls: unknown }>(
  config: T,
): T & { readonly port: number } {
  return { ...config, port: config.port ?? (config.tls === false ? PORT.clear : PORT.tls) };
}

/**
 * A line has 512 bytes, of which hauki fills 400; the rest names who says it where. With a host's name of 60 characters in it, nick and
 * channel have so many together.
 */
const NAMES_MAX = 32;
const ROOM = { message: `nick and channel may have ${NAMES_MAX} characters together: a line needs the rest` };

function hasRoom(nickname: string, ...channels: (string | undefined)[]): boolean {
  return channels.every((name) => nickname.length + (name?.length ?? 0) <= NAMES_MAX);
}

/** @param duration reads `30s` as milliseconds */
export function ircSchema(duration: Duration) {
  return z
    .strictObject({
      // Slow enough for the networks that throttle most.
      ...serverShape(duration, { burst: 6, perSecond: 0.7 }),
      nick: nick.default('hauki'),
      channel,
      channelKeyFile: file.optional(),
      controlChannel: channel.optional(),
      controlChannelKeyFile: file.optional(),
      accounts: z.array(account).default([]),
      signers: file.optional(),
      heads: duration.prefault('5m'),
    })
    .refine((config) => hasRoom(config.nick, config.channel, config.controlChannel), { ...ROOM, path: ['channel'] })
    .refine(({ controlChannel, channel: news }) => controlChannel?.toLowerCase() !== news.toLowerCase(), {
      path: ['controlChannel'],
      message: 'the signed lines of barriers need a channel of their own',
    })
    .transform(withPort);
}

/** A node only listens for orders, and says how it stands: two lines every two seconds. @param duration reads `30s` as milliseconds */
export function ircLinkSchema(duration: Duration) {
  return z
    .strictObject({
      ...serverShape(duration, { burst: 10, perSecond: 3 }),
      nick,
      controlChannel: channel,
      controlChannelKeyFile: file.optional(),
    })
    .refine((config) => hasRoom(config.nick, config.controlChannel), { ...ROOM, path: ['controlChannel'] })
    .transform(withPort);
}

export type IrcConfig = z.infer<ReturnType<typeof ircSchema>>;
export type IrcLinkConfig = z.infer<ReturnType<typeof ircLinkSchema>>;
