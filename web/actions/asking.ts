import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

import type { MutationView } from '../../src/wire/http.ts';

type Meant = Pick<MutationView, 'mutation' | 'intent' | 'stage' | 'pinned' | 'snapshots'>;

/** Something that is asked about before it is done. */
export type Action =
  | { readonly kind: 'rollback' | 'resolve' | 'pin'; readonly mutation: Meant }
  | { readonly kind: 'thaw'; readonly node: string; readonly why: string }
  | { readonly kind: 'drop'; readonly node: string }
  | { readonly kind: 'prune' };

export const AskingContext = createContext<(action: Action) => void>(() => {});

/** What opens the question. */
export function useAsking(): (action: Action) => void {
  return useContext(AskingContext);
}
