import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { localReach } from '../../../src/reach/local/local.ts';
import { sweepSince } from '../../../src/reach/local/sweep.ts';

describe('what a command left behind', () => {
  test('is ended, also what left its family and ignores being asked; where nothing was left, nothing is', async () => {
    const reach = localReach();
    const mutation = `sweep-${process.pid}`;
    const run = (script: string): ReturnType<typeof reach.run> => reach.run({ argv: ['sh', '-c', script], mutation });
    const quiet = await sweepSince();
    await run('true; true');
    expect(await quiet(mutation)).toEqual({ ok: true, value: { stopped: 0 } });

    const sweep = await sweepSince();
    await run("(trap '' TERM; exec sleep 1000) >/dev/null 2>&1 & setsid sleep 1000 >/dev/null 2>&1 & sleep 0.1");
    const ended = await sweep(mutation);
    expect(ended).toEqual({ ok: true, value: { stopped: 2 } });
    expect(await (await sweepSince())(mutation)).toEqual({ ok: true, value: { stopped: 0 } });
    expect(readFileSync('/proc/self/environ', 'utf8')).not.toContain(mutation);
  });
});
