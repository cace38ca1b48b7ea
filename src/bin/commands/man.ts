import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { printJson, printText } from '../output.ts';
import { markdown } from '../reference/markdown.ts';
import { type CommandHelp, helpOf } from '../reference/model.ts';
import { manPage } from '../reference/roff.ts';
import { VERSION } from '../version.ts';
import { usage } from './asking.ts';

export interface ManOptions {
  readonly into?: string;
  readonly markdown?: boolean;
  readonly json?: boolean;
}

/** `hauki man [COMMAND]`: the manual page of a command, shown by man on a terminal, as it is anywhere else. */
export async function man(name: string | undefined, options: ManOptions, whole: Command): Promise<number> {
  const program = helpOf(whole);
  if (options.markdown) {
    const text = markdown(program);
    if (options.json) printJson({ text });
    else printText(text);
    return 0;
  }
  const pages = pagesOf(program);
  if (options.into !== undefined) return written(pages, options.into, options.json ?? false);
  const wanted = name === undefined ? 'hauki' : `hauki-${name}`;
  const page = pages.get(wanted);
  if (page === undefined)
    throw usage(
      `There is no command "${name}".`,
      'See "hauki --help" for all of them; "hauki man" is about hauki itself.',
    );
  if (options.json) printJson({ page: `${wanted}.1`, text: page });
  else if (!isatty(1) || !(await shown(page))) printText(page);
  return 0;
}

/** @returns each page by its name, without the section */
function pagesOf(program: CommandHelp): Map<string, string> {
  const forms = new Map<string, [CommandHelp, ...CommandHelp[]]>();
  for (const help of [program, ...program.commands]) {
    const name = help.path.join('-');
    const known = forms.get(name);
    if (known === undefined) forms.set(name, [help]);
    else known.push(help);
  }
  return new Map([...forms].map(([name, help]) => [name, manPage(help, VERSION)]));
}

function written(pages: ReadonlyMap<string, string>, folder: string, json: boolean): number {
  mkdirSync(folder, { recursive: true });
  for (const [name, page] of pages) writeFileSync(join(folder, `${name}.1`), page);
  if (json) printJson({ folder, pages: [...pages.keys()].map((name) => `${name}.1`) });
  else printText(`${pages.size} pages in ${folder}`);
  return 0;
}

/** @returns whether man could show it */
function shown(page: string): Promise<boolean> {
  return new Promise((resolve) => {
    // Ctrl-C is the pager's; should this process end of it, shell and pager would read the same terminal.
    const leave = (): void => undefined;
    for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.on(signal, leave);
    const end = (could: boolean): void => {
      for (const signal of ['SIGINT', 'SIGQUIT'] as const) process.off(signal, leave);
      resolve(could);
    };
    const child = spawn('man', ['-l', '-'], { stdio: ['pipe', 'inherit', 'inherit'] });
    child.once('error', () => end(false));
    child.once('close', (code) => end(code === 0));
    // A reader that is closed before the end has seen enough.
    child.stdin.on('error', () => undefined);
    child.stdin.end(page);
  });
}
