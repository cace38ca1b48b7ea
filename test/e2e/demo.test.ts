import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { until } from '../until.ts';
import { place, processesOf } from './place.ts';

/* `hauki demo`: the acceptance story on the directory driver. */

interface Told {
  readonly status: string;
  readonly checks: readonly { readonly kept: boolean }[];
  readonly ms: number;
}

test('keeps every promise, and leaves nothing behind', { timeout: 120_000 }, async () => {
  const own = place();
  const { code, stdout, stderr } = await own.run(['demo', '--json'], { msMax: 110_000, env: { TMPDIR: own.folder } });
  expect(`${code} ${stderr}`).toBe('0 ');
  const told = JSON.parse(stdout) as Told;
  expect(told.status).toBe('held');
  expect(told.checks.map(({ kept }) => kept)).toEqual(Array.from({ length: 7 }, () => true));
  expect(readdirSync(own.folder).filter((name) => name.startsWith('hauki-demo-'))).toEqual([]);
  expect(processesOf(own.folder)).toEqual([]);
  // It has a HAUKI_HOME of its own.
  expect(existsSync(own.home)).toBe(false);
});

test('ends all it started when it is interrupted, and says so', { timeout: 120_000 }, async () => {
  const own = place();
  const demo = own.start(['demo'], { msMax: 60_000, env: { TMPDIR: own.folder } });
  await until(() => demo.stdout().includes('looks for tasks'), 'it has begun', 50_000);
  demo.child.kill('SIGINT');
  const { code, stderr } = await demo.done;
  expect(code).toBe(130);
  expect(stderr).toContain('interrupted');
  expect(processesOf(own.folder)).toEqual([]);
  expect(readdirSync(own.folder).filter((name) => name.startsWith('hauki-demo-'))).toEqual([]);
  expect(existsSync(join(own.folder, 'site'))).toBe(true);
});
