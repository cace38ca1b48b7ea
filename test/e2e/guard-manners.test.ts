import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { openPlace, type Place, ROOT } from './place.ts';

/* What a person in front of a guard expects of it beyond its contract. */

let shared: Place;
beforeAll(async () => {
  shared = openPlace();
  await shared.controller();
});
afterAll(() => shared.close());

describe('a guard', () => {
  test('inside a guard of the same state is refused at once, for it would wait for itself', async () => {
    const place = shared.another();
    const inner = `'${join(ROOT, 'hauki')}' guard --intent inner --path . -- touch inner`;
    const { code, stderr } = await place.guard(`${inner}; echo "inner $?"; exit 0`, ['--wait', '20s']);
    expect(stderr).toContain('already, which holds');
    expect(code).toBe(0);
    expect(existsSync(join(place.site, 'inner'))).toBe(false);
  });

  test('inside a guard of another state is like any other', async () => {
    const place = shared.another();
    const other = shared.another();
    const inner = `'${join(ROOT, 'hauki')}' guard --intent inner --path '${other.site}' -- touch '${other.site}/inner'`;
    expect((await place.guard(inner)).code).toBe(0);
    expect(existsSync(join(other.site, 'inner'))).toBe(true);
  });

  test('whose command will not end by a signal ends it by a second one, and undoes the change', async () => {
    const place = shared.another();
    const before = fingerprint(place.site);
    const guard = place.startGuard(`trap '' INT TERM; touch new "$PWD.ready"; while :; do sleep 0.1; done`);
    await until(() => existsSync(`${place.site}.ready`), 'the command works');
    guard.child.kill('SIGTERM');
    await until(() => guard.stderr().includes('interrupt once more'), 'it says what it waits for');
    guard.child.kill('SIGTERM');
    expect((await guard.done).code).toBeGreaterThan(128);
    expect(guard.stderr()).toContain('rolled back');
    expect(fingerprint(place.site)).toBe(before);
  });

  test('whose words nobody can keep, on a full disk, commits and undoes as it should', async () => {
    const place = shared.another();
    const guarded = (script: string): string =>
      `exec '${join(ROOT, 'hauki')}' guard --intent full --path . -- sh -c '${script}' 2>/dev/full`;
    expect((await place.run(['-c', guarded('echo new > new')], { program: 'sh' })).code).toBe(0);
    const before = fingerprint(place.site);
    expect((await place.run(['-c', guarded('rm new; exit 3')], { program: 'sh' })).code).toBe(3);
    expect(fingerprint(place.site)).toBe(before);
    const [failed, kept] = await place.mutations();
    expect([failed?.stage, kept?.stage]).toEqual(['rolled_back', 'committed']);
  });

  test('says whose failure it was', async () => {
    const place = shared.another();
    const { stderr } = await place.guard('exit 0', ['--verify', 'false']);
    expect(stderr).toContain('the verification failed (exit code 1); rolling back');
    expect(stderr).not.toContain('the command ended');
  });
});
