import { randomBytes, randomUUID } from 'node:crypto';
import { Readable, Writable } from 'node:stream';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Refusal } from '../../src/base/refusal.ts';
import type { Command, Ended, Reach } from '../../src/ports/reach.ts';
import { until } from '../until.ts';

/** Where the suite is tried. Everything in it is looked at through the reach itself. */
export interface ReachGround {
  readonly reach: Reach;
  /** Tells every death by a signal from the exit code that looks like it, and every failed start from a 126 or 127. */
  readonly exact: boolean;
  /** Standard streams are pipes; what Node gives to a child are sockets. */
  readonly pipes: boolean;
  /** Contexts that are not there, and the code each is refused with. */
  readonly missing: readonly (readonly [Reach, string])[];
  /** How many times longer than elsewhere a command takes to begin. */
  readonly pace?: number;
  /** Which exit codes are tried; where a command takes seconds to start, not all. */
  readonly codes?: readonly number[];
  readonly close?: () => Promise<void>;
}

const ALL_CODES = Array.from({ length: 256 }, (_, code) => code);
const MIB = 1024 * 1024;

interface Heard {
  readonly ended: Ended | undefined;
  readonly refused: Refusal | undefined;
  readonly bytes: Buffer;
  readonly text: string;
  readonly errors: string;
}

