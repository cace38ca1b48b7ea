import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { fingerprint } from './fingerprint.ts';
import { place, type Place, ROOT, WRECK } from './place.ts';

/* An ordinary user guards what is theirs, with a HAUKI_HOME of their own. */

const NOBODY = 65_534;

needs('root', 'setpriv').describe('as an ordinary user', () => {
  function theirs(): Place {
    const own = place();
    chmodSync(own.folder, 0o755);
    mkdirSync(own.home, { mode: 0o700 });
    own.env['HOME'] = own.folder;
    spread(own);
    return own;
  }
  const spread = (own: Place): void => {
    chownSync(own.folder, NOBODY, NOBODY);
    chownSync(own.home, NOBODY, NOBODY);
  };
  const user = (args: readonly string[]): string[] => [
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    '--clear-groups',
    // The launcher looks for node on the PATH, which may lead through root's own folders.
    process.execPath,
    ...args,
  ];

  test('guard works: committed, rolled back byte for byte, evidence kept', async (context) => {
    const own = theirs();
    await own.run(['-R', `${NOBODY}:${NOBODY}`, own.site], { program: 'chown' });
    const program = 'setpriv';
    const can = await own.run(user(['-e', `require('node:fs').readFileSync('${ROOT}/package.json')`]), { program });
    if (can.code !== 0) context.skip('an ordinary user cannot run node, or read this checkout');
    const hauki = (...args: readonly string[]) => own.run(user([join(ROOT, 'dist', entry()), ...args]), { program });
    const before = fingerprint(own.site);
    const failed = await hauki('guard', '--intent', 'x', '--path', '.', '--', 'sh', '-c', `${WRECK}; exit 5`);
    expect(failed).toMatchObject({ code: 5 });
    expect(fingerprint(own.site)).toBe(before);
    const done = await hauki('guard', '--intent', 'x', '--path', '.', '--', 'sh', '-c', 'id -u; echo two > config');
    expect(done).toMatchObject({ code: 0, stdout: `${NOBODY}\n` });
    expect(statSync(join(own.home, 'controller.sock')).uid).toBe(NOBODY);
    expect((await hauki('audit', 'verify')).code).toBe(0);
    expect((await hauki('doctor')).code).toBe(0);
    // What is not theirs they cannot guard.
    const denied = await hauki('guard', '--intent', 'x', '--path', '/etc', '--', 'touch', 'ran');
    expect(denied.code).toBe(75);
    expect(denied.stderr).toContain('dataset_unsupported');
  });

  const entry = (): string => 'hauki.cjs';
});
