import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

import { datagrams, type SendDatagram } from '../../src/bin/datagram.ts';
import { journalEntry, toJournal } from '../../src/bin/journal.ts';
import { openLibc } from '../../src/bin/libc.ts';
import { nodesStatus, nodesTurn } from '../../src/bin/node-status.ts';
import { serviceManager, takeSupervision } from '../../src/bin/service-manager.ts';
import { partsOf } from '../../src/bin/slim.ts';
import type { NodeStatus } from '../../src/node/node.ts';
import { datagramSocket } from './datagram-socket.ts';

describe('datagrams', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hauki-datagram-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test.each([
    ['a file', (name: string) => name],
    ['no file', () => `@hauki-test-${process.pid}`],
  ])('arrive whole at a socket with %s', async (_, naming) => {
    const path = naming(join(folder, 'notify'));
    const socket = datagramSocket(path);
    const send = datagrams(await openLibc());
    expect(send(path, Buffer.from('READY=1\nSTATUS=läuft 🐟'))).toBe(true);
    expect(socket.taken()).toEqual(['READY=1\nSTATUS=läuft 🐟']);
    socket.close();
    expect(send(path, Buffer.from('nobody'))).toBe(false);
  });

  test('that nobody takes are refused instead of waited for', async () => {
    const path = join(folder, 'full');
    const socket = datagramSocket(path);
    const send = datagrams(await openLibc());
    let sent = 0;
    while (sent < 100_000 && send(path, Buffer.from('WATCHDOG=1'))) sent += 1;
    expect(sent).toBeLessThan(100_000);
    socket.close();
  });
});

describe('the service manager', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function recorded(): { sent: string[]; send: SendDatagram; works: boolean } {
    const one = {
      sent: [] as string[],
      works: true,
      send: (_: string, bytes: Buffer): boolean => {
        if (one.works) one.sent.push(String(bytes));
        return one.works;
      },
    };
    return one;
  }

  test('is told that it is ready, what it does, and that its loop turns; never when it does not', async () => {
    const { sent, send } = recorded();
    const manager = serviceManager({ socket: '/notify', watchdogMs: 30_000 }, send);
    let status = 'idle';
    let turns = true;
    manager.ready(
      () => status,
      () => turns,
    );
    expect(sent.splice(0)).toEqual(['READY=1\nSTATUS=idle']);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sent.splice(0)).toEqual(['WATCHDOG=1', 'WATCHDOG=1']);
    status = 'two\nlines';
    await vi.advanceTimersByTimeAsync(5_000);
    expect(sent.splice(0)).toEqual(['STATUS=two\\nlines\nWATCHDOG=1']);
    turns = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent.splice(0)).toEqual([]);
    manager.stopping();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toEqual(['STOPPING=1\nSTATUS=stopping']);
  });

  test('takes no answer for a no, and asks once at a time', async () => {
    const { sent, send } = recorded();
    let asked = 0;
    serviceManager({ socket: '/notify', watchdogMs: 9_000 }, send).ready(
      () => 'busy',
      () => {
        asked += 1;
        return new Promise(() => {});
      },
    );
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(1);
    expect(sent).toEqual(['READY=1\nSTATUS=busy']);
  });

  test('hears later what could not be said, but for old signs of life', async () => {
    const one = recorded();
    one.works = false;
    serviceManager({ socket: '/notify', watchdogMs: 30_000 }, one.send).ready(
      () => 'idle',
      () => true,
    );
    await vi.advanceTimersByTimeAsync(20_000);
    one.works = true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(one.sent).toEqual(['READY=1\nSTATUS=idle\nWATCHDOG=1']);
  });

  test('is found in the environment, which nobody inherits; a watchdog for another process is none of ours', () => {
    const env = { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '30000000', WATCHDOG_PID: '7', PATH: '/bin' };
    expect(takeSupervision({ ...env }, 7)).toEqual({ socket: '/run/notify', watchdogMs: 30_000 });
    expect(takeSupervision({ ...env }, 8)).toEqual({ socket: '/run/notify', watchdogMs: undefined });
    expect(takeSupervision({ PATH: '/bin' }, 7)).toBeUndefined();
    expect(takeSupervision({ NOTIFY_SOCKET: 'relative' }, 7)).toBeUndefined();
    const taken = { ...env };
    takeSupervision(taken, 7);
    expect(taken).toEqual({ PATH: '/bin' });
  });
});

