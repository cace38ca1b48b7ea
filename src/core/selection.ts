import { type Dataset, type Place, within } from './dataset.ts';
import type { Event } from './event.ts';
import type { MutationId } from './mutation/mutation.ts';

/** Which events somebody wants to hear of: those that fit everything that is named. */
export interface Selection {
  /** Types, `*` for any letters: `cleared`, `rollback*`. One of them fits. */
  readonly types?: readonly string[];
  /** Events of this node, and of mutations it asked for. */
  readonly node?: string;
  /** Events about this dataset or one inside it, and of mutations of such. */
  readonly dataset?: string;
  readonly mutation?: MutationId;
}

/** What most events do not say of their mutation, since the first one said it. It never changes. */
export interface Subject {
  readonly node: string;
  readonly datasets: readonly Dataset[];
}

/** `cleared,rollback*` → `['cleared', 'rollback*']`. CloudEvents call them `hauki.cleared`; both are understood. */
export function typesOf(text: string): string[] {
  return text
    .split(',')
    .map((one) => one.trim().replace(/^hauki\./, ''))
    .filter((one) => one !== '');
}

/** False when a selection can be judged by the event alone. */
export function asksForSubject({ node, dataset }: Selection): boolean {
  return node !== undefined || dataset !== undefined;
}

export function mutationOf(event: Event): MutationId | undefined {
  if ('mutation' in event) return event.mutation;
  return 'target' in event ? event.target.mutation : undefined;
}

/** @param subject of the event's mutation; undefined when it has none, or `asksForSubject` says that it does not matter */
export function selects(selection: Selection, event: Event, subject: Subject | undefined): boolean {
  const { types, node, dataset, mutation } = selection;
  if (types !== undefined && !types.some((type) => fits(type, event.type))) return false;
  if (mutation !== undefined && mutationOf(event) !== mutation) return false;
  if (node !== undefined && nodeOf(event, subject) !== node) return false;
  if (dataset === undefined) return true;
  const outer = { name: dataset.length > 1 ? dataset.replace(/\/+$/, '') : dataset };
  return placesOf(event, subject).some((place) => within(outer, place));
}

function nodeOf(event: Event, subject: Subject | undefined): string | undefined {
  return 'node' in event ? event.node : subject?.node;
}

function placesOf(event: Event, subject: Subject | undefined): readonly Place[] {
  if ('dataset' in event) return [{ name: event.dataset, ...('place' in event ? { at: event.place } : {}) }];
  if ('target' in event) return [{ name: event.target.dataset }, ...(subject?.datasets ?? [])];
  return subject?.datasets ?? [];
}

/** One pass from left to right: a pattern of many stars takes no longer than one of none. */
function fits(pattern: string, type: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === type;
  if (!type.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = type.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return type.length - last.length >= at && type.endsWith(last);
}
