import { useEffect, useRef, useState } from 'preact/hooks';

import { type Refused, send, SESSION } from './api.ts';
import { Mark } from './parts/icons.tsx';
import { Notice, RefusalNotice } from './parts/notice.tsx';

interface LoginProps {
  /** Looks who is logged in now. */
  readonly done: () => Promise<void>;
  /** Why nobody is let in, where there is more to say than that nobody is. */
  readonly why?: string | undefined;
}

/** Asks for a token; a cookie stands for it from then on. */
export function Login({ done, why }: LoginProps) {
  const [token, setToken] = useState('');
  const [error, setError] = useState<Refused>();
  const [asking, setAsking] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const login = async (): Promise<void> => {
    setAsking(true);
    setError(undefined);
    try {
      await send('POST', SESSION, { token: token.trim() });
      await done();
      // Whoever still sees this form needs another token, or another browser: `why` says which.
      setToken('');
    } catch (problem) {
      setError(problem as Refused);
      input.current?.select();
    }
    setAsking(false);
  };
  return (
    <main class="login">
      <form
        class="card"
        aria-labelledby="login"
        onSubmit={(event) => {
          event.preventDefault();
          void login();
        }}
      >
        <p class="brand">
          <Mark /> hauki
        </p>
        <h1 id="login">Log in to this controller</h1>
        {why === undefined ? null : <Notice kind="info" title={why} />}
        <label>
          <span>Token</span>
          <input
            ref={input}
            type="password"
            autocomplete="current-password"
            required
            value={token}
            aria-describedby="token-where"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        <p id="token-where" class="soft">
          On the controller's own host it stands in <code>HAUKI_HOME/token</code>. Elsewhere, whoever runs the
          controller makes one: <code>hauki token create NAME --scope read</code>
        </p>
        {error === undefined ? null : <RefusalNotice error={error} />}
        <button type="submit" class="button primary" disabled={asking || token.trim() === ''}>
          {asking ? 'Logging in …' : 'Log in'}
        </button>
      </form>
    </main>
  );
}
