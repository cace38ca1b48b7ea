import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/** What whoever is logged in may do; as the scopes of API tokens. */
export type Scopes = ReadonlySet<string>;

export const ScopesContext = createContext<Scopes>(new Set());

/** Whether to offer it at all. The controller decides. */
export function useMay(scope: 'operate' | 'admin'): boolean {
  return useContext(ScopesContext).has(scope);
}
