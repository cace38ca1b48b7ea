import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './place.ts';

/* What a shell offers for a line that ends where somebody presses Tab. Each shell reads the script from a file, as it would. */

export type Completer = (lines: readonly string[]) => string[][];

/** @param script of `hauki completion SHELL` @param folder for files of these */
export function completer(shell: 'bash' | 'zsh' | 'fish', script: string, folder: string): Completer {
  const file = join(folder, `completion.${shell}`);
  writeFileSync(file, script);
  return { bash: inBash, zsh: inZsh, fish: inFish }[shell](file, folder);
}

function inBash(file: string): Completer {
  const harness = [
    'source "$1"; shift',
    'for line; do',
    // A blank at the end begins another word.
    '  read -ra COMP_WORDS <<<"$line"; [[ $line == *" " ]] && COMP_WORDS+=("")',
    '  COMP_LINE=$line COMP_POINT=${#line} COMP_CWORD=$((${#COMP_WORDS[@]} - 1))',
    '  _hauki; printf "%s\\x1f" "${COMPREPLY[@]}"; printf "\\x1e"',
    'done',
  ].join('\n');
  return (lines) => split(run('bash', ['--norc', '-c', harness, 'bash', file, ...lines]));
}

function inFish(file: string): Completer {
  const harness = [
    'source $argv[1]',
    'for line in $argv[2..]',
    '  for match in (complete -C $line); printf "%s\\x1f" (string split \\t -- $match)[1]; end; printf "\\x1e"',
    'end',
  ].join('\n');
  return (lines) => split(run('fish', ['--no-config', '-c', harness, file, ...lines]));
}

/** Only a line editor completes, so it is another zsh on a pseudo-terminal; what would be listed is printed instead. */
function inZsh(file: string, folder: string): Completer {
  const driver = join(folder, 'driver.zsh');
  writeFileSync(
    driver,
    [
      'zmodload zsh/zpty; zpty z zsh -f -i',
      `zpty -w z 'PS1=""; autoload -Uz compinit; compinit -D -u; source '$1`,
      `zpty -w z 'compadd() { case " \${(j: :)@[1,(i)(-|--)]} " in (*" -O "*|*" -A "*|*" -D "*) builtin compadd "$@"; return $? ;; esac; local -a hits; builtin compadd -A hits "$@"; (( $#hits )) && print -rl -- "=HIT="\${^hits}; return 0 }'`,
      `zpty -w z '_end() { print -r -- "=END=" }; zle -N _end; bindkey "^I" complete-word "^Xe" _end; zstyle ":completion:*" verbose no; print :READY":"ok'`,
      `zpty -r z out '*:READY:ok*'`,
      'for line in "${@[2,-1]}"; do',
      `  zpty -w -n z $'\\x15'"$line"$'\\t\\x18e'; zpty -r z out '*=END=*'; print -rn -- "$out"$'\\x1e'`,
      'done; zpty -d z',
    ].join('\n'),
  );
  return (lines) =>
    run('zsh', ['-f', driver, file, ...lines])
      .split('\x1e')
      .slice(0, -1)
      .map((said) => [...said.matchAll(/=HIT=([^\r\n]*)/g)].map((match) => match[1] ?? ''));
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: ROOT, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${error?.message ?? stderr}${stdout}`);
  return stdout;
}

function split(text: string): string[][] {
  return text
    .split('\x1e')
    .slice(0, -1)
    .map((words) => words.split('\x1f').filter((word) => word !== ''));
}
