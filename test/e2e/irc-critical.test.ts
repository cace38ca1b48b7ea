import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { systemClock as clock } from '../../src/bin/clock.ts';
import { parseDuration } from '../../src/base/duration.ts';
import { ircLinkSchema } from '../../src/bin/irc-config.ts';
import { dialIrc } from '../../src/bin/irc-link.ts';
import { atBoot, deadlineOf, type HaltingInput, haltingStep, pulseOf } from '../../src/core/barrier/halting.ts';
import { readToNode, writeMessage } from '../../src/wire/link.ts';
import type { NodeDescription } from '../../src/trust/node-home.ts';
import * as z from 'zod';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { ngircd, person } from './ngircd.ts';
import { place, type Place } from './place.ts';

/* A whole mesh: a real controller, nodes that joined it and have no way to it but IRC, and a critical guard. */

const log = { info: (): void => {}, warn: (): void => {}, error: (): void => {} };
const duration = z.string().transform((text) => {
  const parsed = parseDuration(text);
  return parsed.ok ? parsed.value : 0;
});

interface IrcOnly {
  readonly states: string[];
  readonly stop: () => Promise<void>;
}

/** A node by its own home: the real state machine of a barrier, over nothing but the control channel. */
function run(home: string, port: number): IrcOnly {
  const node = JSON.parse(readFileSync(join(home, 'node.yaml'), 'utf8')) as NodeDescription;
  const states: string[] = [];
  let halting = atBoot(`${node.node}-1`);
  let seq = 0;
  const speak = (): void => {
    seq += 1;
    const about = { version: '0.1.0', at: clock.now(), uptimeMs: clock.mono(), load: 0, memoryBytes: 0, leases: [] };
    link.send(writeMessage({ type: 'heartbeat', seq, pulse: pulseOf(halting), ...about }));
  };
  const take = (input: HaltingInput): void => {
    const { next, deeds } = haltingStep(halting, input, clock.mono());
    if (next.state !== halting.state) states.push(next.state);
    halting = next;
    for (const deed of deeds) {
      if (deed.type === 'flush') setTimeout(() => take({ type: 'flushed', epoch: deed.epoch }), 20);
    }
    const due = deadlineOf(next);
    if (due !== undefined) setTimeout(() => take({ type: 'tick' }), due - clock.mono() + 1);
    speak();
  };
  const dial = dialIrc({
    config: ircLinkSchema(duration).parse({
      server: '127.0.0.1',
      port,
      tls: false,
      nick: node.node,
      controlChannel: '#control',
      flood: { burst: 50, perSecond: 500 },
      patience: { quiet: '500ms', answer: '500ms', retry: '100ms', retryMax: '300ms' },
    }),
    home,
    node,
    log,
  });
  const link = dial({
    opened: () => undefined,
    said: (text) => {
      const message = readToNode(text);
      if (message.ok && message.value.type !== 'command') take({ type: 'order', order: message.value });
    },
    ponged: () => undefined,
    closed: (why) => states.push(why),
  });
  const beat = setInterval(speak, 500);
  const stop = async (): Promise<void> => {
    clearInterval(beat);
    link.close();
  };
  onTestFinished(stop);
  return { states, stop };
}

async function joined(own: Place, name: string): Promise<string> {
  const home = join(own.folder, name);
  const invited = await own.json<{ token: string }>(['node', 'invite', name]);
  const { code, stderr } = await own.run(['node', 'join', invited.token, '--home', home]);
  expect(stderr + String(code)).toMatch(/0$/);
  return home;
}

needs('ngircd').describe('a critical guard', () => {
  test('halts nodes that are reached by IRC alone, takes the master snapshot, and lets them go on', async () => {
    const own = place();
    const server = await ngircd(join(own.folder, 'ngircd'));
    onTestFinished(server.close);
    await server.start();
    expect(await own.run(['mesh', 'init'])).toMatchObject({ code: 0 });
    mkdirSync(own.home, { recursive: true });
    writeFileSync(
      join(own.home, 'config.yaml'),
      `irc: { server: 127.0.0.1, port: ${server.port}, tls: false, channel: "#mesh", controlChannel: "#control", flood: { burst: 50, perSecond: 500 } }\nlisten: ["127.0.0.1:0"]\n`,
    );
    const alice = await person(server.port, 'alice', ['#mesh', '#control']);
    onTestFinished(alice.leave);
    await own.controller();
    const crm = run(await joined(own, 'crm'), server.port);
    const billing = run(await joined(own, 'billing'), server.port);
    await alice.heard(/^Node 'billing' has joined the mesh/);
    await until(
      () => alice.lines('billing').length > 2 && alice.lines('crm').length > 2,
      'heartbeats are in the channel',
    );

    const { code, stderr } = await own.guard('echo two > config', ['--critical', '--intent', 'migrate all']);
    expect(stderr).toContain('Lock secured');
    expect(code).toBe(0);
    expect([crm.states, billing.states]).toEqual([
      ['flushing', 'halted', 'running'],
      ['flushing', 'halted', 'running'],
    ]);
    await alice.heard(/^HALT AND FLUSH/);
    await alice.heard(/^FLUSHED/);
    await alice.heard(/^Committed: .*"migrate all"/);
    alice.client.say('#mesh', '!node crm');
    await alice.heard(/^alice: 'crm': member since .*, live since .* by irc, running/);

    await billing.stop();
    await until(
      async () =>
        (await own.guard('exit 9', ['--critical', '--flush', '1s', '--intent', 'without billing'])).stderr.includes(
          'billing',
        ),
      'a node that is not heard from denies the barrier',
    );
    const denied = await own.guard('exit 9', ['--critical', '--flush', '1s', '--intent', 'without billing']);
    expect(denied.code).toBe(75);
  });
});
