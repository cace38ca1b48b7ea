import type { Spot, SpotOption, Value } from './spot.ts';

/** Completion for bash 4.4 and newer; uses bash-completion where it is there, and does without where it is not. */
export function bashCompletion(spots: readonly Spot[]): string {
  const nested = spots.filter(({ path }) => path !== '').map(({ path }) => pattern(withSpace(path)));
  const valued = spots.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value !== undefined)
      .flatMap((option) => names(option).map((name) => pattern(`${path} ${name}`))),
  );
  const running = spots.filter(runs).map(({ path }) => pattern(path));
  return `# bash completion for hauki. Put it where bash-completion looks, or: source <(hauki completion bash)

_hauki() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at= option= skip= glue= word
  local -i index count=0
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    # bash breaks words at "=" and ":"; what stands behind them belongs to the word before.
    if [[ $word == '=' ]]; then continue; fi
    if [[ $word == ':' ]]; then glue=1; continue; fi
    if [[ -n $glue ]]; then glue=; continue; fi
    if [[ -n $skip ]]; then skip=; option=; continue; fi
    if [[ $word == -- ]]; then _hauki_behind "$at" $((index + 1)); return; fi
    case "$at $word" in
      ${alternatives(valued)}) skip=1 option=$word ;;
      *' -'*) ;;
      ${alternatives(nested)}) at="\${at:+$at }$word" count=0 ;;
      *) count+=1 ;;
    esac
  done
  [[ $cur == '=' || $cur == ':' ]] && cur=
  if [[ -n $skip ]]; then
    case "$at $option" in
${spots.flatMap(optionCases).join('\n')}
    esac
    return
  fi
  if [[ $cur == -* ]]; then
    case $at in
${spots.map(({ path, options }) => `      ${pattern(path)}) _hauki_words '${options.flatMap(names).join(' ')}' ;;`).join('\n')}
    esac
    return
  fi
  case "$at:$count" in
${spots.flatMap(wordCases).join('\n')}
  esac
}

_hauki_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_hauki_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); }
_hauki_folders() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); }

# Behind "--" stands a command with its own arguments.
_hauki_behind() {
  case $1 in
    ${alternatives(running)}) ;;
    *) return ;;
  esac
  if declare -F _command_offset >/dev/null; then
    _command_offset "$2"
  elif ((COMP_CWORD == $2)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$cur")
  else
    _hauki_files
  fi
}

complete -F _hauki hauki
`;
}

function optionCases({ path, options }: Spot): string[] {
  return options.flatMap((option) => {
    const action = option.value === undefined ? undefined : actionOf(option.value);
    if (action === undefined) return [];
    return [`      ${alternatives(names(option).map((name) => pattern(`${path} ${name}`)))}) ${action} ;;`];
  });
}

function wordCases({ path, commands, arguments: args }: Spot): string[] {
  if (commands.length > 0)
    return [`    ${pattern(`${path}:0`)}) _hauki_words '${commands.map(({ name }) => name).join(' ')}' ;;`];
  return args.flatMap(({ value, variadic }, position) => {
    const action = actionOf(value);
    if (action === undefined) return [];
    return [`    ${pattern(`${path}:${variadic ? '' : position}`)}${variadic ? '*' : ''}) ${action} ;;`];
  });
}

function actionOf(value: Value): string | undefined {
  if (value.kind === 'words') return `_hauki_words '${value.words.join(' ')}'`;
  if (value.kind === 'files') return '_hauki_files';
  if (value.kind === 'folders') return '_hauki_folders';
  return undefined;
}

export function runs({ arguments: args }: Spot): boolean {
  return args.some(({ value }) => value.kind === 'command');
}

export function names({ short, long }: SpotOption): string[] {
  return [short, long].filter((name) => name !== undefined);
}

/** As it stands behind the words so far and a space. */
function withSpace(path: string): string {
  return path.includes(' ') ? path : ` ${path}`;
}

function alternatives(patterns: readonly string[]): string {
  return patterns.length === 0 ? `''` : patterns.join('|');
}

function pattern(text: string): string {
  return `'${text}'`;
}
