import type { ComponentChildren } from 'preact';

import { oneLine } from '../../src/wire/one-line.ts';
import { controllerNow } from '../api.ts';
import { useNow } from '../live/hooks.ts';
import { ago, duration } from '../words.ts';

/** Words of others (intents, paths, names): isolated from the text around, what cannot be seen is shown. */
export function Words({ children, mono = false }: { readonly children: string; readonly mono?: boolean }) {
  return <bdi class={mono ? 'words mono' : 'words'}>{oneLine(children)}</bdi>;
}

/** A moment in UTC, as in the names of snapshots and on the command line; with its day when that is not today. */
export function Time({ at }: { readonly at: string }) {
  const today = new Date(controllerNow()).toISOString().slice(0, DAY.length);
  const day = at.startsWith(today) ? '' : `${dayFormat.format(new Date(at))} `;
  return (
    <time dateTime={at} title={at}>
      {day}
      {at.slice(DAY.length + 1, DAY.length + 9)}
    </time>
  );
}

const DAY = 'YYYY-MM-DD';
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });

/** How long ago something was, growing as one looks. */
export function Ago({ at }: { readonly at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={at}>
      {ago(now - Date.parse(at))}
    </time>
  );
}

/** How long it is until something, shrinking as one looks. */
export function Until({ at, over }: { readonly at: string; readonly over: string }) {
  const left = Date.parse(at) - useNow();
  return (
    <time dateTime={at} title={at}>
      {left <= 0 ? over : `in ${duration(left)}`}
    </time>
  );
}

/** Names and what they stand for, as a list. */
export function Facts({ children }: { readonly children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

export function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
