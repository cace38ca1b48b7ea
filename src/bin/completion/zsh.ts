import { names } from './bash.ts';
import type { Spot, SpotOption, Value } from './spot.ts';

/** Completion for zsh: one function a command, each for _arguments. `commands` is a name of zsh's own, and stays what it is. */
export function zshCompletion(spots: readonly Spot[]): string {
  return `#compdef hauki
# zsh completion for hauki. Put it as _hauki into a folder of $fpath, or: source <(hauki completion zsh)

${spots.map((spot) => spotFunction(spot)).join('\n')}
# Loaded by compinit the file is the function; sourced it says whose it is.
if [[ $funcstack[1] == _hauki ]]; then
  _hauki "$@"
else
  compdef _hauki hauki
fi
`;
}

function spotFunction(spot: Spot): string {
  const { path, commands, options, arguments: args } = spot;
  const specs = options.map(optionSpec);
  if (commands.length === 0)
    return `${functionName(path)}() {
  _arguments -s -S \\
    ${[...specs, ...args.map(argumentSpec)].join(' \\\n    ')}
}
`;
  return `${functionName(path)}() {
  local curcontext=$curcontext state line
  local -a below
  _arguments -C -s -S \\
    ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command)
      below=(
${commands.map(({ name, description }) => `        '${literal(`${name.replaceAll(':', '\\:')}:${description}`)}'`).join('\n')}
      )
      _describe -t commands 'hauki command' below
      ;;
    rest)
      case $line[1] in
${commands.map(({ name }) => `        ${name}) ${functionName(`${path} ${name}`.trim())} ;;`).join('\n')}
      esac
      ;;
  esac
}
`;
}

function optionSpec(option: SpotOption): string {
  const { description, value, repeatable } = option;
  const words = description.replaceAll('\\', '\\\\').replaceAll(/[[\]:]/g, '\\$&');
  const tail = value === undefined ? '' : `:${value.name.replaceAll(':', '\\:')}:${actionOf(value)}`;
  const rest = `'[${literal(words)}]${literal(tail)}'`;
  const own = names(option);
  const [only = ''] = own;
  if (repeatable) return own.length === 1 ? `'*'${only}${rest}` : `'*'{${own.join(',')}}${rest}`;
  return own.length === 1 ? `${only}${rest}` : `'(${own.join(' ')})'{${own.join(',')}}${rest}`;
}

function argumentSpec({ name, value, variadic }: Spot['arguments'][number], index: number): string {
  // A command has arguments of its own, which its own completion knows.
  if (value.kind === 'command') return `'*:: :_normal'`;
  return `'${variadic ? '*' : index + 1}:${literal(name)}:${literal(actionOf(value))}'`;
}

function actionOf(value: Value): string {
  if (value.kind === 'words') return `(${value.words.join(' ')})`;
  if (value.kind === 'files') return '_files';
  if (value.kind === 'folders') return '_files -/';
  return '';
}

function functionName(path: string): string {
  return path === '' ? '_hauki' : `_hauki_${path.replaceAll(/\W/g, '_')}`;
}

/** Inside single quotes. */
function literal(text: string): string {
  return text.replaceAll("'", "'\\''");
}
