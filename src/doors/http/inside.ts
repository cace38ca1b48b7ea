import { createServer, type Server } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import type { Doorkeeper, Principal } from './principal.ts';

/** Connections from within this process, each of a caller who was let in elsewhere. Nobody can come to it from outside. */
export interface Inside {
  readonly server: Server;
  readonly connect: (principal: Principal) => Duplex;
}

/** @param handle what answers requests */
export function insideServer(handle: Parameters<typeof createServer>[1], keeper: Doorkeeper): Inside {
  const server = createServer(handle);
  return {
    server,
    connect: (principal) => {
      const [caller, ours] = duplexPair();
      // The two halves of a pair do not know of each other's end; those of a connection do.
      caller.once('close', () => ours.destroy());
      ours.once('close', () => {
        if (!ours.writableFinished) caller.destroy(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
      });
      ours.on('error', () => ours.destroy());
      keeper.lend(ours, principal);
      server.emit('connection', ours);
      return caller;
    },
  };
}
