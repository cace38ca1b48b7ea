import { spawnSync } from 'node:child_process';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { commandLine, quote } from '../../lab/words.ts';

/** What a shell makes of a line, as ssh's other side would. */
function shell(line: string): { code: number | null; stdout: string } {
  const { status, stdout } = spawnSync('bash', ['-c', line], { encoding: 'utf8' });
  return { code: status, stdout };
}

describe('a line for the shell of the other side', () => {
  test('gives every word back, whatever is in it', () => {
    const words = [
      'two words',
      `it's "quoted"`,
      'line\nbreak',
      '🦅',
      '$HOME `id` \\ !',
      '',
      '*',
      '-n',
      '~',
      '#',
      ';',
      '\r\t',
    ];
    expect(
      shell(quote(['printf', '%s\\0', ...words]))
        .stdout.split('\0')
        .slice(0, -1),
    ).toEqual(words);
  });

  test('and so for words nobody thought of', () => {
    const word = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 20 }), (words) => {
        expect(
          shell(quote(['printf', '%s\\0', ...words]))
            .stdout.split('\0')
            .slice(0, -1),
        ).toEqual(words);
      }),
      { numRuns: 50 },
    );
  });

  test('refuses a NUL', () => {
    expect(() => quote(['a\0b'])).toThrow('NUL');
  });
});

describe('a command', () => {
  test('ends with its own exit code, or 128 + its signal', () => {
    expect(shell(commandLine(['sh', '-c', 'exit 7'], {})).code).toBe(7);
    expect(shell(commandLine(['sh', '-c', 'kill -TERM $$'], {})).code).toBe(143);
    expect(shell(commandLine(['sh', '-c', 'kill -TERM $$'], {}, '/dev/null')).code).toBe(143);
  });

  test('has the environment and the folder it was given', () => {
    const line = commandLine(['sh', '-c', 'printf %s "$ODD"; pwd'], { env: { ODD: `a 'b'\n$c` }, cwd: '/usr' });
    expect(shell(line).stdout).toBe(`a 'b'\n$c/usr\n`);
  });

  test('is not run elsewhere when the folder is missing', () => {
    const { code, stdout } = shell(commandLine(['echo', 'ran'], { cwd: '/no such folder' }));
    expect(code).not.toBe(0);
    expect(stdout).toBe('');
  });

  test('runs as the user it is given, with that home', () => {
    expect(commandLine(['id'], { user: 'alice', env: { A: '1' } })).toContain(
      'runuser -u alice -- env HOME=/home/alice USER=alice A=1 id;',
    );
  });
});
