/** Where the page is, by the address's hash: links can be shared, and the browser's own back and forward work. */
export type Route =
  | { readonly page: 'timeline' | 'mesh' | 'locks' | 'space' | 'ledger' }
  | { readonly page: 'mutation'; readonly id: string };

export type PageName = Route['page'];

const PAGES: ReadonlySet<string> = new Set(['mesh', 'locks', 'space', 'ledger']);

/** @param hash as `location.hash` has it: `#/mesh`; what is not known leads to the timeline */
export function routeOf(hash: string): Route {
  const [first = '', second = ''] = hash.replace(/^#?\/?/, '').split('/');
  if (first === 'mutation' && second !== '') return { page: 'mutation', id: decoded(second) };
  if (PAGES.has(first)) return { page: first as 'mesh' };
  return { page: 'timeline' };
}

export function hashOf(route: Route): string {
  if (route.page === 'timeline') return '#/';
  return route.page === 'mutation' ? `#/mutation/${encodeURIComponent(route.id)}` : `#/${route.page}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
