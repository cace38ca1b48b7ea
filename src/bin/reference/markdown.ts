import { type Block, blocksOf, type CommandHelp } from './model.ts';
import { onePerName } from './roff.ts';

const NOT_RUN = '<!-- not run: as in the help, where it stands for what somebody has -->';

/** docs/cli.md: every command on one page. */
export function markdown(program: CommandHelp): string {
  const { commands } = program;
  return `${[
    '# The command line',
    'Made from the program itself: `npm run reference` writes it, a test holds it against `--help`. The same as manual pages: `hauki man`, `hauki man guard`; completions for bash, zsh and fish: `hauki completion SHELL`. Every error code: [errors.md](errors.md), or `hauki explain CODE`.',
    ['| command | |', '|---|---|', ...onePerName(commands).map(row)].join('\n'),
    '## hauki',
    ...body(program),
    ...commands.flatMap((command) => [`## ${inCode(command.usage)}`, ...body(command)]),
  ].join('\n\n')}\n`;

  function row({ path, description, usage }: CommandHelp): string {
    return `| [${inCode(path.join(' '))}](#${anchor(usage)}) | ${cell(description)} |`;
  }
}

function body(help: CommandHelp): string[] {
  const { description, arguments: args, options, after, commands, path } = help;
  const rows = [
    ...args.filter((argument) => argument.description !== '').map((one) => [one.term, one.description] as const),
    ...options.filter(({ long }) => long !== '--help').map((one) => [one.flags, one.description] as const),
  ];
  return [
    sentence(description),
    ...(rows.length === 0
      ? []
      : [
          ['| | |', '|---|---|', ...rows.map(([term, words]) => `| ${cell(inCode(term))} | ${cell(words)} |`)].join(
            '\n',
          ),
        ]),
    ...blocksOf(after).flatMap(blockText),
    ...(path.length === 1 ? [] : commands.flatMap((below) => [`### ${inCode(below.usage)}`, ...body(below)])),
  ];
}

function blockText(block: Block): string[] {
  if (block.kind === 'words') return [escaped(block.text)];
  if (block.kind === 'exit')
    return ['Exit codes:', block.codes.map((code) => `- ${escaped(code).replace(/^\d+/, '**$&**')}`).join('\n')];
  const isShell = block.lines.some((line) => line.startsWith('$ '));
  // A fence in a fence is read by few; what is indented is read by all.
  const isFenced = block.lines.some((line) => line.startsWith('```'));
  const code = isFenced
    ? block.lines.map((line) => `    ${line}`)
    : [`\`\`\`${isShell ? 'console' : 'text'}`, ...block.lines, '```'];
  return [
    ...(block.heading === undefined ? [] : [`${escaped(block.heading)}:`]),
    [...(isShell ? [NOT_RUN] : []), ...code].join('\n'),
  ];
}

function sentence(text: string): string {
  const words = escaped(text);
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${words.endsWith('.') ? '' : '.'}`;
}

function inCode(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** A cell ends at a bar, and lives on one line. */
function cell(text: string): string {
  return (text.startsWith('`') ? text : escaped(text)).replaceAll('|', '\\|').replaceAll('\n', ' ');
}

/** What Markdown would take for marks. */
function escaped(text: string): string {
  return text.replaceAll(/[<>*\\[\]]|(?<!\w)_|_(?!\w)/g, '\\$&');
}

/** As GitHub and GitLab make them: letters, digits, hyphens. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
    .replaceAll(' ', '-');
}
