import { createContext } from 'preact';
import { useContext, useEffect, useReducer, useState } from 'preact/hooks';

import { controllerNow, type Refused } from '../api.ts';
import type { Live } from './live.ts';
import type { Observed } from './observed.ts';
import type { Loaded, Resource } from './resource.ts';

/** How components look at what changes. */

export const LiveContext = createContext<Live | undefined>(undefined);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (live === undefined) throw new Error('there is nothing live around this component');
  return live;
}

export function useObserved<T>(observed: Observed<T>): T {
  const [, redraw] = useReducer((drawn: number) => drawn + 1, 0);
  const drawn = observed.value;
  useEffect(() => {
    const end = observed.subscribe(() => redraw(0));
    // It may have changed between being drawn and being listened to.
    if (!Object.is(drawn, observed.value)) redraw(0);
    return end;
  }, [observed]);
  return drawn;
}

/** What is known of it, kept current while the component is there. */
export function useResource<T>(resource: Resource<T>): Loaded<T> {
  const loaded = useObserved(resource.state);
  useEffect(() => resource.watch(), [resource]);
  return loaded;
}

/** The controller's wall clock, ms since the epoch; draws anew every so often. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(controllerNow);
  useEffect(() => {
    const timer = setInterval(() => setNow(controllerNow()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/**
 * Asks once for what a component needs, and again when `by` changes or a lost connection is back; what was there stays until the new is.
 *
 * @param ask undefined: there is nothing to ask for
 */
export function useAsked<T>(
  ask: ((signal: AbortSignal) => Promise<T>) | undefined,
  by: readonly unknown[],
): Loaded<T> & { readonly loading: boolean } {
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly loading: boolean }>({ loading: ask !== undefined });
  const back = useObserved(useLive().back);
  useEffect(() => {
    if (ask === undefined) return undefined;
    const gone = new AbortController();
    setLoaded((before) => ({ ...before, loading: true }));
    ask(gone.signal).then(
      (value) => {
        if (!gone.signal.aborted) setLoaded({ value, loading: false });
      },
      (error: unknown) => {
        if (!gone.signal.aborted) setLoaded((before) => ({ ...before, loading: false, error: error as Refused }));
      },
    );
    return () => gone.abort();
  }, [...by, back]);
  return loaded;
}
