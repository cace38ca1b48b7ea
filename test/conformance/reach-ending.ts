import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { until } from '../until.ts';
import { containing, type Tried } from './reach-ground.ts';

const ALL_CODES = Array.from({ length: 256 }, (_, code) => code);

/** How a command's end is told, and how it is brought about. */
export function endingTests(at: Tried): void {
  const { hear, sh, carrying, fresh, appears } = at;

  describe('the end', () => {
    test('exit codes are told as they are', async () => {
      const codes = [...(at.ground.codes ?? ALL_CODES)];
      const wrong: unknown[] = [];
      const work = async (): Promise<void> => {
        for (let code = codes.pop(); code !== undefined; code = codes.pop()) {
          const { ended } = await sh('exit "$1"', {}, String(code));
          const alike = !at.ground.exact && code > 128 && code < 160;
          if (ended?.code !== code || (ended.signal !== undefined && !alike)) wrong.push([code, ended]);
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      expect(wrong).toEqual([]);
    });

    test.each<[NodeJS.Signals, number]>([
      ['SIGTERM', 143],
      ['SIGKILL', 137],
      ['SIGINT', 130],
      ['SIGHUP', 129],
      ['SIGPIPE', 141],
      ['SIGSEGV', 139],
    ])('a death by %s is told as one', async (signal, code) => {
      const { ended, errors } = await sh('kill -"$1" $$', {}, signal.slice(3));
      expect([ended, errors]).toEqual([{ code, signal }, '']);
    });

    test('signals have not been meddled with', async () => {
      const { text } = await sh('grep -E "^Sig(Ign|Blk)" /proc/self/status | tr -d "\\t"');
      expect(text).toBe('SigBlk:0000000000000000\nSigIgn:0000000000000000\n');
    });

    test('a program that is not there is told from one that ends with 127', async () => {
      const missing = { code: 'command_unstartable', evidence: { step: 'program', errno: 'ENOENT' } };
      for (const program of ['hauki-no-such-program', `${at.folder}/none`]) {
        expect({ program, ...(await hear([program])).refused }).toMatchObject({ program, ...missing });
      }
      expect((await sh('hauki-no-such-program')).ended).toEqual({ code: 127 });
    });

    test('one that cannot be executed is told from one that ends with 126', async () => {
      const unusable = { code: 'command_unstartable', evidence: { step: 'program', errno: 'EACCES' } };
      const script = `${at.folder}/not executable`;
      expect(await at.reach.put(script, Buffer.from('#!/bin/sh\n'), 0o644)).toMatchObject({ ok: true });
      for (const program of ['/tmp', script])
        expect({ program, ...(await hear([program])).refused }).toMatchObject({ program, ...unusable });
      expect((await sh('exit 126')).ended).toEqual({ code: 126 });
    });

    test('a script without its interpreter is not there either', async () => {
      const script = `${at.folder}/no-interpreter`;
      await at.reach.put(script, Buffer.from('#!/hauki/no/interpreter\n'), 0o755);
      const { refused, ended } = await hear([script]);
      expect(refused?.code ?? ended?.code).toBeOneOf(
        at.ground.exact ? ['command_unstartable'] : ['command_unstartable', 126, 127],
      );
    });
  });

  describe('ending a command', () => {
    /** Ignores SIGTERM, and so do its children, one of them in a session of its own with a clean environment. */
    const STUBBORN = `trap '' TERM; echo $$ >"$1"; (setsid sleep 300 &) ; env -i sleep 300 & while :; do sleep 1; done`;

    test('by its caller: everything it started has ended', async () => {
      const [mutation, file] = [randomUUID(), fresh()];
      const abort = new AbortController();
      const running = hear(['sh', '-c', STUBBORN, 'sh', file], { mutation, signal: abort.signal });
      await appears(file);
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBeGreaterThan(1);
      abort.abort();
      expect((await running).refused).toMatchObject({
        code: 'command_stopped',
        message: containing(/asked/),
      });
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
    });

    test('by its time', async () => {
      const mutation = randomUUID();
      const { refused } = await sh('sleep 300 & sleep 300', { mutation, timeoutMs: 1_500 * at.pace });
      expect(refused).toMatchObject({ code: 'command_stopped', message: containing(/time of [\d.]+ s is up/) });
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
    });

    test('that was never to begin', async () => {
      const file = fresh();
      const { refused } = await hear(['touch', file], { signal: AbortSignal.abort() });
      expect(refused).toMatchObject({ code: 'command_stopped', hint: containing(/Nothing was executed/) });
      expect((await hear(['test', '-e', file])).ended?.code).toBe(1);
    });

    test('at any moment of its beginning', async () => {
      const mutation = randomUUID();
      const moments = [0, 5, 20, 40, 80, 120, 160, 250];
      const ran = await Promise.all(
        moments.map((ms) => hear(['sleep', '300'], { mutation, signal: AbortSignal.timeout(ms * at.pace) })),
      );
      for (const { refused } of ran) expect(refused?.code).toBe('command_stopped');
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
    });

    test('ends no other of the same mutation', async () => {
      const [mutation, file] = [randomUUID(), fresh()];
      const other = sh('touch "$1"; sleep "$2"; echo whole', { mutation }, file, String(3 * at.pace));
      await appears(file);
      expect((await hear(['sleep', '300'], { mutation, timeoutMs: 500 * at.pace })).refused?.code).toBe(
        'command_stopped',
      );
      expect((await other).text).toBe('whole\n');
    });

    test('by its mutation: told as the signal it was', async () => {
      const [mutation, file] = [randomUUID(), fresh()];
      const running = sh('touch "$1"; exec sleep 300', { mutation }, file);
      await appears(file);
      expect(await at.reach.stop(mutation)).toEqual({ ok: true, value: { stopped: 1 } });
      expect((await running).ended).toEqual({ code: 143, signal: 'SIGTERM' });
    });

    test('by its mutation: the stubborn too, and nobody else', async () => {
      const [mutation, other, file] = [randomUUID(), randomUUID(), fresh()];
      const spared = sh('touch "$1.other"; sleep 300', { mutation: other }, file);
      const running = hear(['sh', '-c', STUBBORN, 'sh', file], { mutation });
      await appears(file);
      await appears(`${file}.other`);
      expect(await at.reach.stop(mutation)).toMatchObject({ ok: true });
      expect((await running).ended).toEqual({ code: 137, signal: 'SIGKILL' });
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
      expect(await carrying(`HAUKI_MUTATION=${other}`)).toBeGreaterThan(0);
      expect(await at.reach.stop(mutation)).toEqual({ ok: true, value: { stopped: 0 } });
      await at.reach.stop(other);
      await spared;
    });

    test('never by the end of its stdin', async () => {
      expect((await sh('cat; sleep "$1"; echo on', {}, String(at.pace))).text).toBe('on\n');
    });
  });
}

/** @param exec how `hauki exec` is told to go there, where a courier notices that its caller is gone */
export function leashTests(at: Tried, exec: () => readonly string[]): void {
  const { carrying, fresh, appears } = at;

  test('a caller that is killed ends its command, also the stubborn, and also before it has read its stdin', async () => {
    const [mark, file] = [randomUUID(), fresh()];
    const hauki = join(import.meta.dirname, '../../hauki');
    const callers = ['sleep 300 | sleep 300', "trap '' TERM; while :; do sleep 1; done", 'cat; sleep 300'].map(
      (script, index) => {
        const command = ['sh', '-c', `echo >"$1"; ${script}`, 'sh', `${file}.${index}`];
        const child = spawn(hauki, ['exec', ...exec(), '--env', `MARK=${mark}`, '--', ...command], {
          stdio: ['pipe', 'ignore', 'ignore'],
        });
        child.stdin.on('error', () => undefined);
        child.stdin.write('the beginning of something');
        return child;
      },
    );
    for (const index of callers.keys()) await appears(`${file}.${index}`);
    expect(await carrying(`MARK=${mark}`)).toBeGreaterThanOrEqual(callers.length);
    for (const child of callers) child.kill('SIGKILL');
    await until(async () => (await carrying(`MARK=${mark}`)) === 0, 'nothing of it runs there', 120_000);
  });
}
