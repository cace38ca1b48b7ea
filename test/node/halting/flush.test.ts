import { describe, expect, it } from 'vitest';

import { flush } from '../../../src/node/halting/flush.ts';
import type { Run } from '../../../src/node/halting/process.ts';

const plan = {
  hooks: [
    { run: ['pg_ctl', 'checkpoint'] as const, withinMs: 5 },
    { run: ['redis-cli', 'save'] as const, withinMs: 6 },
  ],
  sync: ['/srv/a', '/srv/b'],
  syncWithinMs: 7,
};

async function flushing(failing = '', frozen = true): Promise<{ why: string | undefined; done: string[] }> {
  const done: string[] = [];
  const run: Run = async (argv, { withinMs }) => {
    const words = `${argv.join(' ')} within ${withinMs}`;
    done.push(words);
    return words.includes(failing) && failing !== ''
      ? { why: `${argv[0]} ended with code 1`, stdout: '' }
      : { stdout: '' };
  };
  const freezing = {
    freeze: async () => {
      done.push('freeze');
      return failing === 'freeze' ? 'unit crm.service could not be frozen' : undefined;
    },
  };
  const request = { signal: new AbortController().signal, env: {} };
  return { why: await flush(plan, frozen ? freezing : undefined, run, request), done };
}

const HOOKS = ['pg_ctl checkpoint within 5', 'redis-cli save within 6'];
const SYNCS = ['sync -f -- /srv/a within 7', 'sync -f -- /srv/b within 7'];

describe('a flush', () => {
  it('runs the hooks, syncs, freezes, and syncs what was written until then', async () => {
    expect(await flushing()).toEqual({ why: undefined, done: [...HOOKS, ...SYNCS, 'freeze', ...SYNCS] });
  });

  it('syncs once when nothing is frozen', async () => {
    expect(await flushing('', false)).toEqual({ why: undefined, done: [...HOOKS, ...SYNCS] });
  });

  it.each([
    ['pg_ctl', 'flush hook pg_ctl ended with code 1', 1],
    ['/srv/b', 'the file system of /srv/b could not be flushed: sync ended with code 1', 4],
    ['freeze', 'unit crm.service could not be frozen', 5],
  ])('goes no further when %s fails, and says why', async (failing, why, steps) => {
    const flushed = await flushing(failing);
    expect(flushed.why).toBe(why);
    expect(flushed.done).toHaveLength(steps);
  });
});
