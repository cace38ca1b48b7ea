import { names, runs } from './bash.ts';
import type { Spot, SpotOption, Value } from './spot.ts';

/** Completion for fish 3.4 and newer. */
export function fishCompletion(spots: readonly Spot[]): string {
  const nested = spots.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const valued = spots.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .flatMap((option) => names(option).map((name) => quoted(`${path} ${name}`.trim()))),
  );
  return `# fish completion for hauki. Put it as hauki.fish into ~/.config/fish/completions, or: hauki completion fish | source

# The command that the words so far lead to, then how many more stand behind it; "--" ends what is hauki's.
function __hauki_place
    set -l at ''
    set -l count 0
    set -l skip 0
    for word in (commandline -opc)[2..]
        set -l next (string trim -- "$at $word")
        if test $skip -eq 1
            set skip 0
        else if test "$word" = --
            printf '%s\\n' "$at" --
            return
        else if contains -- "$next" ${valued.join(' ')}
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else if contains -- "$next" ${nested.join(' ')}
            set at $next
            set count 0
        else
            set count (math $count + 1)
        end
    end
    printf '%s\\n' "$at" $count
end

# Whether this command's own words are asked for, and, with a number, so many arguments stand there already.
function __hauki_at
    set -l place (__hauki_place)
    test "$place[1]" = "$argv[1]"; and test "$place[2]" != --
    and begin
        not set -q argv[2]; or test "$place[2]" = "$argv[2]"
    end
end

# Whether a command of somebody else's is written behind "--".
function __hauki_behind
    set -l place (__hauki_place)
    test "$place[1]" = "$argv[1]"; and test "$place[2]" = --
end

function __hauki_command
    set -l words (commandline -opc)
    set -l from (contains -i -- -- $words)
    set -l rest $words[(math $from + 1)..]
    complete -C (string join ' ' -- (string escape -- $rest) (commandline -ct))
end

complete -c hauki -f
${spots.flatMap(spotLines).join('\n')}
`;
}

function spotLines(spot: Spot): string[] {
  const { path, commands, options, arguments: args } = spot;
  const at = `complete -c hauki -n ${quoted(`__hauki_at ${quoted(path)}`)}`;
  const atArgument = (position: number, variadic: boolean): string =>
    variadic ? at : `complete -c hauki -n ${quoted(`__hauki_at ${quoted(path)} ${position}`)}`;
  return [
    ...commands.map(({ name, description }) => `${atArgument(0, false)} -a ${name} -d ${quoted(description)}`),
    ...options.map((option) => `${at} ${optionWords(option)} -d ${quoted(option.description)}`),
    ...args.flatMap(({ value, variadic }, position) => {
      const action = actionOf(value);
      return action === '' || commands.length > 0 ? [] : [`${atArgument(position, variadic)} ${action}`];
    }),
    ...(runs(spot) ? [`complete -c hauki -n ${quoted(`__hauki_behind ${quoted(path)}`)} -a '(__hauki_command)'`] : []),
  ];
}

function optionWords({ short, long, value }: SpotOption): string {
  const own = [
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
  ].join(' ');
  if (value === undefined) return own;
  const action = actionOf(value);
  return `${own} ${action.includes('-F') ? '-r' : '-x'}${action === '' ? '' : ` ${action}`}`;
}

function actionOf(value: Value): string {
  if (value.kind === 'words') return `-a ${quoted(value.words.join(' '))}`;
  if (value.kind === 'files') return '-F';
  if (value.kind === 'folders') return `-a '(__fish_complete_directories)'`;
  return '';
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
