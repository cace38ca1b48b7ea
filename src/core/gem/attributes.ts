import { LIMIT_MS_MAX, parseDuration } from '../../base/duration.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { intentRefusal, nodeRefusal } from '../policy/policy.ts';

/** What a block says of itself: `node=crm intent="bump the schema" mode=critical timeout=5m verify="./check" datasets=tank/crm,tank/web`. */
export interface Attributes {
  readonly node?: string;
  readonly intent?: string;
  readonly mode?: 'standard' | 'critical';
  readonly timeoutMs?: number;
  /** A script of its own, run after the block: when it fails, so has the block. */
  readonly verify?: string;
  readonly datasets?: readonly string[];
}

/** One `name=value`, sticky: bare, or between quotes; between double ones `\"` and `\\` stand for what is behind the backslash. */
const PAIR = /[ \t]*([A-Za-z][A-Za-z-]*)=(?:"((?:[^"\\]|\\["\\])*)"|'([^']*)'|([^\s"'=`]+))(?=[ \t]|$)/y;

/** @returns `gem_invalid` with what is wrong; `line` is for people */
export function parseAttributes(text: string, line: number): Result<Attributes, Refusal> {
  const wrong = (why: string): Result<never, Refusal> => err(gemInvalid(line, why));
  const said = new Map<string, string>();
  const all = text.trimEnd();
  for (let at = 0; at < all.length;) {
    PAIR.lastIndex = at;
    const found = PAIR.exec(all);
    if (found === null) return wrong(`${shown(all.slice(at).trim())} is no name=value, or a quote is not closed`);
    const [whole, name = '', double, single, bare] = found;
    if (said.has(name)) return wrong(`${name}= stands there twice`);
    said.set(name, double?.replaceAll(/\\(["\\])/g, '$1') ?? single ?? bare ?? '');
    at += whole.length;
  }
  const { node, intent, mode, timeout, verify, datasets, ...others } = Object.fromEntries(said);
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    return wrong(`${unknown}= is not known; there are node, intent, mode, timeout, verify and datasets`);
  const refused =
    (node === undefined ? undefined : nodeRefusal(node)) ?? (intent === undefined ? undefined : intentRefusal(intent));
  if (refused !== undefined) return wrong(refused.message.replace(/\.$/, ''));
  if (mode !== undefined && mode !== 'standard' && mode !== 'critical') return wrong('mode is standard or critical');
  const duration = timeout === undefined ? undefined : parseDuration(timeout);
  if (duration?.ok === false) return wrong(duration.error.message.replace(/\.$/, ''));
  if (duration?.value === 0) return wrong('timeout=0 leaves no time');
  if (duration !== undefined && duration.value > LIMIT_MS_MAX) return wrong('timeout= has 24 h at most');
  if (verify?.trim() === '') return wrong('verify= is empty');
  const names = datasets?.split(',').map((name) => name.trim());
  if (names?.includes('')) return wrong('datasets= has an empty name');
  return ok({
    ...(node === undefined ? {} : { node }),
    ...(intent === undefined ? {} : { intent }),
    ...(mode === undefined ? {} : { mode }),
    ...(duration === undefined ? {} : { timeoutMs: duration.value }),
    ...(verify === undefined ? {} : { verify }),
    ...(names === undefined ? {} : { datasets: names }),
  });
}

export function gemInvalid(line: number, why: string): Refusal {
  return refusal('gem_invalid', `Line ${line}: ${why}.`, undefined, { line });
}

/** For messages: quoted, and never a screenful. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
