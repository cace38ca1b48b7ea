// A node process that does work under a clearance, as a program inside it would. To be stopped, killed and cut off.
//
// A line of stdin begins one: {"dataset": "/path", "ttl": "4s"}. It writes into the dataset until it is told to stop, or `<dataset>.go`
// is there. What becomes of it is said on stdout, a JSON line each.
import { existsSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { RefusedError } from '../../../src/base/refusal.ts';
import { systemClock } from '../../../src/bin/clock.ts';
import { connect } from '../../../src/bin/connect.ts';
import { nodeHomeFrom } from '../../../src/bin/home.ts';
import { nodeHomeAt } from '../../../src/bin/node-home.ts';
import { startNodes } from '../../../src/bin/node-process.ts';
import { guarded, outcomeOf } from '../../../src/node/guarded.ts';

const say = (about: object): void => void process.stdout.write(`${JSON.stringify(about)}\n`);
const line = (fields: object, message: string): void =>
  void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);

const home = nodeHomeAt(nodeHomeFrom(process.env));
const { nodes } = await startNodes(home, [{ home }], { info: line, warn: line, error: line });
const renewals = nodes[0]?.leases;
if (renewals === undefined) throw new Error('there is no node');
const { client } = connect(undefined);
const renew = client.renew.bind(client);
client.renew = (mutation, fence) => {
  say({ event: 'asked', mutation });
  return renew(mutation, fence);
};

const work = async ({ dataset, ttl }: { readonly dataset: string; readonly ttl: string }): Promise<void> => {
  try {
    await guarded(
      { intent: 'work inside the node', datasets: [dataset], ttl },
      async ({ signal, mutation }) => {
        say({ event: 'cleared', dataset, mutation });
        while (!existsSync(`${dataset}.go`)) {
          await pause(20);
          if (signal.aborted) {
            const { code } = (signal.reason as RefusedError).refusal;
            say({ event: 'stopped', dataset, code });
            throw signal.reason;
          }
          writeFileSync(`${dataset}.tick`, String(Date.now()));
          writeFileSync(`${dataset}/config`, 'two\n');
        }
      },
      { client, clock: systemClock, renewals },
    );
    say({ event: 'committed', dataset });
  } catch (error) {
    const code = error instanceof RefusedError ? error.refusal.code : String(error);
    say({ event: 'failed', dataset, code, stage: outcomeOf(error)?.stage });
  }
};

say({ event: 'ready' });
for await (const text of createInterface({ input: process.stdin })) {
  void work(JSON.parse(text) as Parameters<typeof work>[0]);
}
