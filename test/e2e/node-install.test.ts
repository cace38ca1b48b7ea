import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test, vi } from 'vitest';

import { joinStep, type Layout, type Mesh } from '../../src/install/node.ts';
import { archOf, programStep } from '../../src/install/program.ts';
import { take } from '../../src/install/steps.ts';
import { There } from '../../src/install/there.ts';
import { sshReach } from '../../src/reach/ssh/ssh.ts';
import type { NodeView } from '../../src/wire/mesh.ts';
import { needs } from '../needs.ts';
import { type Sshd, startSshd } from '../reach/sshd.ts';
import { buildExecutable, EXE } from './executable.ts';
import { place, type Place } from './place.ts';

/* What of bringing a node to another host needs no systemd, over a real ssh. The rest is in the lab: lab/scenarios/node-install.ts. */

const silent = { tell: () => {} };

/** Each look there is a connection, and a machine that is busy takes a second for one. */
vi.setConfig({ testTimeout: 240_000 });

needs('executable', 'sshd', 'ssh-keygen').describe('on another host', () => {
  let sshd: Sshd;
  let there: There;
  beforeAll(async () => {
    buildExecutable();
    sshd = await startSshd();
    there = new There(sshReach(sshd.destination, sshd.options));
  }, 300_000);
  afterAll(() => sshd.close());

  const layoutIn = ({ folder }: Place): Layout => ({
    program: join(folder, 'lib hauki/hauki'),
    home: join(folder, 'node'),
  });
  const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
  const bringing = (path: string, bytes: Uint8Array): ReturnType<typeof programStep> =>
    programStep(there, { path, bytes: () => Promise.resolve(bytes), sha256: sha256(bytes) });

  test('the program arrives, is checked, and brings the node into the mesh; twice changes nothing', async () => {
    const own = place();
    const layout = layoutIn(own);
    expect((await own.run(['mesh', 'init'])).code).toBe(0);
    await own.controller(['controller', '--port', '0', '--listen', '127.0.0.1:0', '--json']);
    const invited: string[] = [];
    const mesh: Mesh = {
      isMember: async (node) => (await own.json<NodeView>(['node', 'show', node])).state === 'joined',
      invite: async (node) => {
        invited.push(node);
        return (await own.run(['node', 'invite', node])).stdout.trim();
      },
      presence: () => Promise.resolve(undefined),
      revoke: () => Promise.resolve(),
    };
    expect(await archOf(there)).toBe(process.arch);
    const program = readFileSync(EXE);
    const steps = [bringing(layout.program, program), joinStep({ there, mesh, node: 'crm', layout })];
    expect(await take(steps, silent)).toEqual([`bring ${layout.program}`, 'invite crm, and have it join']);
    expect(await there.sha256(layout.program)).toBe(sha256(program));
    expect(readdirSync(join(own.folder, 'lib hauki'))).toEqual(['hauki']);
    expect(await take(steps, silent)).toEqual([]);
    expect(invited).toEqual(['crm']);

    const other = joinStep({ there, mesh, node: 'billing', layout });
    await expect(take([other], silent)).rejects.toMatchObject({ code: 'name_taken' });

    // Revoked behind its back, it is invited again, over what it has.
    expect((await own.run(['node', 'revoke', 'crm'])).code).toBe(0);
    expect(await take(steps, silent)).toEqual(['invite crm, and have it join']);
    expect(await mesh.isMember('crm')).toBe(true);
  });

  test('a program that does not run there, or arrives otherwise than it left, never takes the place of the one that does', async () => {
    const own = place();
    const { program: path } = layoutIn(own);
    const works = Buffer.from('#!/bin/sh\necho 1\n');
    await take([bringing(path, works)], silent);
    const broken = bringing(path, Buffer.from('#!/bin/sh\nexit 1\n'));
    await expect(take([broken], silent)).rejects.toMatchObject({ code: 'install_failed' });
    const wrong = programStep(there, { path, bytes: () => Promise.resolve(works), sha256: sha256(Buffer.from('x')) });
    await expect(take([wrong], silent)).rejects.toThrow(/did not arrive whole/);
    expect(readFileSync(path)).toEqual(works);
    expect(readdirSync(join(own.folder, 'lib hauki'))).toEqual(['hauki']);
  });

  test('a program that was swapped is swapped back when a later step fails', async () => {
    const own = place();
    const { program: path } = layoutIn(own);
    const [one, two] = ['1', '2'].map((version) => Buffer.from(`#!/bin/sh\necho ${version}\n`));
    await take([bringing(path, one ?? Buffer.alloc(0))], silent);
    const failing = async (): Promise<undefined> => {
      expect(readFileSync(path)).toEqual(two);
      throw new Error('no heartbeat');
    };
    const upgrade = [bringing(path, two ?? Buffer.alloc(0)), failing];
    await expect(take(upgrade, silent)).rejects.toThrow('no heartbeat');
    expect(readFileSync(path)).toEqual(one);
    // Killed between the swap and the first heartbeat: the next run finds it swapped, and takes it back all the same.
    await take([bringing(path, two ?? Buffer.alloc(0))], silent);
    expect(readFileSync(`${path}.old`)).toEqual(one);
    await expect(take(upgrade, silent)).rejects.toThrow('no heartbeat');
    expect(readFileSync(path)).toEqual(one);
  });

  test('a host without systemd is refused before anything is changed; one that is not there, too', async () => {
    const own = place();
    const { user = '', host, port = 22 } = sshd.destination;
    const { knownHosts = '', identity = '', config = '' } = sshd.options;
    const ssh = ['--known-hosts', knownHosts, '--identity', identity, '--ssh-config', config];
    const install = (at: string): ReturnType<Place['run']> =>
      own.run(['node', 'install', 'crm', '--via', at, '--dry-run', ...ssh]);
    const refused = await install(`ssh:${user}@${host}:${port}`);
    // On a machine that has one, it would have been tried.
    expect(refused.stderr).toMatch(
      existsSync('/run/systemd/system') ? /by root|would bring/ : /No systemd runs on ssh:.*Nothing was changed/s,
    );
    expect(existsSync('/usr/local/lib/hauki')).toBe(false);
    const gone = await install(`ssh:${user}@${host}:1`);
    expect(gone.stderr).toMatch(/context_unreachable/);
    expect(gone.code).toBe(75);
    const unnamed = await own.run(['node', 'install', 'a b', '--via', 'local']);
    expect(unnamed.stderr).toMatch(/node_invalid/);
  });
});
