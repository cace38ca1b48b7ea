import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ROOT } from './place.ts';

/*
 * The shell blocks of README and docs/, and how they are run. Nothing in a document is run unless it says so, because a
 * block may well make pools or install services:
 *
 *     <!-- run -->                    the block below is run, after those above it, in the same shell
 *     <!-- run, with: curl, git -->   and needs these components of test/needs.ts
 *     <!-- not run: why -->           it is not
 *     <!-- set up: … -->              commands that readers do not see
 *
 * In a block that is run, a line may end in what is true of it:
 *
 *     cat site/index.html             # → goodbye         what it prints; with … at the end, how that begins
 *     hauki guard … -- false          # exit code 1
 */

export interface Block {
  /** Relative to the root of the repository, and the line of the first line of text in it. */
  readonly path: string;
  readonly line: number;
  /** What the fence says behind its backticks; empty when nothing. */
  readonly info: string;
  readonly text: string;
  /** The comment before it, without its marks; undefined when there is none. */
  readonly comment: string | undefined;
}

/** What is run of a document, in its order. */
export interface Part {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  readonly needs: readonly string[];
}

/** Paths of all documents, relative to the root. */
export function documents(): string[] {
  const under = (folder: string): string[] =>
    readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return under(path);
      return entry.name.endsWith('.md') ? [path] : [];
    });
  return ['README.md', ...under('docs').toSorted()];
}

export function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

// Further in it is code that shows a fence.
const FENCE = /^( {0,3})(`{3,}|~{3,})([^`]*)$/;

/** The fenced blocks of a document. A fence ends with one of its kind that is at least as long, or with the document. */
export function blocksOf(path: string, text: string): Block[] {
  const blocks: Block[] = [];
  const lines = text.split('\n');
  let commented = false;
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '';
    // What stands in a comment is nobody's block.
    if (commented || line.includes('<!--')) {
      commented = line.lastIndexOf('-->') < line.lastIndexOf('<!--') || (commented && !line.includes('-->'));
      continue;
    }
    const [, indent = '', fence, info = ''] = FENCE.exec(line) ?? [];
    if (fence === undefined) continue;
    const ends = (one: string): boolean => one.trim().startsWith(fence) && /^(`+|~+)$/.test(one.trim());
    const end = lines.findIndex((one, index) => index > at && ends(one));
    const inside = lines.slice(at + 1, end === -1 ? lines.length : end);
    const margin = new RegExp(`^ {0,${indent.length}}`);
    blocks.push({
      path,
      line: at + 2,
      info: info.trim(),
      text: inside.map((one) => one.replace(margin, '')).join('\n'),
      comment: commentBefore(lines, at),
    });
    at += inside.length + 1;
  }
  return blocks;
}

function commentBefore(lines: readonly string[], fence: number): string | undefined {
  const before = lines.slice(0, fence).join('\n').trimEnd();
  if (!before.endsWith('-->')) return undefined;
  return before.slice(before.lastIndexOf('<!--') + 4, -3).trim();
}

export function isShell({ info }: Block): boolean {
  return /^(sh|bash|shell|shell-session|console|zsh|fish|dash)\b/.test(info);
}

/** What is wrong with how a block is marked; undefined when nothing is. */
export function fault(block: Block): string | undefined {
  const { info, comment = '' } = block;
  if (info === '') return 'a fence says what is in it: sh, text, yaml, …';
  if (!isShell(block)) return undefined;
  if (/^run(, with: [a-z-]+(, [a-z-]+)*)?$/.test(comment)) return undefined;
  if (/^not run: \S.{5,}$/s.test(comment)) return undefined;
  return 'a shell block is run (<!-- run --> before it), or says why not (<!-- not run: why -->)';
}

/** What is run of a document: its marked blocks, and what sets them up. */
export function partsOf(path: string, text: string): Part[] {
  const blocks = blocksOf(path, text)
    .filter((block) => isShell(block) && /^run\b/.test(block.comment ?? ''))
    .map((block) => ({ ...block, needs: (block.comment ?? '').split(': ')[1]?.split(', ') ?? [] }));
  const setUps = [...text.matchAll(/<!-- set up:(.*?)-->/gs)].map((match) => ({
    path,
    line: text.slice(0, match.index).split('\n').length,
    text: match[1] ?? '',
    needs: [],
  }));
  return [...setUps, ...blocks].toSorted((one, other) => one.line - other.line);
}

/**
 * A part as bash runs it, every line at the number it has in its document. Lines that end in `# → …` or `# exit code N`
 * are held to it.
 */
export function scriptOf({ line, text }: Part): string {
  const lines = text.split('\n');
  const script: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    // Continued lines are one command.
    let command = lines[at] ?? '';
    let joined = 0;
    while (command.endsWith('\\') && at + 1 < lines.length) {
      command = `${command.slice(0, -1)} ${lines[(at += 1)] ?? ''}`;
      joined += 1;
    }
    script.push(...Array<string>(joined).fill(''), held(command));
  }
  return '\n'.repeat(line - 1) + script.join('\n') + '\n';
}

function held(command: string): string {
  const [, ending, code] = /^(.*\S)\s+# exit code (\d+)\b.*$/.exec(command) ?? [];
  if (ending !== undefined) return `__code=0; ${ending} || __code=$?; __is 'exit code' ${code} "$__code"`;
  const [, printing, words = ''] = /^(.*\S)\s+# → (.*)$/.exec(command) ?? [];
  if (printing === undefined) return command;
  return `__said=$(${printing}); __is output ${quoted(words.trim())} "$__said"`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Begins a session: the first command that fails ends it and says where it stands. */
export const OPENING = `set -euE
trap 'echo "failed: \${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND" >&2' ERR
trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT
__is() {
  case $2 in *…) [[ $3 == "\${2%…}"* ]] ;; *) [[ $3 == "$2" ]] ;; esac && return
  echo "$1: '$3', and not '$2'" >&2
  return 1
}
`;
