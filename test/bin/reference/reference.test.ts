import { Argument, Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';

import { markdown } from '../../../src/bin/reference/markdown.ts';
import { blocksOf, helpOf } from '../../../src/bin/reference/model.ts';
import { manPage } from '../../../src/bin/reference/roff.ts';

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

function program(): Command {
  const hauki = new Command('hauki').description('undo.').version('1.2.3');
  hauki
    .command('guard')
    .description("what a | bar and .dots don't break")
    .argument('<command...>', 'after --')
    .option('-q, --quiet', 'say\nnothing')
    .option('--path <dir>', 'again and again', collect)
    .addOption(new Option('--on <what>', 'when').choices(['a', 'b']).default('a'))
    .addOption(new Option('--secret', 'nobody sees it').hideHelp())
    .addHelpText('after', '\nExamples:\n  $ hauki guard\n\n.Words that\nflow.\n\nExit codes: 0 done · 64 wrong\nusage');
  const hook = hauki.command('hook').description('parts');
  hook
    .command('add')
    .addArgument(new Argument('[kind]', 'of').choices(['x', 'y']))
    .description('adds');
  return hauki;
}

describe('the help as data', () => {
  test('has everything that is shown, and nothing that is hidden', () => {
    const [guard, hook] = helpOf(program()).commands;
    expect(guard).toMatchObject({
      path: ['hauki', 'guard'],
      usage: 'hauki guard [options] <command...>',
      arguments: [{ name: 'command', term: '<command...>', variadic: true }],
    });
    expect(guard?.options.map(({ flags, value, repeatable, choices }) => [flags, value, repeatable, choices])).toEqual([
      ['-q, --quiet', undefined, false, undefined],
      ['--path <dir>', 'dir', true, undefined],
      ['--on <what>', 'what', false, ['a', 'b']],
      ['-h, --help', undefined, false, undefined],
    ]);
    expect(guard?.options[0]?.description).toBe('say nothing');
    expect(guard?.options[2]?.description).toBe('when (choices: "a", "b", default: "a")');
    expect(guard?.after).toMatch(/^Examples:\n {2}\$ hauki guard\n\n\.Words/);
    expect(hook?.commands.map(({ path }) => path.join(' '))).toEqual(['hauki hook add']);
  });

  test('text below is examples, words and exit codes', () => {
    expect(blocksOf('Examples:\n  $ a\n    b\n\nOne\ntwo.\n\nExit codes: 0 done · 64 wrong\nusage')).toEqual([
      { kind: 'lines', heading: 'Examples', lines: ['$ a', '  b'] },
      { kind: 'words', text: 'One two.' },
      { kind: 'exit', codes: ['0 done', '64 wrong usage'] },
    ]);
  });
});

describe('pages made from it', () => {
  test('a manual page holds nothing that roff would obey', () => {
    const [guard] = helpOf(program()).commands;
    if (guard === undefined) throw new Error('there is a guard');
    const page = manPage([guard], '1.2.3');
    expect(page).toContain(".SH NAME\nhauki\\-guard \\- what a | bar and .dots don't break\n");
    expect(page).toContain('.SH "EXAMPLES"\n.nf\n$ hauki guard\n.fi\n.PP\n\\&.Words that flow.\n');
    expect(page).toContain('.SH "EXIT STATUS"\n.TP\n.B 0\ndone\n.TP\n.B 64\nwrong usage\n');
    expect(page).toMatch(/^\.TH "HAUKI\\-GUARD" 1 "" "hauki 1\.2\.3" "hauki"\n/);
    expect(page).toMatch(/^[\p{ASCII}]*$/u);
  });

  test('two forms of a command are one page', () => {
    const [guard, hook] = helpOf(program()).commands;
    if (guard === undefined || hook === undefined) throw new Error('there are both');
    const page = manPage([guard, hook], '1');
    expect(page).toContain('.B hauki\nguard [options] <command...>\n.PP\n.B hauki\nhook [options] [command]\n');
    expect(page.match(/^\.SH NAME$/gm)?.length).toBe(1);
  });

  test('Markdown has a section for each command, at the anchor that the table names', () => {
    const page = markdown(helpOf(program()));
    expect(page).toContain("| [`hauki guard`](#hauki-guard-options-command) | what a \\| bar and .dots don't break |");
    expect(page).toContain('\n## `hauki guard [options] <command...>`\n\nWhat a | bar');
    expect(page).toContain('| `--path <dir>` | again and again |');
    expect(page).toContain('-->\n```console\n$ hauki guard\n```\n');
    expect(page).toContain('\n### `hauki hook add [options] [kind]`\n');
    expect(page).toContain('- **64** wrong usage');
  });
});
