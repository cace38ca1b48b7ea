import { randomUUID } from 'node:crypto';
import { Client, type ConnectOptions, type MessageEvent } from 'irc-framework';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import { oneLine } from '../../wire/one-line.ts';
import { LINE_BYTES_MAX } from '../../wire/irc/events.ts';
import { Absence, type Retry } from './absence.ts';
import type { Pace } from './flood.ts';
import { Members } from './members.ts';
import { Outbox, type Urgency } from './outbox.ts';
import { transportOver, type TlsTrust } from './transport.ts';

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: in the clear. */
  readonly tls?: TlsTrust;
  readonly nick: string;
  readonly password?: string;
  readonly sasl?: { readonly account: string; readonly password: string };
  readonly channels: readonly Channel[];
  readonly flood: Pace;
  readonly patience: Patience;
}

export interface Channel {
  readonly name: string;
  readonly key?: string;
}

/** How long the server may do nothing. All in ms. */
export interface Patience extends Retry {
  /** After so long without a word from the server it is asked whether it is there. */
  readonly quietMs: number;
  /** How long it may take to answer that; a frozen server is left then. */
  readonly answerMs: number;
}

export interface ConnectionOptions {
  readonly server: ServerOptions;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1: so that many clients do not come back at the same moment. */
  readonly random: () => number;
  /** Words said in a channel, or to this client alone. Never what this client says itself. */
  readonly onSaid: (said: MessageEvent & { readonly loggedIn: string | undefined }) => void;
  /** It is in a channel, so that news can be told. */
  readonly onJoined: (channel: string) => void;
}

const QUIT_MS_MAX = 500;
const NICKS_TRIED_MAX = 8;
const WARNED_MS = 3_600_000;
const WARNINGS_MAX = 50;

/**
 * One client of an IRC server, which comes back for as long as it is wanted: after a server that is dead, not there yet, killed, or
 * frozen. Nobody has to wait for it, and nothing it meets is thrown.
 */
