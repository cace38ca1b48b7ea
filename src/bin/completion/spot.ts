import type { ArgumentHelp, CommandHelp, OptionHelp } from '../reference/model.ts';

/** What can stand at a place of the command line. */
export type Value =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'files' | 'folders' | 'command' | 'anything' };

/** Everything that can be said after the words that lead to a command. */
export interface Spot {
  /** Without the program: `webhook add`; the program's own is empty. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly SpotOption[];
  readonly arguments: readonly { readonly name: string; readonly value: Value; readonly variadic: boolean }[];
}

export interface SpotOption {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly description: string;
  /** What its value is called, and what it can be; undefined: it takes none. */
  readonly value: (Value & { readonly name: string }) | undefined;
  readonly repeatable: boolean;
}

/** Words that only the program knows, by `path argument`: `explain code`. */
export type KnownWords = Readonly<Record<string, readonly string[]>>;

/**
 * The program as a list of spots, its own first.
 *
 * @param known more than the help tells, by `path argument`: `explain code`
 */
export function spotsOf(program: CommandHelp, known: KnownWords = {}): Spot[] {
  const spots: Spot[] = [];
  const visit = (help: CommandHelp): void => {
    const spot = spotOf(help, known);
    const same = spots.findIndex(({ path }) => path === spot.path);
    // What is said in more than one way is one spot, with the options of all.
    if (same === -1) spots.push(spot);
    else spots[same] = joined(spots[same] ?? spot, spot);
    for (const below of help.commands) visit(below);
  };
  visit(program);
  return spots;
}

function spotOf({ path, commands, options, arguments: args }: CommandHelp, known: KnownWords): Spot {
  const words = path.slice(1).join(' ');
  const names = new Map(commands.map((below) => [below.path.at(-1) ?? '', below.description]));
  return {
    path: words,
    commands: [...names].map(([name, description]) => ({ name, description })),
    options: options.map(optionOf),
    arguments: args.map((argument) => ({
      name: argument.name,
      value: valueOfArgument(argument, known[`${words} ${argument.name}`.trim()]),
      variadic: argument.variadic,
    })),
  };
}

function joined(one: Spot, other: Spot): Spot {
  const more = other.options.filter(({ long }) => !one.options.some((option) => option.long === long));
  // A file, or a command behind "--": what is not known is left to the shell.
  return { ...one, options: [...one.options, ...more], arguments: [...one.arguments.slice(0, 1), ...other.arguments] };
}

function optionOf({ short, long, description, value, choices, repeatable }: OptionHelp): SpotOption {
  return {
    short,
    long,
    description,
    repeatable,
    value: value === undefined ? undefined : { name: value, ...valueNamed(value, choices) },
  };
}

function valueOfArgument({ name, variadic, choices }: ArgumentHelp, known: readonly string[] | undefined): Value {
  if (variadic && name === 'command') return { kind: 'command' };
  return valueNamed(name, choices ?? known);
}

/** By what it is called: `dir` is a folder everywhere. */
function valueNamed(name: string, words: readonly string[] | undefined): Value {
  if (words !== undefined) return { kind: 'words', words };
  if (name === 'dir') return { kind: 'folders' };
  if (['file', 'logfile', 'path', 'key'].includes(name)) return { kind: 'files' };
  return { kind: 'anything' };
}
