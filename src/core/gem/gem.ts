import type { Refusal } from '../../base/refusal.ts';
import { refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Attributes, gemInvalid, parseAttributes, shown } from './attributes.ts';
import { closesFence, type Fence, openingFence } from './fence.ts';
import { dedent, type Place, Places } from './place.ts';

/** A command block of a text. */
export interface Block extends Attributes {
  /** Its marker's line and its last, from 1. */
  readonly line: number;
  readonly endLine: number;
  readonly interpreter: Interpreter;
  /** What it runs, its lines ended by a newline each. */
  readonly script: string;
  /** Number, from 0, of an earlier block that says the very same. */
  readonly sameAs?: number;
}

export type Interpreter = 'sh' | 'bash';

export interface Gem {
  /** In the text's order; at least one. */
  readonly blocks: readonly Block[];
  /** What looks like a block and is none, for people. */
  readonly passed: readonly { readonly line: number; readonly why: string }[];
}

/** Of code in a fence below a marker: what else a shell's block is called. */
const LANGUAGES: Readonly<Record<string, Interpreter>> = { '': 'sh', sh: 'sh', shell: 'sh', bash: 'bash' };
const MARKER = /^\[GEM-EXEC(?:[ \t]+(\S.*)?)?\][ \t]*$/;
const END = '[/GEM-EXEC]';
const CLOSE = `Close it with "${END}" on a line of its own`;

/**
 * Finds the command blocks of a Markdown or plain text: fences marked `gem-exec`, and `[GEM-EXEC]` sections. What could be read in two ways is
 * refused, since what is read wrong is executed. Linear in the text's length.
 *
 * @returns `gem_invalid` with the line
 */
export function parseGem(text: string): Result<Gem, Refusal> {
  if (text.includes('\0')) return err(refusal('gem_invalid', 'There is a NUL in it: it is no text.'));
  try {
    const reader = new Reader(text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line)));
    reader.read();
    if (reader.blocks.length === 0) return err(refusal('gem_invalid', noBlocks(reader.passed)));
    return ok({ blocks: reader.blocks, passed: reader.passed });
  } catch (error) {
    if (error instanceof Wrong) return err(error.refusal);
    throw error;
  }
}

class Wrong extends Error {
  readonly refusal: Refusal;

  constructor(reason: Refusal) {
    super(reason.message);
    this.refusal = reason;
  }
}

function wrong(at: number, why: string): never {
  throw new Wrong(gemInvalid(at + 1, why));
}

type Text = Extract<Place, { kind: 'text' }>;

