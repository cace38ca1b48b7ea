import type { Command } from 'commander';
import { CODES } from '../../base/codes.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { spotsOf } from '../completion/spot.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { printJson, printText } from '../output.ts';
import { helpOf } from '../reference/model.ts';

const SCRIPTS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export interface CompletionOptions {
  readonly json?: boolean;
}

/** `hauki completion SHELL`: the script that completes what this hauki knows. */
export async function completion(
  shell: keyof typeof SCRIPTS,
  options: CompletionOptions,
  whole: Command,
): Promise<number> {
  const program = helpOf(whole);
  const commands = program.commands.map(({ path }) => path.at(-1) ?? '');
  const spots = spotsOf(program, { 'explain code': Object.keys(CODES), 'man command': [...new Set(commands)] });
  const script = SCRIPTS[shell](spots);
  if (options.json) printJson({ shell, script });
  else printText(script);
  return Promise.resolve(0);
}
