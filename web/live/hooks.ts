import { createContext } from 'preact';
import { useContext, useEffect, useReducer, useRef, useState } from 'preact/hooks';

import { controllerNow, type Refused } from '../api.ts';
import { Asked } from './asked.ts';
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
 * @param news asked once more when it changes, after what is under way has ended
 */
export function useAsked<T>(
  ask: ((signal: AbortSignal) => Promise<T>) | undefined,
  by: readonly unknown[],
  news?: unknown,
): Loaded<T> & { readonly loading: boolean } {
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly loading: boolean }>({ loading: ask !== undefined });
  const back = useObserved(useLive().back);
  const asked = useRef<Asked<T>>(undefined);
  const heard = useRef(news);
  useEffect(() => {
    heard.current = news;
    if (ask === undefined) return undefined;
    setLoaded((before) => ({ ...before, loading: true }));
    const one = new Asked(ask, {
      value: (value) => setLoaded({ value, loading: false }),
      error: (error) => setLoaded((before) => ({ ...before, loading: false, error: error as Refused })),
    });
    asked.current = one;
    void one.ask();
    return () => one.end();
  }, [...by, back]);
  useEffect(() => {
    // What was just asked for anyway is not asked for twice.
    if (Object.is(heard.current, news)) return;
    heard.current = news;
    void asked.current?.ask();
  }, [news]);
  return loaded;
}
