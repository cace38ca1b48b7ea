import { EventEmitter } from 'node:events';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectOptions, Transport } from 'irc-framework';

export interface TlsTrust {
  /** PEM of the certificate authorities to trust; undefined: the system's. */
  readonly ca?: string;
  /** The name in the server's certificate, where it is not the host connected to. */
  readonly servername?: string;
}

/** IRC lines have 512 bytes, and up to 8191 of tags before them: what is longer comes from no IRC server. */
const LINE_BYTES_MAX = 16_384;
const CONNECT_MS_MAX = 15_000;

/**
 * TCP or TLS for irc-framework. Its own cannot be told which certificate authority to trust, keeps small lines back (Nagle), and
 * collects a line without end for as long as the server sends it.
 */
export function transportOver(tls: TlsTrust | undefined): new (options: ConnectOptions) => Transport {
  return class extends EventEmitter implements Transport {
    readonly #options: ConnectOptions;
    #socket: Socket | undefined;
    #open = false;
    #failure: Error | undefined;
    #rest: Buffer = Buffer.alloc(0);

    constructor(options: ConnectOptions) {
      super();
      this.#options = options;
    }

    connect(): void {
      const { host, port } = this.#options;
      const ready = (): void => {
        this.#open = true;
        socket.setTimeout(0);
        this.emit('open');
      };
      const socket = tls === undefined ? connectTcp({ host, port }, ready) : secure(host, port, tls, ready);
      this.#socket = socket;
      socket.setNoDelay(true);
      socket.setTimeout(CONNECT_MS_MAX, () => this.#fail(new Error(`no answer within ${CONNECT_MS_MAX / 1000} s`)));
      socket.on('data', (bytes: Buffer) => this.#take(bytes));
      socket.on('error', (error) => void (this.#failure ??= error));
      socket.on('close', () => {
        this.#open = false;
        this.emit('close', this.#failure ?? false);
      });
    }

    isConnected(): boolean {
      return this.#open;
    }

    writeLine(line: string, done?: () => void): void {
      if (this.#open) this.#socket?.write(`${line}\r\n`, done);
      else if (done !== undefined) setImmediate(done);
    }

    close(force = false): void {
      if (force || !this.#open) this.#socket?.destroy();
      else this.#socket?.end();
    }

    disposeSocket(): void {
      this.#socket?.removeAllListeners('data');
      this.#socket?.destroy();
    }

    /** Everything is UTF-8. */
    setEncoding(encoding: string): boolean {
      return encoding === 'utf8';
    }

    #take(bytes: Buffer): void {
      let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
        this.emit('line', rest.subarray(0, end + 1).toString('utf8'));
        rest = rest.subarray(end + 1);
      }
      this.#rest = rest;
      if (rest.length > LINE_BYTES_MAX) this.#fail(new Error(`a line of more than ${LINE_BYTES_MAX} bytes`));
    }

    #fail(error: Error): void {
      this.#failure ??= error;
      this.#socket?.destroy();
    }
  };
}

function secure(host: string, port: number, { ca, servername }: TlsTrust, ready: () => void): Socket {
  const name = servername ?? (isIP(host) === 0 ? host : undefined);
  return connectTls(
    {
      host,
      port,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(name === undefined ? {} : { servername: name }),
    },
    ready,
  );
}
