import { useCallback, useMemo } from 'preact/hooks';

import type { MutationView } from '../../src/wire/http.ts';
import { controllerNow } from '../api.ts';
import { useLive, useNow, useResource } from '../live/hooks.ts';
import { hashOf } from '../route.ts';
import { Timeline } from '../timeline/timeline.tsx';

/** The timeline of what the page knows: a click leads to the mutation. */
export function Lanes({ mutations }: { readonly mutations: readonly MutationView[] }) {
  const live = useLive();
  const now = useNow();
  const { value: known } = useResource(live.nodes);
  const { value: standing } = useResource(live.barriers);
  // They are asked for again and again, and mostly the same: lanes are laid out anew only when there is another one.
  const names = known?.nodes.map(({ node }) => node).join('\n') ?? '';
  const nodes = useMemo(() => (names === '' ? [] : names.split('\n')), [names]);
  const barriers = useMemo(
    () => standing?.barriers.map(({ forMs, ...barrier }) => ({ ...barrier, since: controllerNow() - forMs })) ?? [],
    [standing],
  );
  const open = useCallback((id: string) => {
    location.hash = hashOf({ page: 'mutation', id });
  }, []);
  return <Timeline nodes={nodes} mutations={mutations} barriers={barriers} now={now} onSelect={open} />;
}