class Reader {
  readonly blocks: Block[] = [];
  readonly passed: { line: number; why: string }[] = [];
  readonly #lines: readonly string[];
  readonly #places = new Places();
  /** Of what was read already: where it stands first. */
  readonly #known = new Map<string, number>();
  #at = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  read(): void {
    for (; this.#at < this.#lines.length; this.#at += 1) {
      const line = this.#lines[this.#at] ?? '';
      const place = this.#places.look(line);
      if (place.kind === 'text') this.#text(place);
      else if (place.kind !== 'blank' && looksLikeOne(line))
        this.#pass(
          this.#at,
          { quote: 'it is quoted', code: 'it is indented code', comment: 'it is in a comment' }[place.kind],
        );
    }
  }

  #text(place: Text): void {
    const fence = openingFence(place.text);
    if (fence !== undefined) return this.#fence(fence, place);
    if (MARKER.test(place.text)) return this.#section(place);
    if (place.text.trimEnd() === END) wrong(this.#at, `${END} closes nothing`);
    if (/^[#*_\s]*\[\/?GEM-EXEC/i.test(place.text))
      wrong(
        this.#at,
        'a marker is [GEM-EXEC] or [GEM-EXEC node=NAME …], in capitals, alone on its line and without decoration',
      );
    if (/^(?:`{3}|~{3}).*gem-exec/i.test(place.text)) wrong(this.#at, 'a fence with a backtick behind it is none');
  }

  #fence(fence: Fence, place: Text): void {
    const begun = this.#at;
    const marked = /gem-exec/i.test(fence.info) ? headOf(fence.info, begun) : undefined;
    const script = this.#fenced(fence, place, marked === undefined);
    if (marked !== undefined) this.#add(begun, marked.attributes, marked.interpreter, script);
  }

  /** To the fence's end. @returns what is in it; where the reader stands afterwards, on its last line */
  #fenced(fence: Fence, { indent, column }: Text, foreign: boolean): readonly string[] {
    const begun = this.#at;
    const content: string[] = [];
    for (this.#at += 1; this.#at < this.#lines.length; this.#at += 1) {
      const line = this.#lines[this.#at] ?? '';
      if (!Places.within(line, column)) break;
      const text = dedent(line, column);
      if (/^ {0,3}\S/.test(text) && closesFence(text.trimStart(), fence)) return content;
      if (foreign && looksLikeOne(line)) this.#pass(this.#at, 'it is in another fence');
      content.push(dedent(text, indent));
    }
    return wrong(begun, `the fence is not closed; ${fence.char.repeat(fence.length)} on a line of its own does it`);
  }

  #section(place: Text): void {
    const begun = this.#at;
    const attributes = attributesOf(MARKER.exec(place.text)?.[1] ?? '', begun);
    const next = this.#afterBlanks(begun + 1);
    const inner = this.#fenceAt(next, place);
    if (inner === undefined) return this.#lined(begun, attributes, place);
    this.#at = next;
    const { fence } = inner;
    if (/gem-exec/i.test(fence.info)) wrong(next, `it is marked twice, here and in line ${begun + 1}`);
    const interpreter = LANGUAGES[fence.info.split(/\s/, 1)[0] ?? ''];
    if (interpreter === undefined) wrong(next, `${shown(fence.info)} is no shell; blocks are run by sh or bash`);
    const script = this.#fenced(fence, inner.place, false);
    this.#add(begun, attributes, interpreter, script);
    this.#takeEnd();
  }

  #fenceAt(at: number, { column }: Text): { fence: Fence; place: Text } | undefined {
    const line = this.#lines[at] ?? '';
    if (!Places.within(line, column)) return undefined;
    const text = dedent(line, column);
    const indent = text.length - text.trimStart().length;
    const fence = indent > 3 ? undefined : openingFence(text.trimStart());
    return fence && { fence, place: { kind: 'text', text: text.trimStart(), indent, column } };
  }

  #afterBlanks(from: number): number {
    let at = from;
    while (this.#lines[at]?.trim() === '') at += 1;
    return at;
  }

  /** The section's own end behind its fence, which may stand there. */
  #takeEnd(): void {
    const next = this.#afterBlanks(this.#at + 1);
    if (this.#lines[next]?.trim() === END) this.#at = next;
  }

  /** A section of lines, up to its end: what looks like the text going on would be executed, so nothing else ends it. */
  #lined(begun: number, attributes: Attributes, { indent, column }: Text): void {
    const script: string[] = [];
    for (this.#at += 1; this.#at < this.#lines.length; this.#at += 1) {
      const line = this.#lines[this.#at] ?? '';
      if (!Places.within(line, column)) break;
      if (line.trim() === END) return this.#add(begun, attributes, 'sh', script);
      const text = dedent(line, column + indent);
      if (/\[GEM-EXEC/.test(text)) break;
      if (openingFence(text.trimStart()) !== undefined)
        wrong(this.#at, `a fence in the middle of a section; put all of it into one, or ${END} before it`);
      script.push(text);
    }
    wrong(begun, `nobody can say where the section ends. ${CLOSE}, or put its commands into a fence right below it`);
  }

  #add(begun: number, attributes: Attributes, interpreter: Interpreter, lines: readonly string[]): void {
    if (lines.every((line) => /^\s*(?:#.*)?$/.test(line))) wrong(begun, 'there is no command in it');
    const script = `${lines.join('\n')}\n`;
    const whole = JSON.stringify([attributes, interpreter, script]);
    const sameAs = this.#known.get(whole);
    this.#known.set(whole, sameAs ?? this.blocks.length);
    const place = { line: begun + 1, endLine: this.#at + 1 };
    this.blocks.push({ ...attributes, ...place, interpreter, script, ...(sameAs === undefined ? {} : { sameAs }) });
  }

  #pass(at: number, why: string): void {
    this.passed.push({ line: at + 1, why });
  }
}

/** `gem-exec …`, `sh gem-exec …` or `bash gem-exec …`, and its attributes. */
function headOf(info: string, at: number): { interpreter: Interpreter; attributes: Attributes } {
  const [, language = '', rest = ''] = /^(?:(\S+)[ \t]+)?gem-exec(?:[ \t]+(.*))?$/.exec(info) ?? [];
  const interpreter = LANGUAGES[language];
  if (!/^(?:\S+[ \t]+)?gem-exec(?:[ \t]|$)/.test(info) || interpreter === undefined)
    wrong(
      at,
      `${shown(info)} is not understood; write gem-exec, sh gem-exec or bash gem-exec, then node=NAME and its like`,
    );
  return { interpreter, attributes: attributesOf(rest, at) };
}

function attributesOf(text: string, at: number): Attributes {
  const attributes = parseAttributes(text, at + 1);
  if (!attributes.ok) throw new Wrong(attributes.error);
  return attributes.value;
}

function looksLikeOne(line: string): boolean {
  return line.includes('[GEM-EXEC') || (line.includes('gem-exec') && /`{3}|~{3}/.test(line));
}

function noBlocks(passed: Gem['passed']): string {
  const [first] = passed;
  const none = 'There is no command block in it';
  return first === undefined ? `${none}.` : `${none}; what looks like one in line ${first.line} is none: ${first.why}.`;
}