describe('the journal', () => {
  const line = `${JSON.stringify({ level: 40, time: 1, pid: 2, node: 'crm', mutation: 'm1', msg: 'rolled back' })}\n`;

  test('has what a line is about as fields of its own', () => {
    expect(String(journalEntry(line))).toBe(
      'MESSAGE=rolled back {"node":"crm","mutation":"m1"}\nPRIORITY=4\nSYSLOG_IDENTIFIER=hauki\nNODE=crm\nMUTATION=m1\n',
    );
  });

  test('keeps newlines where they are, so that no value becomes a field', () => {
    const entry = journalEntry(`${JSON.stringify({ level: 50, msg: 'one\nPRIORITY=0' })}\n`);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(14n);
    const tail = '\nPRIORITY=3\nSYSLOG_IDENTIFIER=hauki\n';
    expect(entry).toEqual(Buffer.concat([Buffer.from('MESSAGE\n'), length, Buffer.from(`one\nPRIORITY=0${tail}`)]));
  });

  test('takes lines that are no JSON; and what it does not take goes to stderr with its priority', () => {
    expect(String(journalEntry('boom\n'))).toMatch(/^MESSAGE=boom\nPRIORITY=6\n/);
    const printed: string[] = [];
    toJournal(
      () => false,
      (text) => void printed.push(text),
    )(line);
    expect(printed).toEqual([`<4>${line}`]);
  });
});

describe('what a node process says of itself', () => {
  const status = (node: string, seq: number, up = true, state = 'running'): NodeStatus =>
    ({
      node,
      controller: '10.0.0.5:7717',
      uplinks: [{ name: 'link', up }],
      frozen: [],
      heartbeat: { seq, pulse: { state, epoch: 4 } },
    }) as unknown as NodeStatus;

  test('is one line, of one node and of many', () => {
    expect(nodesStatus([{ status: status('crm', 1) }])).toBe('crm: running, linked to 10.0.0.5:7717');
    expect(nodesStatus([{ status: status('crm', 1, false, 'halted') }])).toBe(
      'crm: halted (barrier 4), not linked to 10.0.0.5:7717',
    );
    expect(nodesStatus([{ status: status('a', 1) }, { status: status('b', 1) }])).toBe('2 nodes, 2 running and linked');
    expect(nodesStatus([{ status: status('a', 1) }, { status: status('b', 1, false) }])).toBe(
      '2 nodes, 1 running and linked; b running, not linked to 10.0.0.5:7717',
    );
  });

  test('is a sign of life only while each of them makes heartbeats', () => {
    const nodes = [{ status: status('a', 1) }, { status: status('b', 1) }];
    const turn = nodesTurn(nodes);
    expect(turn()).toBe(true);
    expect(turn()).toBe(false);
    nodes.splice(0, 1, { status: status('a', 2) });
    expect(turn()).toBe(false);
  });
});

test('of a file in memory, what was written to is told from what is only the file', () => {
  const part = (range: string, rights: string, anonymous: number, path = '/exe'): string =>
    `${range} ${rights} 00001000 fe:00 77    ${path}\nRss:     8 kB\nAnonymous:     ${anonymous} kB\n`;
  const smaps = [
    part('00200000-00300000', 'r--p', 0),
    part('00300000-00400000', 'r-xp', 0),
    part('00400000-00500000', 'r--p', 4),
    part('00500000-00600000', 'rw-p', 0),
    part('7f00-7f10', 'r-xp', 0, '/lib/libc.so.6'),
  ].join('');
  expect(partsOf(smaps, '/exe')).toEqual([
    { start: 0x200000n, size: 0x100000n, pristine: true },
    { start: 0x300000n, size: 0x100000n, pristine: true },
    { start: 0x400000n, size: 0x100000n, pristine: false },
    { start: 0x500000n, size: 0x100000n, pristine: false },
  ]);
});
