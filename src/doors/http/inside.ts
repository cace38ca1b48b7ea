import { createServer, type Server } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import type { Doorkeeper, Principal } from './principal.ts';

/** Connections from within this process, each of a caller who was let in elsewhere. Nobody can come to it from outside. */
export interface Inside {
  readonly server: Server;
  readonly connect: (principal: Principal) => Duplex;
  /** Breaks all connections. Resolves when whatever hung on them has been told. */
  readonly close: () => Promise<void>;
}

/** @param handle what answers requests */
export function insideServer(handle: Parameters<typeof createServer>[1], keeper: Doorkeeper): Inside {
  const server = createServer(handle);
  const open = new Set<Duplex>();
  return {
    server,
    close: async () => {
      await Promise.all(
        [...open].map((ours) => new Promise<void>((resolve) => ours.destroy().once('close', () => resolve()))),
      );
    },
    connect: (principal) => {
      const [caller, ours] = duplexPair();
      // The two halves of a pair do not know of each other's end; those of a connection do.
      caller.once('close', () => ours.destroy());
      ours.once('close', () => {
        if (!ours.writableFinished) caller.destroy(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      });
      ours.on('error', () => ours.destroy());
      keeper.lend(ours, principal);
      open.add(ours);
      server.emit('connection', ours);
      // After the server's own listener.
      ours.once('close', () => open.delete(ours));
      return caller;
    },
  };
}
