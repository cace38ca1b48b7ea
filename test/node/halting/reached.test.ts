import { expect, test } from 'vitest';

import { runIn } from '../../../src/node/halting/reached.ts';
import { localReach } from '../../../src/reach/local/local.ts';

const run = runIn(localReach());

test('a hook that is run by a reach: what it printed, and how it failed', async () => {
  const env = { HAUKI_EPOCH: '7' };
  expect(await run(['sh', '-c', 'echo epoch $HAUKI_EPOCH'], { withinMs: 20_000, env })).toEqual({
    stdout: 'epoch 7\n',
  });
  const failed = await run(['sh', '-c', 'echo "no\n space" >&2; exit 3'], { withinMs: 20_000 });
  expect(failed.why).toBe('sh in local ended with code 3: no space');
  const late = await run(['sh', '-c', 'sleep 60 & sleep 60'], { withinMs: 200 });
  expect(late.why).toMatch(/^sh in local: /);
  const missing = await run(['no-such-program'], { withinMs: 20_000 });
  expect(missing.why).toMatch(/no-such-program/);
  const loud = await run(['sh', '-c', 'head -c 3000000 /dev/zero | tr "\\0" x'], { withinMs: 20_000 });
  expect(loud.stdout.length).toBe(64 * 1024);
});

test('it is called off when the barrier is', async () => {
  const off = new AbortController();
  const running = run(['sleep', '60'], { withinMs: 60_000, signal: off.signal });
  setTimeout(() => off.abort(), 100);
  expect((await running).why).toMatch(/^sleep in local: /);
});
