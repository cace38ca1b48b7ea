import type { Server } from 'node:net';
import { refusal, RefusedError } from '../base/refusal.ts';

/** @throws RefusedError `usage` when it cannot be listened there */
export function listening(
  server: Server,
  on: { path: string } | { host: string; port: number },
  name: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const hint = taken ? 'Choose another port; 0 takes any that is free.' : 'Check permissions and the address.';
      reject(
        new RefusedError(
          refusal('usage', `Cannot listen on ${name}: ${taken ? 'it is in use' : error.message}.`, hint),
        ),
      );
    });
    server.listen(on, resolve);
  });
}