export class Connection {
  readonly members = new Members();
  readonly #options: ConnectionOptions;
  readonly #outbox: Outbox;
  readonly #absence: Absence;
  #client: Client | undefined;
  #stopped = false;
  /** Ends the timers of the connection that is. */
  readonly #timers = new Set<() => void>();
  #registered = false;
  #joined = new Set<string>();
  #pings = new Map<string, (answered: boolean) => void>();
  /** Why the server does not want us, if it said so. */
  #objection: string | undefined;
  readonly #warnedMono = new Map<string, number>();

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.server.flood, options.clock);
    const { host, port } = options.server;
    this.#absence = new Absence(`${host}:${port}`, options.server.patience, options);
  }

  start(): void {
    const { server } = this.#options;
    const client = new Client();
    this.#client = client;
    this.#objection = undefined;
    this.#listen(client);
    const { quietMs, answerMs } = server.patience;
    this.#later(quietMs + answerMs, () => this.#drop('it did not let us in'));
    client.connect({
      host: server.host,
      port: server.port,
      nick: server.nick,
      username: 'hauki',
      gecos: 'hauki',
      ...(server.password === undefined ? {} : { password: server.password }),
      account: server.sasl ?? {},
      version: null,
      auto_reconnect: false,
      ping_interval: 0,
      ping_timeout: 0,
      message_max_length: LINE_BYTES_MAX,
      transport: transportOver(server.tls),
    } satisfies ConnectOptions);
  }

  /** Says goodbye, and does not come back. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#absence.cancel();
    const client = this.#client;
    if (client === undefined) return;
    const closed = new Promise<void>((resolve) => client.on('socket close', () => resolve()));
    client.quit('hauki stops');
    let cancel = (): void => {};
    await Promise.race([closed, new Promise<void>((done) => (cancel = this.#options.clock.after(QUIT_MS_MAX, done)))]);
    cancel();
    this.#lost(client, 'stopped');
  }

  /** Whether it is in a channel now, as far as it knows. */
  isIn(channel: string): boolean {
    return this.#joined.has(folded(channel));
  }

  get nick(): string {
    return this.#client?.user.nick ?? this.#options.server.nick;
  }

  /** Lines that were not said because too much waited, or there was no connection. */
  get dropped(): number {
    return this.#outbox.dropped;
  }

  /**
   * Says one line. Whatever is in the text stays in the text: it cannot end the line.
   *
   * @returns whether it was handed to the server
   */
  say(urgency: Urgency, target: string, text: string): Promise<boolean> {
    return this.sayTogether(urgency, target, () => [text], 1);
  }

  /**
   * Says lines that belong together, one after the other.
   *
   * @param compose called when it is their turn
   * @param count how many they will be
   */
  sayTogether(urgency: Urgency, target: string, compose: () => readonly string[], count: number): Promise<boolean> {
    return this.#outbox.post(urgency, () => this.#write(target, compose()), count);
  }

  /** The same now or never: see Outbox. */
  offer(target: string, lines: readonly string[]): boolean {
    return this.#outbox.offer(() => this.#write(target, lines), lines.length);
  }

  /** The same as a notice, which no program answers. */
  notice(urgency: Urgency, target: string, text: string): Promise<boolean> {
    return this.#outbox.post(urgency, () => this.#client?.notice(target, oneLine(text)));
  }

  /** Whether the server has taken in all that was said in a channel so far: it answers in order. */
  heard(channel: string): Promise<boolean> {
    const client = this.#client;
    if (client === undefined || !this.isIn(channel)) return Promise.resolve(false);
    const token = `hauki-${randomUUID()}`;
    return new Promise((resolve) => {
      // What the channel did not take was refused before the answer, and then we are not in it any more.
      this.#pings.set(token, (answered) => resolve(answered && this.isIn(channel)));
      client.ping(token);
    });
  }

  #write(target: string, lines: readonly string[]): void {
    for (const line of lines) this.#client?.say(target, oneLine(line));
  }

  #listen(client: Client): void {
    const { server, onSaid, onJoined } = this.#options;
    const isUs = (nick: string): boolean => client.caseCompare(nick, client.user.nick);
    let tried = 0;
    client.on('registered', () => this.#welcomed(client));
    client.on('nick in use', () => {
      if (this.#registered) return;
      tried += 1;
      if (tried > NICKS_TRIED_MAX) this.#drop(`nick ${server.nick} and others like it are taken`);
      else client.changeNick(`${server.nick}${tried === 1 ? '_' : tried}`);
    });
    client.on('nick invalid', ({ nick }) => this.#drop(`it does not take ${nick} as a nick`));
    client.on('sasl failed', ({ reason, message }) => {
      // A server that offers no SASL is taken without it; one that refuses the account is not.
      if (reason === 'capability_missing' || reason === 'unsupported_mechanism') return;
      this.#drop(`it refuses the SASL account: ${message ?? reason}`);
    });
    client.on('join', ({ nick, channel }) => {
      this.members.join(channel, nick);
      if (!isUs(nick)) return;
      this.#joined.add(folded(channel));
      onJoined(channel);
    });
    const left = (channel: string, nick: string, why: string): void => {
      this.members.part(channel, nick);
      if (!isUs(nick) || !this.#joined.delete(folded(channel))) return;
      this.members.leave(channel);
      this.#warn(`IRC: channel ${channel} was left: ${why}`);
    };
    client.on('irc error', ({ error, reason, channel }) => {
      if (error === 'irc' || error === 'password_mismatch' || error === 'banned_from_network')
        this.#objection ??= reason ?? error.replaceAll('_', ' ');
      else if (channel !== undefined) {
        this.#warn(`IRC: channel ${channel}: ${reason ?? error.replaceAll('_', ' ')}`);
        if (error !== 'cannot_send_to_channel' || !this.isIn(channel)) return;
        // Moderated, say. As good as not being there: it is joined again later, and what was refused is said then.
        left(channel, client.user.nick, 'it does not take what is said');
        client.part(channel);
      }
    });
    client.on('part', ({ nick, channel }) => left(channel, nick, 'parted'));
    client.on('kick', ({ nick, kicked, channel, message = '' }) =>
      left(channel, kicked, `kicked by ${nick} ${message}`),
    );
    client.on('quit', ({ nick }) => this.members.quit(nick));
    client.on('nick', ({ nick, new_nick }) => this.members.rename(nick, new_nick));
    client.on('userlist', ({ channel, users }) =>
      this.members.list(
        channel,
        users.map(({ nick }) => nick),
      ),
    );
    client.on('pong', ({ message = '' }) => {
      this.#pings.get(message)?.(true);
      this.#pings.delete(message);
    });
    client.on('privmsg', (said) => {
      if (said.from_server || isUs(said.nick)) return;
      // Without the capability the tag is nobody's word.
      const loggedIn = client.network.cap.isEnabled('account-tag') ? said.account : undefined;
      onSaid({ ...said, loggedIn });
    });
    client.on('socket close', (error) => {
      const why = this.#objection ?? (error instanceof Error ? error.message : 'the server closed the connection');
      this.#lost(client, why);
    });
  }

  #welcomed(client: Client): void {
    const { server, log } = this.#options;
    this.#registered = true;
    this.#endTimers();
    this.#absence.end();
    this.#outbox.open();
    log.info({ server: `${server.host}:${server.port}`, nick: client.user.nick }, 'IRC: connected');
    this.#join(client);
    this.#every(server.patience.retryMsMax, () => {
      this.#join(client);
      if (client.user.nick !== server.nick) client.changeNick(server.nick);
    });
    this.#watch(client);
  }

  #join(client: Client): void {
    for (const { name, key } of this.#options.server.channels) {
      if (!this.isIn(name)) client.join(name, key);
    }
  }

  /** Asks a server that says nothing whether it is there, and leaves one that does not answer. */
  #watch(client: Client): void {
    const { patience } = this.#options.server;
    this.#later(patience.quietMs, () => {
      const giveUp = this.#later(patience.answerMs, () => this.#drop('it does not answer any more'));
      const token = `hauki-${randomUUID()}`;
      this.#pings.set(token, (answered) => {
        giveUp();
        if (answered) this.#watch(client);
      });
      client.ping(token);
    });
  }

  #drop(why: string): void {
    if (this.#client !== undefined) this.#lost(this.#client, this.#objection ?? why);
  }

  /** Everything there was of this connection ends here, once, whatever ended it; then the next one is planned. */
  #lost(client: Client, why: string): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#registered = false;
    client.removeAllListeners();
    client.connection.transport?.disposeSocket();
    this.#endTimers();
    this.#outbox.shut();
    this.#joined = new Set();
    this.members.clear();
    for (const answer of this.#pings.values()) answer(false);
    this.#pings = new Map();
    if (!this.#stopped) this.#absence.begin(why, () => this.start());
  }

  #later(ms: number, run: () => void): () => void {
    const end = (): void => {
      cancel();
      this.#timers.delete(end);
    };
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(end);
      run();
    });
    this.#timers.add(end);
    return end;
  }

  #every(ms: number, run: () => void): void {
    this.#later(ms, () => {
      run();
      this.#every(ms, run);
    });
  }

  #endTimers(): void {
    for (const end of [...this.#timers]) end();
  }

  /** Once an hour: a channel that does not take us says so at every try. */
  #warn(text: string): void {
    const { clock, log, server } = this.#options;
    const mono = clock.mono();
    if (mono - (this.#warnedMono.get(text) ?? -Infinity) < WARNED_MS) return;
    if (this.#warnedMono.size >= WARNINGS_MAX) this.#warnedMono.clear();
    this.#warnedMono.set(text, mono);
    log.warn({ server: server.host }, oneLine(text));
  }
}

/** Channel names differ by more than the case of their letters, or not at all. */
function folded(channel: string): string {
  return channel.toLowerCase();
}
