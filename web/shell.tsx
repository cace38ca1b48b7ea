import { useEffect, useRef, useState } from 'preact/hooks';

import type { SessionView } from '../src/wire/session.ts';
import { Refused, send, SESSION } from './api.ts';
import { useLive, useNow, useObserved, useResource } from './live/hooks.ts';
import type { Connection } from './live/stream.ts';
import { LedgerPage } from './pages/ledger.tsx';
import { LocksPage } from './pages/locks.tsx';
import { MeshPage } from './pages/mesh.tsx';
import { MutationPage } from './pages/mutation.tsx';
import { SpacePage } from './pages/space.tsx';
import { TimelinePage } from './pages/timeline.tsx';
import { Mark, PageIcon } from './parts/icons.tsx';
import { Notice, RefusalNotice } from './parts/notice.tsx';
import { hashOf, type PageName, type Route, routeOf } from './route.ts';
import { duration } from './words.ts';

const PAGES: readonly { readonly page: Exclude<PageName, 'mutation'>; readonly words: string }[] = [
  { page: 'timeline', words: 'Timeline' },
  { page: 'mesh', words: 'Mesh' },
  { page: 'locks', words: 'Locks' },
  { page: 'space', words: 'Space' },
  { page: 'ledger', words: 'Ledger' },
];

/** What is around every page: where one can go, how live it is, who is logged in. */
export function Shell({ session }: { readonly session: SessionView }) {
  const route = useRoute();
  const live = useLive();
  const { value: status } = useResource(live.status);
  const main = useRef<HTMLElement>(null);
  const [stays, setStays] = useState<Refused>();
  const place = hashOf(route);
  const first = useRef(place);
  useEffect(() => {
    document.title = `${titleOf(route)} · hauki${status === undefined ? '' : ` on ${status.node}`}`;
  }, [place, status?.node]);
  useEffect(() => {
    // Whoever does not see the page change hears it: the new page is where they are. Not when it is opened.
    if (first.current === place) return;
    first.current = '';
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place]);

  const at = route.page === 'mutation' ? 'timeline' : route.page;
  return (
    <div class="shell">
      <a class="skip" href="#main" onClick={(event) => skip(event, main.current)}>
        Skip to the page
      </a>
      <header class="top">
        <a class="brand" href="#/" aria-label="hauki: to the timeline">
          <Mark />
          <span>hauki</span>
        </a>
        <span class="where">{status?.node ?? ''}</span>
        <Standing />
        <details class="who">
          <summary aria-label={`Logged in as ${session.principal ?? 'nobody'}`}>
            <span>{session.principal}</span>
          </summary>
          <div>
            <p>
              Logged in as <strong>{session.principal}</strong>
            </p>
            <p class="soft">may {session.scopes.join(', ')}</p>
            <p class="soft">{status === undefined ? '' : `hauki ${status.version} · `}times are UTC</p>
            {session.until === undefined ? null : (
              <button type="button" class="button" onClick={() => void logOut().then(setStays)}>
                Log out
              </button>
            )}
            {stays === undefined ? null : (
              <>
                <RefusalNotice error={stays} />
                <p>You are still logged in.</p>
              </>
            )}
          </div>
        </details>
      </header>
      <nav class="rail" aria-label="Pages">
        <ul>
          {PAGES.map(({ page, words }) => (
            <li key={page}>
              <a href={hashOf({ page })} aria-current={page === at ? 'page' : undefined}>
                <PageIcon page={page} />
                <span>{words}</span>
                {page === 'locks' && status !== undefined && status.queued > 0 ? (
                  <span class="count" title="waiting">
                    {status.queued}
                  </span>
                ) : null}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <main id="main" ref={main} tabIndex={-1}>
        <Staleness />
        <Page route={route} />
      </main>
    </div>
  );
}

function Page({ route }: { readonly route: Route }) {
  switch (route.page) {
    case 'timeline':
      return <TimelinePage />;
    case 'mesh':
      return <MeshPage />;
    case 'locks':
      return <LocksPage />;
    case 'space':
      return <SpacePage />;
    case 'ledger':
      return <LedgerPage />;
    case 'mutation':
      return <MutationPage id={route.id} />;
  }
}

function titleOf(route: Route): string {
  if (route.page === 'mutation') return 'Change';
  return PAGES.find(({ page }) => page === route.page)?.words ?? 'Timeline';
}

function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(routeOf(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

const WORDS: Readonly<Record<Connection['state'], string>> = {
  connecting: 'connecting',
  live: 'live',
  stale: 'not live',
  refused: 'not live',
};

/** Whether what is shown is what is. */
function Standing() {
  const { state } = useObserved(useLive().connection);
  return (
    <span class={`connection ${state}`} role="status">
      {WORDS[state]}
    </span>
  );
}

/** Says so when it is not. */
function Staleness() {
  const connection = useObserved(useLive().connection);
  if (connection.state === 'refused') {
    return (
      <Notice kind="problem" title="This page is not live.">
        {connection.why}
      </Notice>
    );
  }
  return connection.state === 'stale' ? <Stale since={connection.since} /> : null;
}

function Stale({ since }: { readonly since: number }) {
  useNow();
  return (
    <div class="notice warning stale">
      <strong>What you see may be old.</strong>
      <div>
        The connection was lost {duration(Date.now() - since)} ago, and is tried again. When it is back, nothing is
        missing.
      </div>
    </div>
  );
}

/** @returns why the session still stands; after one that has ended the page begins anew */
async function logOut(): Promise<Refused | undefined> {
  try {
    await send('DELETE', SESSION);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) return error as Refused;
  }
  // Nothing of what was shown stays in memory.
  location.reload();
  return undefined;
}

/** The hash belongs to the router. */
function skip(event: Event, main: HTMLElement | null): void {
  event.preventDefault();
  main?.focus();
}