/** One suite for every Reach: what is sent arrives unharmed, and what ends is told as it was. */
export function reachConformance(open: () => Promise<ReachGround>): void {
  let ground: ReachGround;
  let reach: Reach;
  let folder = '';
  let pace = 1;

  beforeAll(async () => {
    ground = await open();
    reach = ground.reach;
    pace = ground.pace ?? 1;
    folder = (await hear(['mktemp', '-d', '/tmp/hauki reach XXXXXX'])).text.trim();
    expect(folder).toMatch(/^\/tmp\/hauki reach /);
  });
  afterAll(async () => {
    if (folder !== '') await hear(['rm', '-rf', folder]);
    await ground?.close?.();
  });

  async function hear(argv: readonly string[], more: Omit<Command, 'argv' | 'stdout' | 'stderr'> = {}): Promise<Heard> {
    const [out, errors] = [collector(), collector()];
    const ran = await reach.run({ argv, ...more, stdout: out.sink, stderr: errors.sink });
    return {
      ended: ran.ok ? ran.value : undefined,
      refused: ran.ok ? undefined : ran.error,
      bytes: out.bytes(),
      text: out.bytes().toString('utf8'),
      errors: errors.bytes().toString('utf8'),
    };
  }
  const sh = (script: string, more?: Parameters<typeof hear>[1], ...args: readonly string[]): Promise<Heard> =>
    hear(['sh', '-c', script, 'sh', ...args], more);

  /** Processes there that have this in their environment, by number. */
  async function carrying(mark: string): Promise<number> {
    const script =
      'for e in /proc/[0-9]*/environ; do { tr "\\0" "\\n" <"$e" | grep -qxF -e "$1"; } 2>/dev/null && echo; done';
    return (await sh(script, {}, mark)).text.length;
  }
  const fresh = (): string => `${folder}/${randomUUID()}`;
  const appears = (path: string): Promise<unknown> =>
    until(async () => (await hear(['test', '-e', path])).ended?.code === 0, `${path} is there`, 60_000);

  test('a context that is there can be used', async () => {
    expect(await reach.check()).toEqual({ ok: true, value: undefined });
  });

  test('a context that is not there is refused, before anything runs', async () => {
    for (const [missing, code] of ground.missing) {
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
      expect(refused?.evidence?.['errno'] ?? ended?.code).toBe(ground.exact ? 'E2BIG' : 126);
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

    test('standard streams can be opened by name, where they are pipes', async () => {
      const stdin = Buffer.from('input\n');
      const { text, errors } = await sh('cat /dev/stdin >/dev/stdout; echo error >/dev/stderr', { stdin });
      const came = text === 'input\n' && errors === 'error\n';
      expect([came, text + errors]).toEqual([ground.pipes, expect.stringMatching(/input|No such device/)]);
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
      await reach.run({ argv: ['head', '-c', '2000000', '/dev/zero'], stdout: slow });
      expect(Buffer.concat(chunks).length).toBe(2_000_000);
    });

    test('a reader that goes away ends an endless writer', async () => {
      const oneChunk = new Writable({
        write: (_chunk, _, done) => {
          done();
          oneChunk.destroy();
        },
      });
      const ran = await reach.run({ argv: ['yes'], stdout: oneChunk, timeoutMs: 60_000 });
      // By a SIGPIPE if it is told of it in time, else by us.
      expect(ran.ok ? ran.value.signal : ran.error.message).toMatch(/^SIGPIPE$|takes its output/);
    });

    test('what stays in the background is not waited for, and nothing is lost for it', async () => {
      const mark = randomUUID();
      const { text, ended } = await sh('sleep 300 & echo begun; head -c 500000 /dev/zero | tr "\\0" x; exit 4', {
        mutation: mark,
      });
      expect([text.length, ended]).toEqual([500_006, { code: 4 }]);
      expect(await reach.stop(mark)).toMatchObject({ ok: true, value: { stopped: 1 } });
    });
  });

  describe('the end', () => {
    test('exit codes are told as they are', async () => {
      const codes = [...(ground.codes ?? ALL_CODES)];
      const wrong: unknown[] = [];
      const work = async (): Promise<void> => {
        for (let code = codes.pop(); code !== undefined; code = codes.pop()) {
          const { ended } = await sh('exit "$1"', {}, String(code));
          const alike = !ground.exact && code > 128 && code < 160;
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
      for (const program of ['hauki-no-such-program', `${folder}/none`]) {
        expect({ program, ...(await hear([program])).refused }).toMatchObject({ program, ...missing });
      }
      expect((await sh('hauki-no-such-program')).ended).toEqual({ code: 127 });
    });

    test('one that cannot be executed is told from one that ends with 126', async () => {
      const unusable = { code: 'command_unstartable', evidence: { step: 'program', errno: 'EACCES' } };
      const script = `${folder}/not executable`;
      expect(await reach.put(script, Buffer.from('#!/bin/sh\n'), 0o644)).toMatchObject({ ok: true });
      for (const program of ['/tmp', script])
        expect({ program, ...(await hear([program])).refused }).toMatchObject({ program, ...unusable });
      expect((await sh('exit 126')).ended).toEqual({ code: 126 });
    });

    test('a script without its interpreter is not there either', async () => {
      const script = `${folder}/no-interpreter`;
      await reach.put(script, Buffer.from('#!/hauki/no/interpreter\n'), 0o755);
      const { refused, ended } = await hear([script]);
      expect(refused?.code ?? ended?.code).toBeOneOf(
        ground.exact ? ['command_unstartable'] : ['command_unstartable', 126, 127],
      );
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
      await reach.put(`${bin}/only-here`, Buffer.from('#!/bin/sh\necho found\n'), 0o755);
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
      const running = hear(['sleep', '30'], { env: { SECRET: secret }, timeoutMs: 5_000 * pace });
      const script =
        'printf %s "$TO_FIND" >"$1"; sleep "$2"; cat /proc/[0-9]*/cmdline | tr "\\0" "\\n" | grep -cFf "$1"';
      const { text } = await sh(script, { env: { TO_FIND: secret } }, fresh(), String(2 * pace));
      expect(text).toBe('0\n');
      await running;
    });

    test.each(['', '1A', 'A-B', 'A=B', 'A B', 'hauki_id', 'HAUKI_RUN'])('%j is no name', async (name) => {
      expect((await hear(['true'], { env: { [name]: 'x' } })).refused?.code).toBe('command_invalid');
    });
  });

  describe('the folder', () => {
    test('is the one that was named, whatever its name', async () => {
      const odd = `${folder}/a "folder" with\nnewline $(x) ~ 'é`;
      await hear(['mkdir', odd]);
      expect((await hear(['pwd'], { cwd: odd })).text).toBe(`${odd}\n`);
      expect((await sh('printf %s "$PWD"', { cwd: odd })).text).toBe(odd);
    });

    test('is refused when it is not there, a file, or relative', async () => {
      await reach.put(`${folder}/file`, Buffer.from('x'), 0o644);
      for (const cwd of [`${folder}/none`, `${folder}/file`]) {
        expect({ cwd, ...(await hear(['true'], { cwd })).refused }).toMatchObject({
          cwd,
          code: 'command_unstartable',
          evidence: { step: 'folder' },
        });
      }
      expect((await hear(['true'], { cwd: 'relative' })).refused?.code).toBe('command_invalid');
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
      const { refused } = await sh('sleep 300 & sleep 300', { mutation, timeoutMs: 1_500 * pace });
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
        moments.map((ms) => hear(['sleep', '300'], { mutation, signal: AbortSignal.timeout(ms * pace) })),
      );
      for (const { refused } of ran) expect(refused?.code).toBe('command_stopped');
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
    });

    test('ends no other of the same mutation', async () => {
      const [mutation, file] = [randomUUID(), fresh()];
      const other = sh('touch "$1"; sleep "$2"; echo whole', { mutation }, file, String(3 * pace));
      await appears(file);
      expect((await hear(['sleep', '300'], { mutation, timeoutMs: 500 * pace })).refused?.code).toBe('command_stopped');
      expect((await other).text).toBe('whole\n');
    });

    test('by its mutation: told as the signal it was', async () => {
      const [mutation, file] = [randomUUID(), fresh()];
      const running = sh('touch "$1"; exec sleep 300', { mutation }, file);
      await appears(file);
      expect(await reach.stop(mutation)).toEqual({ ok: true, value: { stopped: 1 } });
      expect((await running).ended).toEqual({ code: 143, signal: 'SIGTERM' });
    });

    test('by its mutation: the stubborn too, and nobody else', async () => {
      const [mutation, other, file] = [randomUUID(), randomUUID(), fresh()];
      const spared = sh('touch "$1.other"; sleep 300', { mutation: other }, file);
      const running = hear(['sh', '-c', STUBBORN, 'sh', file], { mutation });
      await appears(file);
      await appears(`${file}.other`);
      expect(await reach.stop(mutation)).toMatchObject({ ok: true });
      expect((await running).ended).toEqual({ code: 137, signal: 'SIGKILL' });
      expect(await carrying(`HAUKI_MUTATION=${mutation}`)).toBe(0);
      expect(await carrying(`HAUKI_MUTATION=${other}`)).toBeGreaterThan(0);
      expect(await reach.stop(mutation)).toEqual({ ok: true, value: { stopped: 0 } });
      await reach.stop(other);
      await spared;
    });
  });

  test('eight at once do not mix', async () => {
    const heard = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        sh('cat; echo "$1" >&2; exit "$1"', { stdin: Buffer.alloc(200_000, 65 + at) }, String(at)),
      ),
    );
    for (const [at, { bytes, errors, ended }] of heard.entries()) {
      expect([bytes.equals(Buffer.alloc(200_000, 65 + at)), errors, ended]).toEqual([true, `${at}\n`, { code: at }]);
    }
  });

  describe('files', () => {
    const names = ['plain', '-rf', ' ', "it's", 'new\nline', '$(id) `id` *', '🦉', 'a'.repeat(255)];

    test.each(names)('%j comes back as it was put', async (name) => {
      const [path, bytes] = [`${folder}/${name}`, randomBytes(70_000)];
      expect(await reach.put(path, bytes, 0o640)).toEqual({ ok: true, value: undefined });
      const back = await reach.get(path);
      expect(back.ok && back.value.equals(bytes)).toBe(true);
      expect((await hear(['stat', '-c', '%a', path])).text).toBe('640\n');
    });

    test('an empty one, and an old one that is replaced', async () => {
      const path = fresh();
      for (const bytes of [Buffer.from('old'), Buffer.alloc(0), Buffer.from('new')]) {
        expect(await reach.put(path, bytes, 0o4755)).toMatchObject({ ok: true });
        expect(await reach.get(path)).toEqual({ ok: true, value: bytes });
      }
      expect((await hear(['stat', '-c', '%a', path])).text).toBe('4755\n');
    });

    test('nothing else is left behind', async () => {
      const inside = fresh();
      await hear(['mkdir', inside]);
      await reach.put(`${inside}/file`, Buffer.from('x'), 0o600);
      await reach.put(inside, Buffer.from('x'), 0o600);
      await reach.put(`${inside}/none/file`, Buffer.from('x'), 0o600);
      expect((await hear(['ls', '-A', inside])).text).toBe('file\n');
    });

    test('no file, no folder for it, a folder, a relative path: refused', async () => {
      const failed = (why: RegExp): object => ({
        ok: false,
        error: { code: 'file_failed', message: containing(why) },
      });
      const bytes = Buffer.from('x');
      expect(await reach.get(`${folder}/none`)).toMatchObject(
        failed(/No such file|no such file|cannot open|can't open/),
      );
      expect(await reach.put(`${folder}/none/file`, bytes, 0o600)).toMatchObject(
        failed(/o such file|cannot create|can't create|nonexistent/),
      );
      expect(await reach.get(folder)).toMatchObject(failed(/is a folder/));
      expect(await reach.put(folder, bytes, 0o600)).toMatchObject(failed(/is a folder/));
      expect(await reach.put(`${folder}/none/`, bytes, 0o600)).toMatchObject(failed(/names a folder/));
      expect(await reach.put('relative', bytes, 0o600)).toMatchObject(failed(/not absolute/));
      expect(await reach.get('relative')).toMatchObject(failed(/not absolute/));
    });

    test('a full disk leaves the old one whole', async ({ skip }) => {
      const disk = fresh();
      await hear(['mkdir', disk]);
      const mounted = await hear(['mount', '-t', 'tmpfs', '-o', 'size=256k', 'hauki', disk]);
      if (mounted.ended?.code !== 0) skip(`needs root: no tmpfs can be mounted (${mounted.errors.trim()})`);
      try {
        const old = randomBytes(100_000);
        expect(await reach.put(`${disk}/file`, old, 0o600)).toMatchObject({ ok: true });
        const refused = await reach.put(`${disk}/file`, randomBytes(400_000), 0o600);
        expect(refused).toMatchObject({
          ok: false,
          error: { code: 'file_failed', message: containing(/space/) },
        });
        expect(await reach.get(`${disk}/file`)).toEqual({ ok: true, value: old });
        expect((await hear(['ls', '-A', disk])).text).toBe('file\n');
      } finally {
        await hear(['umount', disk]);
      }
    });
  });
}

/** As part of what is expected, a text that matches; typed, unlike vitest's own. */
function containing(pattern: RegExp): unknown {
  return expect.stringMatching(pattern);
}

function collector(): { readonly sink: Writable; readonly bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _, done) => {
      chunks.push(chunk);
      done();
    },
  });
  return { sink, bytes: () => Buffer.concat(chunks) };
}
