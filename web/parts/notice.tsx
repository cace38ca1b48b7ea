import type { ComponentChildren } from 'preact';

import { oneLine } from '../../src/wire/one-line.ts';
import type { Refused } from '../api.ts';

/** Something to know before anything else. */
export function Notice({
  kind,
  title,
  children,
}: {
  readonly kind: 'info' | 'warning' | 'problem';
  readonly title: string;
  readonly children?: ComponentChildren;
}) {
  return (
    <div class={`notice ${kind}`} role={kind === 'problem' ? 'alert' : undefined}>
      <strong>{oneLine(title)}</strong>
      {children === undefined ? null : <div>{children}</div>}
    </div>
  );
}

/** Why the controller did not do or tell something, and what to do about it. */
export function RefusalNotice({ error }: { readonly error: Refused }) {
  return (
    <Notice kind="problem" title={error.message}>
      {error.hint} {error.code === '' ? null : <code>{error.code}</code>}
    </Notice>
  );
}

/** What stands where there is nothing to show. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p>
        <strong>{title}</strong>
      </p>
      {children === undefined ? null : <p>{children}</p>}
    </div>
  );
}

/** Until something is there. */
export function Loading({ what }: { readonly what: string }) {
  return (
    <p class="loading" role="status">
      Asking for {what} …
    </p>
  );
}
