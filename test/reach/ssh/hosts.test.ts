import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';

import { expect, onTestFinished, test } from 'vitest';

import type { Command, Reach } from '../../../src/ports/reach.ts';
import { sshReach } from '../../../src/reach/ssh/ssh.ts';
import { needs } from '../../needs.ts';
import { until } from '../../until.ts';
import { type Sshd, startSshd } from '../sshd.ts';

/* Hosts as they are: what the conformance suite, which sees only a Reach, cannot set up. */

async function host(...lines: readonly string[]): Promise<{ reach: Reach; sshd: Sshd }> {
  const sshd = await startSshd({ lines });
  onTestFinished(sshd.close);
  return { sshd, reach: sshReach(sshd.destination, sshd.options) };
}

async function hear(reach: Reach, command: Command): Promise<{ ended: unknown; text: string }> {
  let text = '';
  const stdout = new Writable({
    write: (chunk: Buffer, _, done) => {
      text += chunk.toString();
      done();
    },
  });
  const ran = await reach.run({ ...command, stdout, stderr: stdout });
  return { ended: ran.ok ? ran.value : ran.error, text };
}

needs('sshd', 'ssh-keygen').describe('a host', () => {
  test('whose login says something first: none of it is the command’s', async () => {
    const { reach } = await host('ForceCommand echo welcome; echo beware >&2; eval "$SSH_ORIGINAL_COMMAND"');
    const { ended, text } = await hear(reach, { argv: ['printf', '%s', 'mine'] });
    expect([ended, text]).toEqual([{ code: 0 }, 'mine']);
  }, 30_000);

  test('that has no shell for us is a context that is not there, in its own words', async () => {
    const { reach } = await host('ForceCommand echo This account is currently not available.; exit 1');
    const { ended } = await hear(reach, { argv: ['true'] });
    expect(ended).toMatchObject({
      code: 'context_missing',
      message: expect.stringContaining('not available') as unknown,
    });
  }, 30_000);

  test('takes 10,000 arguments', async () => {
    const { reach } = await host();
    const argv = [
      'sh',
      '-c',
      'echo $#; shift 9999; echo "$1"',
      'sh',
      ...Array.from({ length: 10_000 }, (_, at) => `no ${at}`),
    ];
    expect((await hear(reach, { argv })).text).toBe('10000\nno 9999\n');
  }, 30_000);

  test('on which the courier is killed: nobody knows, and what is left is found by its mutation', async () => {
    const { reach } = await host();
    const mutation = randomUUID();
    // The courier is the command's parent.
    const running = hear(reach, { argv: ['sh', '-c', 'kill -KILL $PPID; exec sleep 300'], mutation });
    await until(async () => {
      const ended = await reach.stop(mutation);
      return ended.ok && ended.value.stopped === 1;
    }, 'the command is found, and ended');
    expect((await running).ended).toMatchObject({ code: 'command_lost' });
  }, 30_000);

  test('that hangs before it lets us in is out of reach, and nothing was executed', async () => {
    const { sshd } = await host('ForceCommand sleep 300');
    const reach = sshReach(sshd.destination, { ...sshd.options, readyMs: 1_500 });
    const { ended } = await hear(reach, { argv: ['true'] });
    expect(ended).toMatchObject({
      code: 'context_unreachable',
      message: expect.stringContaining('in time') as unknown,
    });
  }, 30_000);

  test('that goes away while it is to end a command: it may still run, and that is said', async () => {
    const { reach, sshd } = await host();
    const abort = new AbortController();
    const mutation = randomUUID();
    let begun = false;
    const stdout = new Writable({
      write: (_chunk, _, done) => {
        begun = true;
        done();
      },
    });
    const running = reach.run({
      argv: ['sh', '-c', 'echo begun; exec sleep 300'],
      mutation,
      signal: abort.signal,
      stdout,
    });
    await until(() => begun, 'it runs');
    await sshd.deafen();
    abort.abort();
    expect(await running).toMatchObject({ ok: false, error: { code: 'holder_unstoppable' } });
  }, 30_000);
});
