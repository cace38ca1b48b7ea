import type { StatusView } from '../src/wire/http.ts';

/** How the controller stands, in a line. `status` undefined: it did not tell, because nobody is logged in. */
export function Standing({ status }: { readonly status: StatusView | undefined }) {
  return (
    <main>
      <h1>hauki</h1>
      <p>{status === undefined ? 'Not logged in.' : `hauki ${status.version} on ${status.node}`}</p>
    </main>
  );
}
