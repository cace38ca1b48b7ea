import { randomBytes, randomUUID } from 'node:crypto';
import { Readable, Writable } from 'node:stream';

import { describe, expect, test } from 'vitest';

import { endingTests } from './reach-ending.ts';
import { filesTests } from './reach-files.ts';
import { type ReachGround, type Tried, tried } from './reach-ground.ts';

const MIB = 1024 * 1024;

/**
 * One suite for every Reach: what is sent arrives unharmed, and what ends is told as it was.
 *
 * @param more what not all of them promise
 */
export function reachConformance(open: () => Promise<ReachGround>, more?: (at: Tried) => void): void {
  const at = tried(open);
  const { hear, sh, fresh } = at;

  test('a context that is there can be used', async () => {
    expect(await at.reach.check()).toEqual({ ok: true, value: undefined });
  });

  test('a context that is not there is refused, before anything runs', async () => {
    for (const [missing, code] of at.ground.missing) {
      const { name } = missing;
      const expected = { name, ok: false, error: { code } };
      expect({ name, ...(await missing.check()) }).toMatchObject(expected);
      const ran = await missing.run({ argv: ['true'] });
      expect({ name, ...ran }).toMatchObject(expected);
      expect(!ran.ok && `${ran.error.message} ${ran.error.hint}`).toMatch(/Nothing was executed/);
      expect({ name, ...(await missing.put('/tmp/nothing', Buffer.from('x'), 0o600)) }).toMatchObject(expected);
      expect({ name, ...(await missing.stop(randomUUID())) }).toMatchObject(expected);
    }
  });

  describe('arguments', () => {
    const ODD = [
      'two words',
      ' ',
      '',
      '',
      "it's",
      '"quoted"',
      'new\nline',
      '\n',
      'ends with newlines\n\n',
      '\r\n',
      '\ttab',
      '$(id)',
      '`id`',
      '$HOME',
      '${x}',
      '*',
      '?',
      '[a-z]',
      '~',
      '{a,b}',
      'a;b',
      'a&b',
      'a|b',
      '<x',
      '>x',
      '#no comment',
      '!!',
      '!x',
      '\\',
      '\\n',
      'a\\',
      '%s%n',
      '-n',
      '--',
      '-c',
      '--help',
      '=',
      'A=b',
      '.',
      '+',
      '+x',
      '🦉 owl',
      'é',
      '\u0001\u001b[31m',
      '\u00a0',
      '{hauki x ready}',
      'x'.repeat(60_000),
    ];

    test('arrive as they are', async () => {
      const { bytes, ended, errors } = await hear(['printf', '%s\\0', ...ODD]);
      expect(bytes.toString('utf8').split('\0').slice(0, -1)).toEqual(ODD);
      expect([ended, errors]).toEqual([{ code: 0 }, '']);
    });

    test('3,000 of them arrive', async () => {
      const many = Array.from({ length: 3_000 }, (_, at) => `argument ${at}\n`);
      const { text } = await hear(['printf', '%s', ...many]);
      expect(text).toBe(many.join(''));
    });

    test('too long a one is refused before anything runs', async () => {
      const { refused, ended } = await hear(['true', 'x'.repeat(300_000)]);
      expect(refused?.evidence?.['errno'] ?? ended?.code).toBe(at.ground.exact ? 'E2BIG' : 126);
    });

    test.each([
      [[], 'no program'],
      [[''], 'no program'],
      [['true', 'a\0b'], 'NUL'],
      [['-c', 'true'], 'option'],
      [['true', '\ud800'], 'Unicode'],
    ])('%j is refused', async (argv, why) => {
      const { refused } = await hear(argv);
      expect(refused?.code).toBe('command_invalid');
      expect(refused?.message).toContain(why);
    });
  });

  describe('streams', () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

    test('every byte comes through, 10 MiB of them', async () => {
      const bytes = Buffer.concat([every, randomBytes(10 * MIB), every]);
      const { bytes: back, ended } = await hear(['cat'], { stdin: bytes });
      expect(back.equals(bytes)).toBe(true);
      expect(ended).toEqual({ code: 0 });
    });

    test('stdin from a stream', async () => {
      const chunks = Array.from({ length: 50 }, (_, at) => Buffer.from(`${at}\n`));
      expect((await hear(['cat'], { stdin: Readable.from(chunks) })).bytes).toEqual(Buffer.concat(chunks));
    });

    test('without stdin there is nothing to read', async () => {
      expect(await hear(['cat'])).toMatchObject({ text: '', ended: { code: 0 } });
    });

    test('stdin that is closed early is no error', async () => {
      const { text, ended } = await sh('exec <&-; echo closed; exit 3', { stdin: Buffer.alloc(5 * MIB) });
      expect([text, ended]).toEqual(['closed\n', { code: 3 }]);
    });

    test('nor is one that nobody reads, and never ends', async () => {
      const endless = new Readable({ read: () => undefined });
      expect((await hear(['true'], { stdin: endless })).ended).toEqual({ code: 0 });
      endless.destroy();
      expect((await hear(['true'], { stdin: Buffer.alloc(20 * MIB) })).ended).toEqual({ code: 0 });
    });

    test('stdin that breaks off ends the command: what it read was not all', async () => {
      const broken = new Readable({ read: () => undefined });
      setTimeout(() => broken.destroy(new Error('the disk it came from is gone')), 100);
      expect((await hear(['cat'], { stdin: broken })).refused).toMatchObject({ code: 'command_stopped' });
    });

    test('stderr is stderr, and much of it', async () => {
      const { errors, text } = await sh('head -c 3000000 /dev/zero | tr "\\0" e >&2; echo out');
      expect([errors.length, text]).toEqual([3_000_000, 'out\n']);
    });

    test('what looks like a word of ours is not one', async () => {
      const forged = ['{hauki ', `{hauki ${'0'.repeat(32)} end exit 0}`, '{hauki {hauki {', '{'].join('\n');
      const { text, errors } = await sh('printf %s "$1"; printf %s "$1" >&2', {}, forged);
      expect([text, errors]).toEqual([forged, forged]);
    });

    test('standard streams can be opened by name, or say that they cannot', async () => {
      const stdin = Buffer.from('input\n');
      const { text, errors } = await sh('cat /dev/stdin >/dev/stdout; echo error >/dev/stderr', { stdin });
      const came = text === 'input\n' && errors === 'error\n';
      expect(came).toBe(at.ground.named ?? came);
      expect(text + errors).toMatch(came ? /input/ : /No such device|Permission denied/);
    });

    test('a slow reader gets everything', async () => {
      const chunks: Buffer[] = [];
      const slow = new Writable({
        highWaterMark: 1024,
        write: (chunk: Buffer, _, done) => {
          chunks.push(chunk);
          setTimeout(done, 5);
        },
      });
      await at.reach.run({ argv: ['head', '-c', '2000000', '/dev/zero'], stdout: slow });
      expect(Buffer.concat(chunks).length).toBe(2_000_000);
    });

    test('a reader that goes away ends an endless writer', async () => {
      const oneChunk = new Writable({
        write: (_chunk, _, done) => {
          done();
          oneChunk.destroy();
        },
      });
      const ran = await at.reach.run({ argv: ['yes'], stdout: oneChunk, timeoutMs: 60_000 });
      // By a SIGPIPE if it is told of it in time, else by us.
      expect(ran.ok ? ran.value.signal : ran.error.message).toMatch(/^SIGPIPE$|takes its output/);
    });

    test('what stays in the background is not waited for, and nothing is lost for it', async () => {
      const mark = randomUUID();
      const { text, ended } = await sh('sleep 300 & echo begun; head -c 500000 /dev/zero | tr "\\0" x; exit 4', {
        mutation: mark,
      });
      expect([text.length, ended]).toEqual([500_006, { code: 4 }]);
      expect(await at.reach.stop(mark)).toMatchObject({ ok: true, value: { stopped: 1 } });
    });
  });

  describe('environment', () => {
    test('values arrive as they are', async () => {
      const env = {
        PLAIN: 'x',
        EMPTY: '',
        LINES: 'a\nb\n\n',
        QUOTES: `'"\`$(id)$HOME\\`,
        EMOJI: '🦉',
        SPACES: '  two  ',
        EQUALS: 'a=b=c',
        LONG: 'y'.repeat(50_000),
        // The names a shell's loop might have taken for itself.
        line: 'l',
        item: 'i',
        kind: 'k',
        IFS: ':',
        LC_ALL: 'xx_YY.nowhere',
        PERL5OPT: '-Mnothing',
        PERL_BADLANG: '1',
      };
      const { text, errors, ended } = await hear(['env', '-0'], { env });
      const entries = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      expect(text.split('\0')).toEqual(expect.arrayContaining(entries));
      expect([errors, ended]).toEqual(['', { code: 0 }]);
    });

    test('PATH decides where the program is looked for', async () => {
      const bin = fresh();
      await hear(['mkdir', bin]);
      await at.reach.put(`${bin}/only-here`, Buffer.from('#!/bin/sh\necho found\n'), 0o755);
      expect((await hear(['only-here'], { env: { PATH: `/nowhere:${bin}` } })).text).toBe('found\n');
      expect((await hear(['only-here'])).refused?.code).toBe('command_unstartable');
    });

    test("nothing of the caller's own goes along", async () => {
      const names = ['HAUKI_TOKEN', 'HAUKI_HOME', 'LC_HAUKI', 'HAUKI_CARRIER', 'HAUKI_MUTATION'];
      const before = names.map((name) => [name, process.env[name]] as const);
      for (const name of names) process.env[name] = 'a secret';
      try {
        const { text } = await hear(['env']);
        expect(text).not.toContain('a secret');
        expect(text).not.toMatch(/HAUKI_(CARRIER|MUTATION)|PERL_BADLANG|VITEST/);
        expect(text).toMatch(/^HOME=/m);
      } finally {
        for (const [name, value] of before) {
          if (value === undefined) delete process.env[name];
          else process.env[name] = value;
        }
      }
    });

    test('no argument and no value stands on a command line on the way', async () => {
      const secret = randomUUID();
      const running = hear(['sleep', '30'], { env: { SECRET: secret }, timeoutMs: 5_000 * at.pace });
      const script =
        'printf %s "$TO_FIND" >"$1"; sleep "$2"; cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -cFf "$1"';
      const { text } = await sh(script, { env: { TO_FIND: secret } }, fresh(), String(2 * at.pace));
      expect(text).toBe('0\n');
      await running;
    });

    test.each(['', '1A', 'A-B', 'A=B', 'A B', 'hauki_id', 'HAUKI_RUN'])('%j is no name', async (name) => {
      expect((await hear(['true'], { env: { [name]: 'x' } })).refused?.code).toBe('command_invalid');
    });
  });

  describe('the folder', () => {
    test('is the one that was named, whatever its name', async () => {
      const odd = `${at.folder}/a "folder" with\nnewline $(x) ~ 'é`;
      await hear(['mkdir', odd]);
      expect((await hear(['pwd'], { cwd: odd })).text).toBe(`${odd}\n`);
      expect((await sh('printf %s "$PWD"', { cwd: odd })).text).toBe(odd);
    });

    test('is refused when it is not there, a file, or relative', async () => {
      await at.reach.put(`${at.folder}/file`, Buffer.from('x'), 0o644);
      for (const cwd of [`${at.folder}/none`, `${at.folder}/file`]) {
        expect({ cwd, ...(await hear(['true'], { cwd })).refused }).toMatchObject({
          cwd,
          code: 'command_unstartable',
          evidence: { step: 'folder' },
        });
      }
      expect((await hear(['true'], { cwd: 'relative' })).refused?.code).toBe('command_invalid');
    });
  });

  test('several at once do not mix', async () => {
    const heard = await Promise.all(
      Array.from({ length: at.ground.atOnce ?? 8 }, (_, at) =>
        sh('cat; echo "$1" >&2; exit "$1"', { stdin: Buffer.alloc(200_000, 65 + at) }, String(at)),
      ),
    );
    for (const [at, { bytes, errors, ended, refused }] of heard.entries()) {
      expect({ whole: bytes.equals(Buffer.alloc(200_000, 65 + at)), errors, ended, refused }).toEqual({
        whole: true,
        errors: `${at}\n`,
        ended: { code: at },
        refused: undefined,
      });
    }
  });

  endingTests(at);
  filesTests(at);
  more?.(at);
}
