import { type Block, blocksOf, type CommandHelp } from './model.ts';

/** Manual pages, in the man macros that groff and mandoc both read. */

/**
 * One page: a command with its subcommands.
 *
 * @param forms a command that is said in more than one way is one page
 * @param version stands at the foot; no date does, so that the same source makes the same page
 */
export function manPage(forms: readonly [CommandHelp, ...CommandHelp[]], version: string): string {
  const [first] = forms;
  const name = first.path.join('-');
  const lines = [
    `.TH ${quoted(name.toUpperCase())} 1 "" ${quoted(`hauki ${version}`)} "hauki"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(forms.map(({ description }) => description).join('; '))}`,
    '.SH SYNOPSIS',
    ...forms.flatMap((form, index) => [...(index > 0 ? ['.PP'] : []), ...synopsis(form)]),
    ...forms.flatMap((form) => [
      ...(forms.length > 1 ? [`.SH ${quoted(form.usage.toUpperCase())}`, escaped(`${form.description}.`)] : []),
      ...parts(form, forms.length > 1 ? '.SS' : '.SH'),
    ]),
    ...seeAlso(first),
  ];
  return `${lines.join('\n')}\n`;
}

function synopsis({ usage }: CommandHelp): string[] {
  const [program = '', ...rest] = usage.split(' ');
  return [`.B ${escaped(program)}`, escaped(rest.join(' '))];
}

function parts(help: CommandHelp, heading: '.SH' | '.SS'): string[] {
  const { arguments: args, options, commands, after, path } = help;
  const explained = args.filter(({ description }) => description !== '');
  const isProgram = path.length === 1;
  return [
    ...section(
      heading,
      'Arguments',
      explained.flatMap(({ term, description }) => item(term, description)),
    ),
    ...section(
      heading,
      'Options',
      options.flatMap(({ flags, description }) => item(flags, description)),
    ),
    // The program's commands have pages of their own.
    ...(isProgram
      ? section(
          heading,
          'Commands',
          onePerName(commands).flatMap(({ path: at, description }) => item(at.join('-'), description)),
        )
      : []),
    ...blocksOf(after).flatMap((block) => blockLines(block, heading)),
    ...(isProgram ? [] : commands.flatMap(subcommand)),
  ];
}

function subcommand(help: CommandHelp): string[] {
  const { usage, description, arguments: args, options, after } = help;
  return [
    `.SH ${quoted(help.path.join(' ').toUpperCase())}`,
    `.B ${escaped(usage)}`,
    '.PP',
    escaped(`${description}.`),
    ...args
      .filter(({ description: words }) => words !== '')
      .flatMap(({ term, description: words }) => item(term, words)),
    ...options.flatMap(({ flags, description: words }) => item(flags, words)),
    ...blocksOf(after).flatMap((block) => blockLines(block, '.SS')),
    ...help.commands.flatMap(subcommand),
  ];
}

function section(heading: '.SH' | '.SS', title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`${heading} ${titled(title, heading)}`, ...lines];
}

function item(term: string, description: string): string[] {
  return ['.TP', `.B ${escaped(term)}`, escaped(description === '' ? ' ' : description)];
}

function blockLines(block: Block, heading: '.SH' | '.SS'): string[] {
  if (block.kind === 'words') return ['.PP', escaped(block.text)];
  if (block.kind === 'exit')
    return section(
      heading,
      'Exit status',
      block.codes.flatMap((code) => {
        const [, number, words] = /^(\d+) (.*)$/s.exec(code) ?? [];
        return number === undefined || words === undefined ? [escaped(code)] : item(number, words);
      }),
    );
  const { heading: title, lines } = block;
  const named = title !== undefined && /^\S+$/.test(title);
  return [
    ...(named ? [`${heading} ${titled(title, heading)}`] : title === undefined ? [] : ['.PP', escaped(`${title}:`)]),
    ...(named ? [] : ['.PP']),
    '.nf',
    ...lines.map(escaped),
    '.fi',
  ];
}

function seeAlso({ path, commands }: CommandHelp): string[] {
  const others = path.length > 1 ? ['hauki'] : onePerName(commands).map((below) => below.path.join('-'));
  return ['.SH SEE ALSO', others.map((name) => `\\fB${escaped(name)}\\fR(1)`).join(', ')];
}

/** The first of those that share a name. */
export function onePerName(commands: readonly CommandHelp[]): CommandHelp[] {
  return commands.filter(({ path }, index) => commands.findIndex((one) => one.path.at(-1) === path.at(-1)) === index);
}

function titled(title: string, heading: '.SH' | '.SS'): string {
  return quoted(heading === '.SH' ? title.toUpperCase() : title);
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`;
}

/** Text that roff takes for nothing else: no requests, no escapes, hyphens that can be copied, and ASCII alone. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replaceAll('`', '\\(ga')
    .replaceAll(
      /[^\p{ASCII}]/gu,
      (one) => `\\[u${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replace(/^(['.])/, '\\&$1');
}
