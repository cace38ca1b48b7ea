import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { SignedLines } from '../../../src/doors/irc/signed-lines.ts';
import { type Signed, signedText, understand } from '../../../src/wire/irc/ask.ts';
import { VirtualClock } from '../../engine/place.ts';
import { needs } from '../../needs.ts';

const WORDS = 'rollback 019aa000-0000-7000-8000-000000000001';

needs('ssh-keygen').describe('a line signed with an SSH key', () => {
  let folder: string;
  let clock: VirtualClock;
  let lines: SignedLines;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hauki-signed-'));
    for (const name of ['alice', 'mallory'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
    const key = readFileSync(join(folder, 'alice.pub'), 'utf8').trim();
    writeFileSync(
      join(folder, 'signers'),
      `alice,alice@example.com namespaces="hauki-irc" ${key}\ndeploy namespaces="file" ${key}\nformer valid-before="20200101" ${key}\n`,
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeEach(() => {
    clock = new VirtualClock();
    lines = new SignedLines({ signers: join(folder, 'signers'), channel: '#mesh', clock });
  });

  function sign({
    key = 'alice',
    as = 'alice',
    channel = '#mesh',
    namespace = 'hauki-irc',
    words = WORDS,
    at = clock.now(),
  } = {}): Signed {
    const seconds = Math.floor(at / 1_000);
    const armoured = execFileSync('ssh-keygen', ['-Y', 'sign', '-n', namespace, '-f', join(folder, key)], {
      input: signedText(channel, seconds, words),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    const body = armoured.split('\n').slice(1, -2).join('');
    const line = `!signed ${as} ${seconds} ${body} ${words}`;
    expect(Buffer.byteLength(line)).toBeLessThan(400);
    const said = understand(line);
    if (said?.type !== 'signed') throw new Error(`not understood: ${line}`);
    return said.signed;
  }

  test('counts, once', async () => {
    const signed = sign();
    expect(await lines.refusalOf(signed)).toBeUndefined();
    expect(await lines.refusalOf(signed)).toBe('it was used already');
    expect(await lines.refusalOf(sign({ channel: '#MESH', at: clock.now() + 1_000 }))).toBeUndefined();
  });

  test('counts once, whichever of the names that its key has stands before it', async () => {
    const signed = sign();
    expect(await lines.refusalOf(signed)).toBeUndefined();
    expect(await lines.refusalOf({ ...signed, signer: 'alice@example.com' })).toBe('it was used already');
    expect(await lines.refusalOf(sign({ as: 'alice@example.com', at: clock.now() + 1_000 }))).toBeUndefined();
  });

  test('counts once, also when it comes twice at the same moment', async () => {
    const signed = sign();
    const both = await Promise.all([lines.refusalOf(signed), lines.refusalOf(signed)]);
    expect(both.toSorted()).toEqual(['it was used already', undefined]);
  });

  test.each([
    ['by another key', { key: 'mallory' }],
    ['for another channel', { channel: '#other' }],
    ['for another purpose', { namespace: 'file' }],
    ['under a name that is not there', { as: 'bob' }],
    ['under a name that signs for something else', { as: 'deploy' }],
    ['under a name whose time is over', { as: 'former' }],
  ])('%s does not count', async (_what, how) => {
    expect(await lines.refusalOf(sign(how))).toBe('it is not signed by that signer for this channel');
  });

  test('does not count for other words', async () => {
    const signed = sign();
    const other = { ...signed, words: WORDS.replace('rollback', 'pin') };
    expect(await lines.refusalOf(other)).toMatch(/not signed/);
    expect(await lines.refusalOf({ ...signed, at: signed.at + 1 })).toMatch(/not signed/);
  });

  test('does not count later, before its time, or from before the controller started', async () => {
    const signed = sign();
    await clock.pass(301_000);
    expect(await lines.refusalOf(signed)).toMatch(/too long ago/);
    expect(await lines.refusalOf(sign({ at: clock.now() + 120_000 }))).toMatch(/the future/);
    const early = sign();
    await clock.pass(2_000);
    const restarted = new SignedLines({ signers: join(folder, 'signers'), channel: '#mesh', clock });
    expect(await restarted.refusalOf(early)).toMatch(/before this controller started/);
  });

  test('counts nowhere without signers', async () => {
    expect(
      await new SignedLines({ signers: join(folder, 'nowhere'), channel: '#mesh', clock }).refusalOf(sign()),
    ).toMatch(/no signers/);
  });
});
