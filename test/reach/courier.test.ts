import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Command } from '../../src/ports/reach.ts';
import { courierArgv, courierLine, letter, parseReport, PERL, SHELL } from '../../src/reach/courier.ts';
import { framed } from '../../src/reach/flow.ts';
import { needs } from '../needs.ts';

/* The courier by itself: the scripts under each kind of shell, told by what they say. */

const RUN = 'run';
const COMMAND: Command = {
  argv: ['sh', '-c', 'printf "%s|" "$@" "$ODD"; cat; exit 7', 'sh', '', "a'\n\n", '$(id)', '!!', '\\n'],
  env: { ODD: '\n"$HOME"' },
  cwd: '/tmp',
};
const EXPECTED = `|a'\n\n|$(id)|!!|\\n|\n"$HOME"|its own stdin`;

interface Said {
  readonly stdout: string;
  readonly stderr: string;
}

/** @param held whether the caller is there until the end */
function say(
  argv: readonly string[],
  text: string | Buffer,
  env: NodeJS.ProcessEnv = process.env,
  held = false,
): Promise<Said> {
  const [program = '', ...args] = argv;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin.on('error', () => undefined);
    if (held) child.stdin.write(text);
    else child.stdin.end(text);
    child.on('error', reject);
    child.on('close', () => resolve({ stdout, stderr }));
  });
}

/** A command and its stdin, as they go to a courier that takes it in frames. */
function parcel(command: Command, stdin: string): Buffer {
  const below = new PassThrough();
  framed(below).end(stdin);
  return Buffer.concat([letter(command), below.read() as Buffer]);
}
const deliver = (argv: readonly string[], command: Command, stdin = ''): Promise<Said> =>
  say(argv, parcel(command, stdin), process.env, true);

test('the constants hold nothing that login shells read in different ways', () => {
  expect(SHELL + PERL).not.toMatch(/['\\!\n]/);
});

describe('a login shell hands the courier on unharmed', () => {
  const line = courierLine(RUN);
  const expected = {
    stdout: `{hauki run leashed}${EXPECTED}{hauki run exit 7}`,
    stderr: '{hauki run leashed}{hauki run exit 7}',
  };
  // --norc and the like: the line is what is tried, not what a user has set up.
  test.each([['sh'], ['bash', '--norc']])('%s', async (...shell) => {
    expect(await deliver([...shell, '-c', line], COMMAND, 'its own stdin')).toEqual(expected);
  });
  test('fish', needs('fish').options, async () => {
    expect(await deliver(['fish', '--no-config', '-c', line], COMMAND, 'its own stdin')).toEqual(expected);
  });
  test('tcsh', needs('tcsh').options, async () => {
    expect(await deliver(['tcsh', '-f', '-c', line], COMMAND, 'its own stdin')).toEqual(expected);
  });
});

test('every exit code is told', async () => {
  const wrong: unknown[] = [];
  for (let code = 0; code < 256; code += 1) {
    const { stdout } = await deliver(courierArgv(RUN), { argv: ['sh', '-c', `exit ${code}`] });
    if (stdout !== `{hauki run leashed}{hauki run exit ${code}}`) wrong.push([code, stdout]);
  }
  expect(wrong).toEqual([]);
}, 60_000);

test('a command that is cut off is not run', async () => {
  const whole = letter({ argv: ['echo', 'ran'] });
  for (let length = 0; length < whole.length; length += 1) {
    expect((await say(courierArgv(RUN), whole.subarray(0, length))).stdout).toBe('{hauki run leashed}');
  }
});

test('a caller that goes away ends the command', async () => {
  const whole = parcel({ argv: ['sh', '-c', 'echo begun; cat; sleep 300; echo never'] }, 'stdin');
  // All of it, and some of it: what is missing of its stdin does not come any more.
  for (const text of [whole, whole.subarray(0, -4), whole.subarray(0, -6)]) {
    expect((await say(courierArgv(RUN), text)).stdout).not.toMatch(/never|exit/);
  }
});

describe('without Perl', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hauki-courier-'));
    for (const name of ['env', 'cat', 'printf', 'sleep']) symlinkSync(join('/usr/bin', name), join(folder, name));
    writeFileSync(join(folder, 'sh.busybox'), '#!/bin/sh\nexec busybox sh "$@"\n', { mode: 0o755 });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The courier under one shell, which is also the one that the command calls `sh`. */
  const under = (shell: string, text: Buffer | string): Promise<Said> => {
    const [env = '', mark = '', , ...rest] = courierArgv(RUN);
    const bin = join(folder, `bin-${shell}`);
    return say(
      [env, mark, ...(shell === 'busybox' ? ['/usr/bin/busybox', 'sh'] : [`/usr/bin/${shell}`]), ...rest],
      text,
      {
        PATH: `${bin}:${folder}`,
        HOME: '/tmp',
      },
    );
  };

  describe.each(['dash', 'bash', 'busybox'])('%s', (shell) => {
    const options = shell === 'busybox' ? needs('busybox').options : {};
    const command = {
      ...COMMAND,
      argv: ['/bin/sh', ...COMMAND.argv.slice(1)],
      env: { ...COMMAND.env, PATH: '/usr/bin:/bin' },
    };

    test('does the same', options, async () => {
      const text = Buffer.concat([letter(command), Buffer.from('its own stdin')]);
      expect(await under(shell, text)).toEqual({
        stdout: `{hauki run ready}${EXPECTED}{hauki run status 7}`,
        stderr: '{hauki run ready}{hauki run status 7}',
      });
    });

    test('says nothing of its own about a signal', options, async () => {
      const { stderr } = await under(shell, letter({ argv: ['/bin/sh', '-c', 'kill -9 $$'] }));
      expect(stderr).toBe('{hauki run ready}{hauki run status 137}');
    });

    test('runs programs, never what the shell has built in', options, async () => {
      for (const name of ['eval', 'exit', 'export', '.']) {
        const { stdout } = await under(shell, letter({ argv: [name, 'echo evaluated'] }));
        expect(stdout).toMatch(/^\{hauki run ready\}\{hauki run program (2|13)\}$/);
      }
    });

    test('does not run a command that is cut off', options, async () => {
      const whole = letter({ argv: ['/bin/echo', 'ran'] });
      for (const length of [0, 1, 3, whole.length - 2, whole.length - 3]) {
        expect((await under(shell, whole.subarray(0, length))).stdout).toBe('{hauki run ready}');
      }
    });
  });
});

describe('a report', () => {
  test.each([
    ['exit 0', { kind: 'exit', code: 0 }],
    ['exit 143', { kind: 'exit', code: 143 }],
    ['signal 15', { kind: 'signal', number: 15 }],
    ['status 1', { kind: 'exit', code: 1 }],
    ['status 128', { kind: 'exit', code: 128 }],
    ['status 143', { kind: 'signal', number: 15 }],
    ['status 160', { kind: 'exit', code: 160 }],
    ['folder 2', { kind: 'unstarted', step: 'folder', errno: 2 }],
    ['program 13', { kind: 'unstarted', step: 'program', errno: 13 }],
    ['', undefined],
    ['exit', undefined],
    ['exit x', undefined],
    ['constructor 1', undefined],
  ])('%j', (text, report) => expect(parseReport(text)).toEqual(report));
});
