import type { EventEmitter } from 'node:events';
import type { Argument, Command, Help, Option } from 'commander';

/**
 * What `--help` knows of a command, as data: manual pages, docs/cli.md and completions are made from it, so that they say what the
 * program does.
 */
export interface CommandHelp {
  /** From the program on: `['hauki', 'webhook', 'add']`. */
  readonly path: readonly string[];
  readonly description: string;
  /** `hauki webhook add [options] <url>` */
  readonly usage: string;
  readonly arguments: readonly ArgumentHelp[];
  readonly options: readonly OptionHelp[];
  /** What stands below, as it is printed: examples, environment, exit codes. */
  readonly after: string;
  readonly commands: readonly CommandHelp[];
}

export interface ArgumentHelp {
  /** `url` */
  readonly name: string;
  /** `<url>`, `[name]`, `<command...>` */
  readonly term: string;
  /** Empty where its name says all. */
  readonly description: string;
  readonly variadic: boolean;
  readonly choices: readonly string[] | undefined;
}

export interface OptionHelp {
  /** `-q, --quiet`, `--intent <text>` */
  readonly flags: string;
  readonly short: string | undefined;
  readonly long: string | undefined;
  /** What its value is called, `text`; undefined: it takes none. */
  readonly value: string | undefined;
  readonly description: string;
  readonly choices: readonly string[] | undefined;
  readonly repeatable: boolean;
}

/** @param command with all its subcommands defined */
export function helpOf(command: Command, above: readonly string[] = []): CommandHelp {
  const help = command.createHelp();
  const path = [...above, command.name()];
  return {
    path,
    description: help.commandDescription(command),
    usage: help.commandUsage(command),
    arguments: command.registeredArguments.map((argument) => argumentOf(argument, help)),
    options: help.visibleOptions(command).map((option) => optionOf(option, help)),
    after: textAfter(command),
    // The command that shows help is commander's, and known from everywhere.
    commands: help
      .visibleCommands(command)
      .filter((below) => below.name() !== 'help')
      .map((below) => helpOf(below, path)),
  };
}

function argumentOf(argument: Argument, help: Help): ArgumentHelp {
  const { variadic, argChoices, required } = argument;
  const name = argument.name();
  const words = variadic ? `${name}...` : name;
  return {
    name,
    term: required ? `<${words}>` : `[${words}]`,
    description: help.argumentDescription(argument),
    variadic,
    choices: argChoices,
  };
}

function optionOf(option: Option, help: Help): OptionHelp {
  return {
    flags: help.optionTerm(option),
    short: option.short,
    long: option.long,
    value: /[<[]([^>\]]+)[>\]]/.exec(option.flags)?.[1],
    description: help.optionDescription(option).replaceAll('\n', ' '),
    choices: option.argChoices,
    // Choices are parsed too; everything else that is parsed is collected.
    repeatable: option.parseArg !== undefined && option.argChoices === undefined,
  };
}

/** commander keeps what was added below as listeners for when help is printed. */
function textAfter(command: Command): string {
  const said: string[] = [];
  (command as unknown as EventEmitter).emit('afterHelp', {
    error: false,
    command,
    write: (text: string) => void said.push(text),
  });
  return said.join('').replace(/^\n+|\n+$/g, '');
}

/** A part of the text below: a paragraph, or lines that are meant as they are, under a heading or none. */
export type Block =
  | { readonly kind: 'words'; readonly text: string }
  | { readonly kind: 'lines'; readonly heading: string | undefined; readonly lines: readonly string[] }
  | { readonly kind: 'exit'; readonly codes: readonly string[] };

const EXIT = /^Exit codes: /;

/** @param after see CommandHelp */
export function blocksOf(after: string): Block[] {
  return after
    .split(/\n{2,}/)
    .filter((text) => text.trim() !== '')
    .map((text): Block => {
      const lines = text.split('\n');
      const flowing = lines.map((line) => line.trim()).join(' ');
      if (EXIT.test(text)) return { kind: 'exit', codes: flowing.replace(EXIT, '').split(' · ') };
      const [first = '', ...rest] = lines;
      if (first.endsWith(':') && rest.length > 0)
        return { kind: 'lines', heading: first.slice(0, -1), lines: unindented(rest) };
      if (lines.every((line) => line.startsWith('  ')))
        return { kind: 'lines', heading: undefined, lines: unindented(lines) };
      return { kind: 'words', text: flowing };
    });
}

function unindented(lines: readonly string[]): string[] {
  return lines.map((line) => line.replace(/^ {2}/, ''));
}
