import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { sshReach } from '../../src/reach/ssh/ssh.ts';
import { needs } from '../needs.ts';
import { freePort, keygen, startSshd } from '../reach/sshd.ts';
import { leashTests } from './reach-ending.ts';
import type { Tried } from './reach-ground.ts';
import { reachConformance } from './reach.ts';

const SOME_CODES = [0, 1, 2, 3, 64, 125, 126, 127, 128, 129, 130, 137, 143, 159, 160, 254, 255];

needs('sshd', 'ssh-keygen').describe('ssh', () => {
  let exec: readonly string[] = [];
  reachConformance(async () => {
    const sshd = await startSshd();
    const { destination, options, folder } = sshd;
    const { knownHosts = '', identity = '', config = '' } = options;
    exec = ['--via', destination.name, '--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
    const file = (name: string): string => join(folder, name);
    keygen(file('stranger'));
    const [type, key] = readFileSync(file('stranger.pub'), 'utf8').split(' ');
    writeFileSync(file('other key'), `[127.0.0.1]:${destination.port} ${type} ${key}\n`);
    writeFileSync(file('empty'), '');
    const closed = { ...destination, name: 'a closed port', port: await freePort() };
    const unnamed = { ...destination, name: 'no such host', host: 'no-such-host.invalid' };
    return {
      reach: sshReach(destination, options),
      exact: true,
      named: true,
      // Each is a connection; that the courier tells them all is a test of its own.
      codes: SOME_CODES,
      missing: [
        [sshReach(closed, options), 'context_unreachable'],
        [sshReach(unnamed, options), 'context_unreachable'],
        [
          sshReach({ ...destination, name: 'host unknown' }, { ...options, knownHosts: file('empty') }),
          'context_denied',
        ],
        [
          sshReach({ ...destination, name: 'another host' }, { ...options, knownHosts: file('other key') }),
          'context_denied',
        ],
        [
          sshReach({ ...destination, name: 'a stranger' }, { ...options, identity: file('stranger') }),
          'context_denied',
        ],
      ],
      close: sshd.close,
    };
  }, leash);

  function leash(at: Tried): void {
    leashTests(at, () => exec);
  }
});

needs('sshd', 'ssh-keygen').describe('ssh, where there is no Perl', () => {
  reachConformance(async () => {
    const bin = mkdtempSync(join(tmpdir(), 'hauki-no-perl-'));
    mkdirSync(join(bin, 'bin'));
    for (const from of ['/bin', '/usr/bin']) {
      const names = spawnSync('ls', [from], { encoding: 'utf8' })
        .stdout.split('\n')
        .filter((name) => name !== '');
      for (const name of names) {
        if (name.startsWith('perl')) continue;
        try {
          symlinkSync(join('/usr/bin', name), join(bin, 'bin', name));
        } catch {
          // It was in the other one too.
        }
      }
    }
    const sshd = await startSshd({ environment: [`PATH=${bin}/bin`] });
    return {
      reach: sshReach(sshd.destination, sshd.options),
      exact: false,
      named: true,
      codes: SOME_CODES,
      missing: [],
      close: async () => {
        await sshd.close();
        rmSync(bin, { recursive: true });
      },
    };
  });
});
