import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { needs } from '../needs.ts';
import { place, ROOT } from './place.ts';
import { takeDownAfter } from './vaults.ts';

/* A vault without anything of root's: no user_allow_other, no capability of the host's. */

const NOBODY = 65_534;
const ENTRY = join(ROOT, 'dist/hauki.cjs');

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
# Root has to tidy up after that.
rm -rf mnt/clear mnt/nodes 2>/dev/null || :
hauki fsck --cipher cipher --key-file key >/dev/null
hauki rotate --cipher cipher --key-file key >/dev/null
hauki mount --cipher cipher --key-file key --mount mnt >out 2>&1 &
settled is_up
cat mnt/nodes/crm/inbox/task
hauki unmount --mount mnt >/dev/null
wait
`;

needs('gocryptfs', 'root', 'setpriv', 'unshare').describe('without privileges', () => {
  test.for([
    ['an ordinary user', [], String(NOBODY), ['nothing can be written there', 'nothing can be made there']],
    // Root there is nobody outside, as in an unprivileged container; of modes it takes no notice in what is its own.
    ['the root of a user namespace', ['unshare', '--user', '--map-root-user', '--mount'], '0', ['written', 'made']],
  ] as const)('$0 makes a vault, has it killed, rotated and checked', async ([, within, id, bare], context) => {
    const own = place();
    takeDownAfter(own);
    const theirs = join(own.folder, 'theirs');
    mkdirSync(theirs);
    chmodSync(own.folder, 0o755);
    chownSync(theirs, NOBODY, NOBODY);
    const user = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all'];
    const can = await own.run([...user, ...within, process.execPath, '-e', `fs.readFileSync('${ENTRY}')`], {
      program: 'setpriv',
    });
    if (can.code !== 0) context.skip(`node cannot be run so here, or this checkout not be read: ${can.stderr}`);
    const device = join(own.folder, 'fuse');
    expect(spawnSync('mknod', ['-m', '666', device, 'c', '10', '229']).status).toBe(0);
    const story = join(theirs, 'story.sh');
    writeFileSync(story, STORY);
    const namespace = 'mount --bind "$0" /dev/fuse && exec setpriv "$@"';
    const { code, stdout, stderr } = await own.run(
      ['-m', '--propagation', 'private', 'sh', '-c', namespace, device, ...user, ...within, 'sh', story],
      {
        program: 'unshare',
        cwd: theirs,
        env: { NODE: process.execPath, ENTRY, HAUKI_NODE_HOME: join(theirs, 'node'), HOME: theirs },
      },
    );
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([id, 'secret', 'ended 0', '0', ...bare, 'secret', '']);
    expect(readFileSync(join(theirs, 'out'), 'utf8')).toContain('is mounted on');
    expect(existsSync(join(theirs, 'mnt/nodes'))).toBe(false);
  });
});
