import { useCallback, useEffect, useRef, useState } from 'preact/hooks';

import type { SessionView } from '../src/wire/session.ts';
import { type Action, AskingContext } from './actions/asking.ts';
import { Asking } from './actions/dialogs.tsx';
import { type Scopes, ScopesContext } from './actions/scopes.ts';
import { get, type Refused, SESSION, whenLoggedOut } from './api.ts';
import { LiveContext } from './live/hooks.ts';
import { Live } from './live/live.ts';
import { Login } from './login.tsx';
import { Notice } from './parts/notice.tsx';
import { Shell } from './shell.tsx';

type Session =
  | { readonly state: 'asking' }
  | { readonly state: 'out'; readonly why?: string }
  | { readonly state: 'unreachable'; readonly error: Refused }
  | { readonly state: 'in'; readonly view: SessionView; readonly live: Live };

/** How long until a controller that did not answer is asked again, ms. */
const AGAIN_MS = 3_000;

/** How long the words about what was done stay, ms. */
const SAID_MS = 8_000;

const NO_COOKIE =
  'The token is a good one, but the browser kept no cookie for this address, so nobody is logged in. Allow it cookies here.';
const MAY_NOT = 'Whoever is logged in may not read. Log in with a token of the scope read.';

/** The page: first who asks, then everything else. */
export function App() {
  const [session, setSession] = useState<Session>({ state: 'asking' });

  const ask = useCallback(async (whyOut?: string): Promise<void> => {
    try {
      const view = await get<SessionView>(SESSION);
      const out = { state: 'out', ...(whyOut === undefined ? {} : { why: whyOut }) } as const;
      setSession(view.principal === null ? out : { state: 'in', view, live: new Live() });
    } catch (error) {
      setSession({ state: 'unreachable', error: error as Refused });
    }
  }, []);

  useEffect(() => {
    whenLoggedOut(() => setSession({ state: 'out', why: 'You were logged out, or the token was revoked.' }));
    void ask();
  }, []);
  useEffect(() => {
    if (session.state !== 'unreachable') return undefined;
    const timer = setTimeout(() => void ask(), AGAIN_MS);
    return () => clearTimeout(timer);
  }, [session]);

  switch (session.state) {
    case 'asking':
      return <main class="login" aria-busy="true" />;
    case 'unreachable':
      return (
        <main class="login">
          <Notice kind="problem" title={session.error.message}>
            {session.error.hint} Trying again every few seconds.
          </Notice>
        </main>
      );
    case 'out':
      return <Login why={session.why} done={() => ask(NO_COOKIE)} />;
    case 'in':
      if (!session.view.scopes.includes('read')) return <Login why={MAY_NOT} done={() => ask(NO_COOKIE)} />;
      return <LoggedIn key={session.view.principal} view={session.view} live={session.live} />;
  }
}

function LoggedIn({ view, live }: { readonly view: SessionView; readonly live: Live }) {
  const [action, setAction] = useState<Action>();
  const [said, setSaid] = useState('');
  const scopes = useRef<Scopes>(new Set(view.scopes));
  useEffect(() => live.begin(), [live]);
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => setSaid(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const done = (words: string): void => {
    setSaid(words);
    // What makes no record is not told by an event: that something was let go of, say, or thawed.
    for (const resource of [live.nodes, live.locks, live.snapshots, live.evidence, live.prune]) resource.invalidate();
  };
  return (
    <LiveContext.Provider value={live}>
      <ScopesContext.Provider value={scopes.current}>
        <AskingContext.Provider value={setAction}>
          <Shell session={view} />
          {action === undefined ? null : <Asking action={action} done={done} close={() => setAction(undefined)} />}
          <p class={said === '' ? 'said unseen' : 'said'} role="status">
            {said}
          </p>
        </AskingContext.Provider>
      </ScopesContext.Provider>
    </LiveContext.Provider>
  );
}
