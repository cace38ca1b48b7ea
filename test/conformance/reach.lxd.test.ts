import { describe } from 'vitest';

import { lxdReach } from '../../src/reach/lxd/lxd.ts';
import { reachConformance } from './reach.ts';

/* HAUKI_LXD names a running container, HAUKI_LXD_STOPPED one that is stopped. */

const running = process.env['HAUKI_LXD'] ?? 'none';
const stopped = process.env['HAUKI_LXD_STOPPED'];
/** Under the lab's emulation a command in a container takes seconds to start. */
const options = { readyMs: 120_000, patienceSeconds: 4, giveUpSeconds: 60 };

describe('lxd', () => {
  reachConformance(() =>
    Promise.resolve({
      reach: lxdReach({ name: `lxd:${running}`, instance: running, program: 'lxc' }, options),
      exact: true,
      pipes: true,
      pace: 10,
      codes: [0, 1, 127, 143, 255],
      missing: [
        [
          lxdReach({ name: 'no such instance', instance: 'no-such-instance', program: 'lxc' }, options),
          'context_missing',
        ],
        [lxdReach({ name: 'not installed', instance: running, program: 'incus' }, options), 'context_missing'],
        ...(stopped === undefined
          ? []
          : [[lxdReach({ name: 'stopped', instance: stopped, program: 'lxc' }, options), 'context_missing'] as const]),
      ],
    }),
  );
});
