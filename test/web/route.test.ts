import { describe, expect, test } from 'vitest';

import { hashOf, type Route, routeOf } from '../../web/route.ts';

describe('a route', () => {
  const routes: readonly Route[] = [
    { page: 'timeline' },
    { page: 'mesh' },
    { page: 'locks' },
    { page: 'space' },
    { page: 'ledger' },
    { page: 'mutation', id: '019ab/ü %' },
  ];

  test.each(routes)('comes back from its hash: $page', (route) => {
    expect(routeOf(hashOf(route))).toEqual(route);
  });

  test.each(['', '#', '#/', '#/nowhere', '#/mutation', '#/mutation/', '#/__proto__'])(
    '%j leads to the timeline',
    (hash) => {
      expect(routeOf(hash)).toEqual({ page: 'timeline' });
    },
  );

  test('takes an id that cannot be decoded as it is', () => {
    expect(routeOf('#/mutation/%zz')).toEqual({ page: 'mutation', id: '%zz' });
  });
});
