import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { place, ROOT } from './place.ts';
import { takeDownAfter } from './vaults.ts';

/* An ordinary user's vault, without user_allow_other or anything else of root's. */

const NOBODY = 65_534;

/**
 * All of it runs in a mount namespace of its own, in which /dev/fuse is for everybody, as it is on every Debian; a container may have it
 * for root alone.
 */
const STORY = `set -eu
hauki() { "$NODE" "$ENTRY" vault "$@"; }
settled() { tries=0; until "$@"; do tries=$((tries + 1)); [ $tries -lt 200 ]; sleep 0.1; done; }
is_up() { hauki status --mount mnt >/dev/null 2>&1; }
hauki init --cipher cipher --key-file key >/dev/null
"$NODE" "$ENTRY" vault mount --cipher cipher --key-file key --mount mnt --node crm >out 2>&1 &
keeper=$!
settled is_up
id -u
echo secret > mnt/nodes/crm/inbox/task
server=$(pgrep -u "$(id -u)" -f "^gocryptfs -fg .*$PWD/mnt$")
kill -9 "$server"
settled test -e mnt/nodes/crm/inbox/task
cat mnt/nodes/crm/inbox/task
kill -INT $keeper
wait $keeper
echo "ended $?"
stat -c %a mnt
(echo clear > mnt/clear) 2>/dev/null && echo written || echo "nothing can be written there"
(mkdir -p mnt/nodes/crm) 2>/dev/null && echo made || echo "nothing can be made there"
hauki fsck --cipher cipher --key-file key >/dev/null
hauki rotate --cipher cipher --key-file key >/dev/null
hauki mount --cipher cipher --key-file key --mount mnt >out 2>&1 &
settled is_up
cat mnt/nodes/crm/inbox/task
hauki unmount --mount mnt >/dev/null
wait
`;

needs('gocryptfs', 'root', 'setpriv', 'unshare').describe('as an ordinary user', () => {
  test('a vault is made, mounted, killed, mounted again, rotated and checked', async (context) => {
    const own = place();
    takeDownAfter(own);
    const theirs = join(own.folder, 'theirs');
    mkdirSync(theirs);
    chmodSync(own.folder, 0o755);
    chownSync(theirs, NOBODY, NOBODY);
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all'];
    const can = await own.run([...user, process.execPath, '-e', `fs.readFileSync('${ROOT}/dist/hauki.cjs')`], {
      program: 'setpriv',
    });
    if (can.code !== 0) context.skip('an ordinary user cannot run node, or read this checkout');
    const device = join(own.folder, 'fuse');
    expect(spawnSync('mknod', ['-m', '666', device, 'c', '10', '229']).status).toBe(0);
    const story = join(theirs, 'story.sh');
    writeFileSync(story, STORY);
    const namespace = 'mount --bind "$0" /dev/fuse && exec setpriv "$@"';
    const { code, stdout, stderr } = await own.run(
      ['-m', '--propagation', 'private', 'sh', '-c', namespace, device, ...user, 'sh', story],
      {
        program: 'unshare',
        cwd: theirs,
        env: {
          NODE: process.execPath,
          ENTRY: join(ROOT, 'dist/hauki.cjs'),
          HAUKI_NODE_HOME: join(theirs, 'node'),
          HOME: theirs,
        },
      },
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([
      String(NOBODY),
      'secret',
      'ended 0',
      '0',
      'nothing can be written there',
      'nothing can be made there',
      'secret',
      '',
    ]);
    expect(readFileSync(join(theirs, 'out'), 'utf8')).toContain('is mounted on');
    expect(existsSync(join(theirs, 'mnt/nodes'))).toBe(false);
  });
});
