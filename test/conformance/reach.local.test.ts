import { describe } from 'vitest';

import { localReach } from '../../src/reach/local/local.ts';
import { reachConformance } from './reach.ts';

describe('local', () => {
  reachConformance(() =>
    Promise.resolve({ reach: localReach({ patienceMs: 1_000 }), exact: true, pipes: false, missing: [] }),
  );
});
