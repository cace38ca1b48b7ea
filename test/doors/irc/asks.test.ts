import { beforeEach, describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { Mutation } from '../../../src/core/mutation/mutation.ts';
import { EMPTY } from '../../../src/core/state.ts';
import { Asks, type Spoken } from '../../../src/doors/irc/asks.ts';
import { SignedLines } from '../../../src/doors/irc/signed-lines.ts';
import type { Controller, Lock } from '../../../src/engine/controller.ts';
import { bytesOf } from '../../../src/wire/irc/text.ts';
import { asking, T0 } from '../../core/story.ts';
import { VirtualClock } from '../../engine/place.ts';

const ID = '019aa000-0000-7000-8000-000000000001';
const log = { info: () => {}, warn: () => {}, error: () => {} };

function mutation(number: number, more: Partial<Mutation> = {}): Mutation {
  return {
    ...asking([`/srv/${number}`]),
    id: ID.slice(0, -3) + String(number).padStart(3, '0'),
    stage: 'cleared',
    requestedAt: T0,
    waitUntilMono: 0,
    snapshots: [],
    attempt: 0,
    evidence: [],
    pinned: false,
    ...more,
  };
}

let clock: VirtualClock;
let asks: Asks;
let locks: Lock[];
/** What was done, and what was said to whom. */
let done: string[];
let said: string[];

beforeEach(() => {
  clock = new VirtualClock();
  [done, said, locks] = [[], [], []];
  const asked = {
    identity: { node: 'host', version: '0.1.0' },
    engine: { state: EMPTY },
    find: async () => undefined,
    head: async () => undefined,
    query: async () => {
      throw new Error('the disk is gone');
    },
    countByStage: async () => ({}),
    locks: () => locks,
  } as unknown as Controller;
  const change = async (what: string): Promise<ReturnType<typeof ok<Mutation>>> => {
    done.push(what);
    return ok(mutation(1));
  };
  asks = new Asks({
    asked: { controller: asked, now: () => clock.now(), startedAt: T0 - 5_000, presence: () => undefined },
    controller: {
      rollback: async (id, _fence, who) =>
        id === ID ? err(refusal('snapshot_gone', 'It was pruned.')) : change(`rollback ${id} by ${who}`),
      resolve: (id, choice, who) => change(`resolve ${id} ${choice} by ${who}`),
      pin: (id, pinned, who) => change(`pin ${id} ${pinned} by ${who}`),
    },
    channel: '#mesh',
    isMember: (nick) => nick !== 'stranger',
    accounts: new Set(['alice']),
    signedLines: new SignedLines({ signers: undefined, channel: '#mesh', clock }),
    answer: (target, line) => void said.push(`${target} ${line}`),
    clock,
    log,
  });
});

function say(text: string, more: Partial<Spoken> = {}): Promise<void> {
  const spoken = { nick: 'ann', ident: 'ann', hostname: 'home', channel: '#mesh', account: undefined, at: undefined };
  return asks.take({ ...spoken, text, ...more });
}

describe('questions', () => {
  test('are answered where they were asked', async () => {
    await say('!status');
    await say('!status', { channel: undefined });
    const status = "controller 'host' · hauki 0.1.0 · up 5.0 s · no mutations yet · ledger 0 records, head none";
    expect(said).toEqual([`#mesh ann: ${status}`, `ann ${status}`]);
  });

  test('of strangers, of other channels and from the past are not', async () => {
    await say('!status', { nick: 'stranger', channel: undefined });
    await say('!status', { channel: '#other' });
    await say('!status', { at: T0 - 121_000 });
    await say('what is the !status');
    expect(said).toEqual([]);
    await say('!status', { channel: '#MESH', at: T0 - 60_000 });
    expect(said).toHaveLength(1);
  });

  test('get a bounded answer in lines that fit', async () => {
    locks = Array.from({ length: 40 }, (_, number) => ({
      mutation: mutation(number, { intent: '🦩\r\n'.repeat(170), stage: number === 0 ? 'cleared' : 'queued' }),
      blockedBy: number === 0 ? [] : [ID],
    }));
    await say('!locks');
    expect(said.length).toBeLessThanOrEqual(16);
    expect(said.at(-1)).toBe('#mesh ann: and 33 more: hauki locks');
    for (const line of said) {
      expect(bytesOf(line)).toBeLessThanOrEqual('#mesh '.length + 400);
      // eslint-disable-next-line no-control-regex -- they are what it is about
      expect(line).not.toMatch(/[\u0000-\u001f]/);
    }
  });

  test('that cannot be answered are answered with that', async () => {
    await say('!last');
    expect(said).toEqual(["#mesh ann: That cannot be answered just now; the controller's log says why."]);
  });

  test('come no faster than a person asks, and all together no faster than a channel bears', async () => {
    for (let count = 0; count < 20; count += 1) await say('!help');
    expect(asks.ignored).toBe(15);
    for (let count = 0; count < 100; count += 1) await say('!help', { hostname: `h${count}` });
    expect(asks.ignored).toBe(100);
    await clock.pass(60_000);
    said = [];
    await say('!help');
    expect(said.length).toBeGreaterThan(0);
  });
});

describe('changes', () => {
  const OTHER = ID.replace(/1$/, '2');

  test('are made for an account on the list, however it is written', async () => {
    await say(`!rollback ${OTHER}`, { account: 'Alice' });
    await say(`!resolve ${OTHER} commit`, { account: 'alice' });
    await say(`!unpin ${OTHER}`, { account: 'alice', channel: undefined });
    expect(done).toEqual([
      `rollback ${OTHER} by IRC account Alice`,
      `resolve ${OTHER} commit by IRC account alice`,
      `pin ${OTHER} false by IRC account alice`,
    ]);
    expect(said[0]).toBe(`#mesh ann: Rolled back: 'hauki-crm' "deploy x" [${mutation(1).id}]`);
  });

  test('are refused with the reason the controller has', async () => {
    await say(`!rollback ${ID}`, { account: 'alice' });
    expect(said).toEqual([
      '#mesh ann: Refused: It was pruned. (snapshot_gone) It was pruned or destroyed; pin what must stay.',
    ]);
  });

  test('are made for nobody else', async () => {
    await say(`!rollback ${OTHER}`, { nick: 'alice' });
    await say(`!rollback ${OTHER}`, { account: 'bob' });
    await say(`!rollback ${OTHER}`, { account: 'alice', at: T0 - 121_000 });
    await say(`!rollback ${OTHER}`, { account: 'alice', channel: '#other' });
    await say(`!signed alice ${Math.floor(T0 / 1_000)} ${'A'.repeat(240)} rollback ${OTHER}`);
    expect(done).toEqual([]);
    expect(said).toEqual([
      '#mesh ann: Refused: you are logged in to no account the server tells of. Sign it instead: hauki irc sign'.replace(
        'ann',
        'alice',
      ),
      '#mesh ann: Refused: account bob is not on the list. Sign it instead: hauki irc sign',
      '#mesh ann: Refused: no signers are configured here.',
    ]);
  });
});
