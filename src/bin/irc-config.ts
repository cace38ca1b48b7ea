import * as z from 'zod';

/** What may stand under `irc:` in config.yaml. Files are named from HAUKI_HOME. */

const PORT = { tls: 6_697, clear: 6_667 };

const channel = z
  .string({ error: 'a channel in quotes, such as "#hauki": without them # begins a comment' })
  .regex(/^[#&][^\s,:\p{Cc}]{1,49}$/u, 'a channel is # or & and 1 to 49 characters, without spaces, commas or colons');
const nick = z
  .string()
  .regex(/^[A-Za-z_[\]{}|\\^`][A-Za-z0-9_[\]{}|\\^`-]{0,29}$/, 'a nick begins with a letter, 30 characters at most');
const account = z.string().regex(/^[^\s,:!@*?\p{Cc}]{1,64}$/u, 'an account is one word');
const file = z.string().min(1);

/**
 * A line has 512 bytes, of which hauki fills 400; the rest names who says it where. With a host's name of 60 characters in it, nick and
 * channel have so many together.
 */
const NAMES_MAX = 32;

function hasRoom(nickname: string, ...channels: (string | undefined)[]): boolean {
  return channels.every((name) => nickname.length + (name?.length ?? 0) <= NAMES_MAX);
}

/** @param duration reads `30s` as milliseconds */
export function ircSchema(duration: z.ZodType<number, string>) {
  return z
    .strictObject({
      server: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an address; the port stands in "port"'),
      port: z.int().min(1).max(65_535).optional(),
      tls: z
        .union([z.boolean(), z.strictObject({ ca: file.optional(), servername: z.string().min(1).optional() })])
        .default(true),
      nick: nick.default('hauki'),
      channel,
      channelKeyFile: file.optional(),
      controlChannel: channel.optional(),
      controlChannelKeyFile: file.optional(),
      passwordFile: file.optional(),
      sasl: z.strictObject({ account, passwordFile: file }).optional(),
      accounts: z.array(account).default([]),
      signers: file.optional(),
      heads: duration.prefault('5m'),
      // Slow enough for the networks that throttle most.
      flood: z
        .strictObject({
          burst: z.int().min(1).max(1_000).default(6),
          perSecond: z.number().min(0.05).max(1_000).default(0.7),
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
    })
    .refine((config) => hasRoom(config.nick, config.channel, config.controlChannel), {
      path: ['channel'],
      message: `nick and channel may have ${NAMES_MAX} characters together: a line needs the rest`,
    })
    .refine(({ controlChannel, channel: news }) => controlChannel?.toLowerCase() !== news.toLowerCase(), {
      path: ['controlChannel'],
      message: 'the signed lines of barriers need a channel of their own',
    })
    .transform(({ port, tls, ...rest }) => ({ ...rest, tls, port: port ?? (tls === false ? PORT.clear : PORT.tls) }));
}

export type IrcConfig = z.infer<ReturnType<typeof ircSchema>>;
