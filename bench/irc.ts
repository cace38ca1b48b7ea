import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DEFAULT_POLICY } from '../src/core/policy/policy.ts';
import { systemClock } from '../src/bin/clock.ts';
import { newId } from '../src/bin/compose.ts';
import { ok } from '../src/base/result.ts';
import { cursorIn } from '../src/doors/irc/cursor.ts';
import { ircDoor } from '../src/doors/irc/door.ts';
import { Controller } from '../src/engine/controller.ts';
import { Engine, type EngineOptions } from '../src/engine/engine.ts';
import { Mesh } from '../src/engine/mesh/mesh.ts';
import { openSqliteLedger } from '../src/ledger/sqlite/open.ts';
import { ngircd, person, type Person } from '../test/e2e/ngircd.ts';
import { until } from '../test/until.ts';
import { quantile, type Row } from './row.ts';
import { NO_OP } from './server.ts';

const ROUNDS = 300;
const WARM_UP = 20;
const CHANNEL = '#bench';
const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };

/**
 * From an event being durable to its line in somebody's client, through ngircd. Beside each, a bare client says a line of the same
 * length to the same reader: what is left between the two is hauki's.
 */
export async function ircBench(): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hauki-bench-'));
  const server = await ngircd(join(folder, 'ngircd'));
  await server.start();
  const mesh = new Mesh({ clock: systemClock });
  const ledger = openSqliteLedger(join(folder, 'home'));
  const options: EngineOptions = {
    ledger,
    storage: NO_OP,
    processes: { stop: async () => ok({ stopped: 0 }) },
    barrier: mesh,
    clock: systemClock,
    ids: { mutation: newId },
    log,
    policy: DEFAULT_POLICY,
    version: 'bench',
    node: 'bench',
  };
  const controller = new Controller(await Engine.start(options), options, mesh);
  const door = ircDoor({
    controller,
    server: {
      host: '127.0.0.1',
      port: server.port,
      nick: 'hauki',
      flood: { burst: 1_000, perSecond: 1_000 },
      patience: { quietMs: 30_000, answerMs: 10_000, retryMs: 100, retryMsMax: 1_000 },
    },
    channel: { name: CHANNEL },
    headMs: 3_600_000,
    cursor: cursorIn(join(folder, 'cursor')),
    accounts: [],
    clock: systemClock,
    log,
    random: Math.random,
  });
  const reader = await person(server.port, 'reader', [CHANNEL]);
  const bare = await person(server.port, 'bare', [CHANNEL]);
  try {
    await until(() => door.view().connected, 'the controller is in the channel');
    const recorded = new Map<string, number>();
    controller.engine.feed.subscribe(({ event }) => {
      if (event.type === 'cleared') recorded.set(event.mutation, performance.now());
    });
    const [events, lines]: [number[], number[]] = [[], []];
    for (let round = 0; round < WARM_UP + ROUNDS; round += 1) {
      const [event, line] = [await eventMs(controller, reader, recorded), await lineMs(bare, reader, round)];
      if (round < WARM_UP) continue;
      events.push(event);
      lines.push(line);
    }
    const peer = { name: 'a bare irc-framework client', value: quantile(lines, 0.5) };
    const p50 = quantile(events, 0.5);
    return [
      {
        name: 'event to IRC line, p50',
        value: p50,
        unit: 'ms',
        peer,
        ratio: p50 / peer.value,
        target: '≤ 20 ms',
        met: p50 <= 20,
      },
      {
        name: 'event to IRC line, p99',
        value: quantile(events, 0.99),
        unit: 'ms',
        peer: { ...peer, value: quantile(lines, 0.99) },
      },
    ];
  } finally {
    bare.leave();
    reader.leave();
    await door.close();
    await controller.engine.stop();
    await ledger.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function eventMs(controller: Controller, reader: Person, recorded: Map<string, number>): Promise<number> {
  const arrived = heard(reader, (message) => message.startsWith('Lock secured.'));
  const granted = await controller.request({ intent: 'measure it', datasets: ['tank/bench'] });
  if (!granted.ok || granted.value.fence === undefined) throw new Error('not granted');
  const { id, fence } = granted.value;
  const at = await arrived;
  const settled = heard(reader, (message) => message.startsWith('Committed') && message.includes(id));
  await controller.commit(id, fence);
  await settled;
  return at - (recorded.get(id) ?? Number.NaN);
}

async function lineMs(bare: Person, reader: Person, round: number): Promise<number> {
  const line = `${round} ${'x'.repeat(120)}`;
  const arrived = heard(reader, (message) => message === line);
  const begun = performance.now();
  bare.client.say(CHANNEL, line);
  return (await arrived) - begun;
}

/** When the reader got the line. */
function heard(reader: Person, wanted: (message: string) => boolean): Promise<number> {
  return new Promise((resolve) => {
    const listen = ({ message }: { readonly message: string }): void => {
      if (!wanted(message)) return;
      reader.client.off('privmsg', listen);
      resolve(performance.now());
    };
    reader.client.on('privmsg', listen);
  });
}
