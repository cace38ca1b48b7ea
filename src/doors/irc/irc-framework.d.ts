/** The part of irc-framework 4.14 that is used here; it comes without types. */
declare module 'irc-framework' {
  import type { EventEmitter } from 'node:events';

  /** What carries lines. The framework makes one for each connection, with the options of `connect`. */
  export interface Transport extends EventEmitter {
    connect(): void;
    isConnected(): boolean;
    /** @param line without its end */
    writeLine(line: string, done?: () => void): void;
    close(force?: boolean): void;
    disposeSocket(): void;
    setEncoding(encoding: string): boolean;
  }

  export interface ConnectOptions {
    readonly host: string;
    readonly port: number;
    readonly nick: string;
    readonly username: string;
    readonly gecos: string;
    readonly password?: string;
    /** An empty object keeps the server's password from being offered as an account's. */
    readonly account: { readonly account: string; readonly password: string } | Record<string, never>;
    readonly version: null;
    readonly auto_reconnect: false;
    readonly ping_interval: 0;
    readonly ping_timeout: 0;
    readonly message_max_length: number;
    readonly transport: new (options: ConnectOptions) => Transport;
  }

  export interface MessageEvent {
    readonly nick: string;
    readonly ident: string;
    readonly hostname: string;
    readonly target: string;
    readonly message: string;
    /** From the server's account-tag: the account the sender is logged in to. */
    readonly account?: string;
    /** From the server's server-time, ms since the epoch. */
    readonly time?: number;
    readonly from_server: boolean;
  }

  interface Events {
    registered: { readonly nick: string };
    'socket close': Error | false | undefined;
    'irc error': { readonly error: string; readonly channel?: string; readonly reason?: string };
    'nick in use': { readonly nick: string };
    'nick invalid': { readonly nick: string; readonly reason?: string };
    nick: { readonly nick: string; readonly new_nick: string };
    'sasl failed': { readonly reason: string; readonly message?: string };
    join: { readonly nick: string; readonly channel: string };
    part: { readonly nick: string; readonly channel: string };
    kick: { readonly nick: string; readonly kicked: string; readonly channel: string; readonly message?: string };
    quit: { readonly nick: string };
    userlist: { readonly channel: string; readonly users: readonly { readonly nick: string }[] };
    pong: { readonly message?: string };
    privmsg: MessageEvent;
    notice: MessageEvent;
  }

  export class Client {
    readonly user: { readonly nick: string };
    readonly connection: { readonly transport: Transport | null };
    readonly network: { readonly cap: { isEnabled(capability: string): boolean } };
    on<E extends keyof Events>(event: E, listener: (event: Events[E]) => void): this;
    off<E extends keyof Events>(event: E, listener: (event: Events[E]) => void): this;
    removeAllListeners(): this;
    connect(options: ConnectOptions): void;
    say(target: string, text: string): void;
    notice(target: string, text: string): void;
    join(channel: string, key?: string): void;
    part(channel: string): void;
    mode(channel: string, mode: string): void;
    changeNick(nick: string): void;
    ping(token: string): void;
    quit(message: string): void;
    caseCompare(one: string, other: string): boolean;
  }
}
