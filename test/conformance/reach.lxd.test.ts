import { describe } from 'vitest';

import { lxdReach } from '../../src/reach/lxd/lxd.ts';
import { reachConformance } from './reach.ts';

/* HAUKI_LXD names a running container, HAUKI_LXD_STOPPED one that is stopped; HAUKI_LXD_PROGRAM says `incus` where they are of Incus. */

const running = process.env['HAUKI_LXD'] ?? 'none';
const stopped = process.env['HAUKI_LXD_STOPPED'];
const [program, other] =
  process.env['HAUKI_LXD_PROGRAM'] === 'incus' ? (['incus', 'lxc'] as const) : (['lxc', 'incus'] as const);
/** Under the lab's emulation a command in a container takes seconds to start. */
const options = { readyMs: 120_000, patienceSeconds: 4, giveUpSeconds: 60 };

describe('lxd', () => {
  reachConformance(() =>
    Promise.resolve({
      reach: lxdReach({ name: `lxd:${running}`, instance: running, program }, options),
      exact: true,
      // Not where the container is unprivileged: the pipes belong to the host's root.
      named: undefined,
      pace: 10,
      // LXD gives a client five seconds to connect, which under emulation eight at once do not all manage.
      atOnce: 3,
      codes: [0, 1, 127, 143, 255],
      missing: [
        [lxdReach({ name: 'no such instance', instance: 'no-such-instance', program }, options), 'context_missing'],
        [lxdReach({ name: 'not installed', instance: running, program: other }, options), 'context_missing'],
        ...(stopped === undefined
          ? []
          : [[lxdReach({ name: 'stopped', instance: stopped, program }, options), 'context_missing'] as const]),
      ],
    }),
  );
});
