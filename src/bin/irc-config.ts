import * as z from 'zod';
import { duration } from './settings-file.ts';

/** What may stand under `irc:` in a controller's config.yaml and a node's node.yaml. Files are named from HAUKI_HOME, or HAUKI_NODE_HOME. */

const PORT = { tls: 6_697, clear: 6_667 };

const channel = z
  .string({ error: 'a channel in quotes, such as "#hauki": without them # begins a comment' })
  .regex(/^[#&][^\s,:\p{Cc}]{1,49}$/u, 'a channel is # or & and 1 to 49 characters, without spaces, commas or colons');
const nick = z
  .string()
  .regex(/^[A-Za-z_[\]{}|\\^`][A-Za-z0-9_[\]{}|\\^`-]{0,29}$/, 'a nick begins with a letter, 30 characters at most');
const account = z.string().regex(/^[^\s,:!@*?\p{Cc}]{1,64}$/u, 'an account is one word');
const file = z.string().min(1);
// Slow enough for the networks that throttle most.
const flood = z.strictObject({
  burst: z.int().min(1).max(1_000).default(6),
  perSecond: z.number().min(0.05).max(1_000).default(0.7),
});
const patience = z.strictObject({
  quiet: duration.prefault('30s'),
  answer: duration.prefault('20s'),
  retry: duration.prefault('1s'),
  retryMax: duration.prefault('1m'),
});

/**
 * A line has 512 bytes, of which hauki fills 400; the rest names who says it where. With a host's name of 60 characters in it, nick and
 * channel have so many together.
 */
const NAMES_MAX = 32;

function hasRoom(nickname: string, ...channels: (string | undefined)[]): boolean {
  return channels.every((name) => nickname.length + (name?.length ?? 0) <= NAMES_MAX);
}

const NO_ROOM = {
  path: ['channel'],
  message: `nick and channel may have ${NAMES_MAX} characters together: a line needs the rest`,
};

/** How to get into a server, and into a channel there. */
const SERVER = {
  server: z.string().regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an address; the port stands in "port"'),
  port: z.int().min(1).max(65_535).optional(),
  tls: z
    .union([z.boolean(), z.strictObject({ ca: file.optional(), servername: z.string().min(1).optional() })])
    .default(true),
  channel,
  channelKeyFile: file.optional(),
  passwordFile: file.optional(),
  sasl: z.strictObject({ account, passwordFile: file }).optional(),
  flood: flood.prefault({}),
  patience: patience.prefault({}),
};

/** A controller's: its channel is where people sit. */
export const ircSchema = z
  .strictObject({
    ...SERVER,
    nick: nick.default('hauki'),
    controlChannel: channel.optional(),
    controlChannelKeyFile: file.optional(),
    accounts: z.array(account).default([]),
    signers: file.optional(),
    heads: duration.prefault('5m'),
  })
  .refine((config) => hasRoom(config.nick, config.channel, config.controlChannel), NO_ROOM)
  .refine(({ controlChannel, channel: news }) => controlChannel?.toLowerCase() !== news.toLowerCase(), {
    path: ['controlChannel'],
    message: 'the signed lines of barriers need a channel of their own',
  })
  .transform(withPort);

/** A node's: its channel is the controller's control channel. */
export const nodeIrcSchema = z
  .strictObject({ ...SERVER, nick: nick.optional() })
  .refine((config) => hasRoom(config.nick ?? '', config.channel), NO_ROOM)
  .transform(withPort);

export type IrcConfig = z.infer<typeof ircSchema>;
export type NodeIrcConfig = z.infer<typeof nodeIrcSchema>;
/** What both have. */
export type IrcServerConfig = Omit<NodeIrcConfig, 'nick'>;

/** A nick as like a name as may be. */
export function nickOf(name: string): string {
  const like = name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, NICK_LENGTH);
  return nick.safeParse(like).success ? like : `n${like}`.slice(0, NICK_LENGTH);
}

/** What most networks take. */
const NICK_LENGTH = 16;

function withPort<T extends { readonly port?: number | undefined; readonly tls: unknown }>(
  settings: T,
): Omit<T, 'port'> & { readonly port: number } {
  return { ...settings, port: settings.port ?? (settings.tls === false ? PORT.clear : PORT.tls) };
}
