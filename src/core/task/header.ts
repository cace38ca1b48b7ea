import { LIMIT_MS_MAX, parseDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Traceparent, traceparentIn } from '../../base/traceparent.ts';
import type { Mode } from '../mutation/mutation.ts';

/** What a task says of itself, in lines `#hauki key: value` at its top. */
export interface Header {
  readonly intent?: string;
  readonly mode?: Mode;
  readonly timeoutMs?: number;
  /** Program and arguments; no shell reads them. */
  readonly verify?: readonly [string, ...string[]];
  readonly datasets?: readonly string[];
  /** The name it has to have. A signature covers it with the rest. */
  readonly name?: string;
  /** The trace that whoever made it works in. */
  readonly traceparent?: Traceparent;
}

const LINE = /^#hauki[ \t]+([A-Za-z]+)[ \t]*:[ \t]*(.*)$/;
/** What was meant to be one and would be a comment: `# hauki verify: …`. */
const ALMOST = /^\uFEFF?#\s*hauki\b[^:]*:/i;
/** What a shell would read something into: then it has to be said whether a shell is meant. */
const FOR_A_SHELL = /["'`$&|;<>()*?[\]{}\\~]/;

/**
 * The header of a script or of a patch: the `#hauki` lines among the first lines that are comments or empty. Everything that is not
 * understood is refused, and so is a line further down: a typo must not run a task without its `verify`.
 */
export function readHeader(text: string): Result<Header, Refusal> {
  const header: { -readonly [K in keyof Header]: Header[K] } = {};
  let top = true;
  for (const [index, whole] of text.split('\n').entries()) {
    const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
    const isOne = /^#hauki\b/.test(line);
    if (!isOne && !(top && ALMOST.test(line))) {
      if (line !== '' && !line.startsWith('#')) top = false;
      continue;
    }
    const refuse = (why: string): Result<never, Refusal> =>
      err(refusal('task_invalid', `Line ${index + 1} of the task cannot be used: ${why}.`));
    if (!isOne)
      return refuse('a #hauki line begins with "#hauki ", in small letters and with nothing before or between');
    if (!top) return refuse('a #hauki line stands above the first line that is no comment');
    const [, key = '', said = ''] = LINE.exec(line) ?? [];
    const value = said.trim();
    if (key === '') return refuse('a #hauki line reads "#hauki key: value"');
    if (value === '') return refuse(`${key} says nothing`);
    if (/\p{Cc}/u.test(value)) return refuse(`${key} holds a control character`);
    const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
    if (read === undefined) return refuse(`there is no "${key}"; there are ${Object.keys(READERS).join(', ')}`);
    const member = read(value);
    if (typeof member === 'string') return refuse(member);
    if (Object.keys(member).some((name) => name in header)) return refuse(`${key} was said before`);
    Object.assign(header, member);
  }
  return ok(header);
}

/** What each key makes of its value; a text says why it cannot. */
const READERS: Readonly<Record<string, (value: string) => Header | string>> = {
  intent: (intent) => (intent.length > 512 ? 'an intent has 512 characters at most' : { intent }),
  mode: (mode) =>
    mode === 'standard' || mode === 'critical' ? { mode } : `"${mode}" is no mode; standard or critical`,
  timeout: (text) => {
    const timeoutMs = parseDuration(text);
    if (!timeoutMs.ok || timeoutMs.value === 0) return `"${text}" is no time limit; write 30s, 10m or 2h`;
    if (timeoutMs.value > LIMIT_MS_MAX) return 'a time limit has 24 h at most';
    return { timeoutMs: timeoutMs.value };
  },
  verify: (value) => {
    const verify = argvOf(value);
    return typeof verify === 'string' ? verify : { verify };
  },
  datasets: (value) => {
    const datasets = value.split(',').map((one) => one.trim());
    return datasets.includes('') ? 'datasets are named with commas between them' : { datasets };
  },
  name: (name) => ({ name }),
  traceparent: (text) => {
    const traceparent = traceparentIn(text);
    return traceparent === undefined ? `"${text}" is no traceparent of W3C Trace Context` : { traceparent };
  },
};

/** `./check --all`, or as JSON where words hold more than that: `["sh", "-c", "a | b"]`. */
function argvOf(value: string): readonly [string, ...string[]] | string {
  if (value.startsWith('[')) {
    const [program, ...rest] = listIn(value) ?? [];
    return program === undefined || program === '' ? `verify is no JSON list of texts` : [program, ...rest];
  }
  if (FOR_A_SHELL.test(value))
    return 'no shell reads verify; write a program and its arguments, or ["sh", "-c", "…"] where you mean a shell';
  const [program = '', ...rest] = value.split(/[ \t]+/);
  return [program, ...rest];
}

function listIn(value: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) && list.every((one) => typeof one === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}
