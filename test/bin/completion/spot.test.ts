import { Argument, Command, Option } from 'commander';
import { expect, test } from 'vitest';

import { spotsOf } from '../../../src/bin/completion/spot.ts';
import { helpOf } from '../../../src/bin/reference/model.ts';

test('a spot tells what can stand there: words, files, folders, another command, anything', () => {
  const hauki = new Command('hauki');
  hauki.command('explain').argument('[code]');
  hauki.command('drop').argument('<node>').argument('<file>').option('--path <dir>').option('--as <name>');
  hauki
    .command('run')
    .argument('<command...>')
    .addOption(new Option('--on <what>').choices(['a', 'b']));
  const hook = hauki.command('hook');
  hook.command('add').addArgument(new Argument('<kind>').choices(['x']));
  const spots = spotsOf(helpOf(hauki), { 'explain code': ['usage'] });
  const at = (path: string) => spots.find((spot) => spot.path === path);
  expect(spots.map(({ path }) => path)).toEqual(['', 'explain', 'drop', 'run', 'hook', 'hook add']);
  expect(at('')?.commands.map(({ name }) => name)).toEqual(['explain', 'drop', 'run', 'hook']);
  expect(at('explain')?.arguments[0]?.value).toEqual({ kind: 'words', words: ['usage'] });
  expect(at('drop')?.arguments.map(({ value }) => value.kind)).toEqual(['anything', 'files']);
  expect(at('drop')?.options.map(({ long, value }) => [long, value?.kind])).toEqual([
    ['--path', 'folders'],
    ['--as', 'anything'],
    ['--help', undefined],
  ]);
  expect(at('run')?.arguments[0]).toMatchObject({ value: { kind: 'command' }, variadic: true });
  expect(at('run')?.options[0]?.value).toEqual({ kind: 'words', words: ['a', 'b'], name: 'what' });
  expect(at('hook add')?.arguments[0]?.value).toEqual({ kind: 'words', words: ['x'] });
});

test('a command that is said in two ways is one spot with the options of both', () => {
  const hauki = new Command('hauki');
  hauki.command('exec').argument('<file>').option('--yes').option('--via <context>');
  hauki.command('exec-command').name('exec').argument('<command...>').option('--cwd <dir>').option('--via <context>');
  const spot = spotsOf(helpOf(hauki)).find(({ path }) => path === 'exec');
  expect(spot?.options.map(({ long }) => long)).toEqual(['--yes', '--via', '--help', '--cwd']);
  expect(spot?.arguments.map(({ value }) => value.kind)).toEqual(['files', 'command']);
});
