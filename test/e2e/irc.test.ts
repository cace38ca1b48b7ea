import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { Client as Hauki } from '../../src/client/client.ts';
import type { MutationView, StatusView } from '../../src/wire/http.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { ngircd, type Ngircd, type NgircdOptions, person, type Person } from './ngircd.ts';
import { place, type Place, type Running } from './place.ts';

/* The controller on a real IRC server, with real people's clients beside it. */

const CHANNEL = '#mesh';
/** What a test has not the time for: a network's patience, and its throttle. */
const QUICK = [
  'flood: { burst: 50, perSecond: 400 }',
  'patience: { quiet: 500ms, answer: 700ms, retry: 100ms, retryMax: 300ms }',
];

interface Scene {
  readonly own: Place;
  readonly server: Ngircd;
  /** @param more lines under `irc:`; the clear-text port of the server without them */
  readonly configure: (more?: readonly string[], quick?: readonly string[]) => void;
  readonly join: (nick: string) => Promise<Person>;
  readonly irc: () => Promise<NonNullable<StatusView['irc']>>;
  readonly connected: () => Promise<void>;
}

async function scene(options: NgircdOptions = {}): Promise<Scene> {
  const own = place();
  const server = await ngircd(join(own.folder, 'ngircd'), options);
  onTestFinished(server.close);
  const hauki = new Hauki({ name: 'the controller', socketPath: join(own.home, 'controller.sock') });
  const irc = async (): Promise<NonNullable<StatusView['irc']>> => {
    const view = (await hauki.status()).irc;
    if (view === undefined) throw new Error('there is no IRC door');
    return view;
  };
  return {
    own,
    server,
    configure: (more = [], quick = QUICK) => {
      mkdirSync(own.home, { recursive: true });
      const port = more.some((line) => line.startsWith('tls')) ? [] : ['tls: false', `port: ${server.port}`];
      const lines = ['server: 127.0.0.1', `channel: "${CHANNEL}"`, ...quick, ...port, ...more];
      writeFileSync(join(own.home, 'config.yaml'), `irc:\n${lines.map((line) => `  ${line}\n`).join('')}`);
    },
    join: async (nick) => {
      const joined = await person(server.port, nick, [CHANNEL], { password: options.password });
      onTestFinished(joined.leave);
      return joined;
    },
    irc,
    connected: async () => void (await until(async () => (await irc()).connected, 'the controller is in the channel')),
  };
}

/** A guard that works, and its mutation. */
async function guarded(own: Place, intent: string): Promise<MutationView> {
  const { code, stderr } = await own.guard('true', ['--intent', intent]);
  expect(stderr).toContain('Lock secured');
  expect(code).toBe(0);
  const found = (await own.mutations()).find((mutation) => mutation.intent === intent);
  if (found === undefined) throw new Error(`no mutation "${intent}"`);
  return found;
}

function committedLine({ mutation }: MutationView): RegExp {
  return new RegExp(`^Committed: .*${mutation}`);
}

/** Warnings in a controller's log. */
function warnings({ stderr }: Running): string[] {
  return stderr()
    .split('\n')
    .filter((line) => line.includes('"level":40'))
    .map((line) => (JSON.parse(line) as { msg: string }).msg);
}

needs('ngircd').describe('the controller on IRC', () => {
  test('announces a whole life, in the words of the mission', async () => {
    const { own, server, configure, join: enter, connected } = await scene();
    await server.start();
    configure();
    const alice = await enter('alice');
    await own.controller();
    await connected();
    const good = await guarded(own, 'say hello');
    await own.guard('echo two > config; exit 1', ['--intent', 'a bad idea']);
    await alice.heard(/^Rolled back: .*"a bad idea"/);
    const lines = alice.lines('hauki');
    const of = (id: string): (string | undefined)[] =>
      lines.filter((line) => line.includes(id)).map((line) => line.replace(/^'[^']*'/, 'someone').split(' ')[0]);
    expect(of(good.mutation)).toEqual(['someone', 'Capturing', 'Lock', 'Committed:']);
    const bad = (await own.mutations()).find(({ intent }) => intent === 'a bad idea');
    expect(of(bad?.mutation ?? '')).toEqual(['someone', 'Capturing', 'Lock', 'Rolling', 'Rolled']);
    expect(lines).toContain(
      `Lock secured. Directory Snapshot '${good.snapshots[0]?.name}' captured for '${good.node}'. [${good.mutation}]`,
    );
    await alice.heard(/^head \d+ /);
  });

  test('answers who asks, in the channel and in private, and nobody from outside', async () => {
    const { own, server, configure, join: enter, connected, irc } = await scene();
    await server.start();
    configure();
    const alice = await enter('alice');
    const stranger = await person(server.port, 'stranger', []);
    onTestFinished(stranger.leave);
    await own.controller();
    await connected();
    const { mutation, snapshots, node } = await guarded(own, 'say "hello"\r\nQUIT :bye');
    await alice.heard(/^Committed/);

    const ask = async (what: string, answer: RegExp | string): Promise<string> => {
      alice.client.say(CHANNEL, what);
      return alice.heard(answer);
    };
    await ask('!status', /^alice: controller '.*1 committed.*ledger \d+ records, head [0-9a-f]{16}$/);
    await ask('!locks', 'alice: No locks are held.');
    await ask('!last 5', new RegExp(`^alice: .*committed \\[${mutation}\\]$`));
    await ask(`!node ${node}`, new RegExp(`^alice: '${node}': no member of the mesh, 0 open, last asked`));
    await ask(`!why ${snapshots[0]?.name}`, /^alice: '.*' asked on .*: "say "hello"\\u000d\\nQUIT :bye"$/);
    await alice.heard(new RegExp(`^alice: committed; 1 snapshot of ${own.site} \\[${mutation}\\]$`));

    const bob = await enter('bob');
    stranger.client.say('hauki', '!status');
    bob.client.say('hauki', '!locks');
    await bob.heard(/^No locks are held\.$/);
    bob.client.say(CHANNEL, '!last 99');
    await alice.heard('bob: Write !last [1 to 10]');
    // More than a person may ask at once.
    for (let count = 0; count < 30; count += 1) bob.client.say(CHANNEL, '!locks');
    await until(async () => (await irc()).unanswered > 20, 'too many questions are not answered');
    expect(stranger.said).toEqual([]);
  });

  test('changes things only by a signed line, once', async () => {
    const { own, server, configure, join: enter, connected } = await scene();
    await server.start();
    configure(['signers: irc.signers', 'accounts: [alice]']);
    const key = (name: string): string => {
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(own.folder, name)]);
      return join(own.folder, name);
    };
    const [alices, mallorys] = [key('alice'), key('mallory')];
    writeFileSync(
      join(own.home, 'irc.signers'),
      `alice@ops namespaces="hauki-irc" ${readFileSync(`${alices}.pub`, 'utf8')}`,
    );
    const alice = await enter('alice');
    const mallory = await enter('mallory');
    await own.controller();
    await connected();
    const { mutation } = await guarded(own, 'to be undone');
    const sign = async (by: string, ...words: string[]): Promise<string> => {
      // Signed lines count from the second in which the controller started.
      const { code, stdout, stderr } = await own.run(['irc', 'sign', ...words, '--as', 'alice@ops', '--key', by]);
      expect(stderr + String(code)).toContain('0');
      return stdout.trim();
    };
    const stage = async (): Promise<string> => (await own.show(mutation)).stage;

    // Her nick is that of an account on the list, and nothing but a nick.
    alice.client.say(CHANNEL, `!rollback ${mutation}`);
    await alice.heard('alice: Refused: you are logged in to no account');
    mallory.client.say(CHANNEL, await sign(mallorys, 'rollback', mutation));
    await mallory.heard('mallory: Refused: it is not signed by that signer for this channel.');
    expect(await stage()).toBe('committed');

    const pinning = await sign(alices, 'pin', mutation);
    mallory.client.say('hauki', pinning.replace('pin', 'rollback'));
    await until(
      () => mallory.lines().filter((line) => line.includes('not signed by')).length >= 2,
      'other words are refused',
    );
    alice.client.say(CHANNEL, pinning);
    await alice.heard(/^alice: Pinned: /);
    mallory.client.say(CHANNEL, pinning);
    await mallory.heard('mallory: Refused: it was used already.');
    alice.client.say(CHANNEL, await sign(alices, 'unpin', mutation));
    await alice.heard(/^alice: Unpinned: /);
    alice.client.say('hauki', await sign(alices, 'rollback', mutation));
    await alice.heard(/^Rolled back: .* \[/);
    expect(await stage()).toBe('rolled_back');
  });

  test('is there when the server is: dead at boot, killed, frozen; and nothing is lost', async () => {
    const { own, server, configure, join: enter, connected, irc } = await scene();
    configure();
    const controller = await own.controller();
    const first = await guarded(own, 'while the server is dead');
    expect((await irc()).connected).toBe(false);
    // It is there, takes connections, and says nothing.
    await server.start();
    server.signal('SIGSTOP');
    await until(() => warnings(controller).some((message) => message.includes('it did not let us in')), 'it gives up');
    server.signal('SIGCONT');
    await connected();
    const alice = await enter('alice');
    const second = await guarded(own, 'while it lives');
    await alice.heard(committedLine(second));
    expect(alice.lines().join('\n')).not.toContain(first.mutation);

    await server.kill('SIGKILL');
    await until(async () => !(await irc()).connected, 'the loss is noticed');
    const third = await guarded(own, 'while it is killed');
    await server.start();
    const bob = await enter('bob');
    await bob.heard(committedLine(third));

    server.signal('SIGSTOP');
    await until(async () => !(await irc()).connected, 'a frozen server is left');
    const fourth = await guarded(own, 'while it is frozen');
    server.signal('SIGCONT');
    await bob.heard(committedLine(fourth));
    await connected();
    const fifth = await guarded(own, 'afterwards');
    await bob.heard(committedLine(fifth));
    const said = warnings(controller).filter((message) => message.startsWith('IRC: not connected'));
    expect(said.length).toBeGreaterThanOrEqual(3);
    expect(said.length).toBeLessThan(12);
  });

  test('tells after its own restart what it had not told before', async () => {
    const { own, server, configure, join: enter, connected } = await scene();
    await server.start();
    configure();
    const alice = await enter('alice');
    const controller = await own.controller();
    await connected();
    await alice.heard(committedLine(await guarded(own, 'before')));
    await server.kill();
    const missed = await guarded(own, 'nobody hears this');
    controller.child.kill('SIGKILL');
    await controller.done;
    await server.start();
    const bob = await enter('bob');
    await own.controller();
    expect(await bob.heard(committedLine(missed))).toContain('nobody hears this');
    await bob.heard(/^Controller '.*' started/);
  });

  test('tells later what a channel did not take: moderated, or thrown out', async () => {
    const { own, server, configure, join: enter, connected, irc } = await scene();
    await server.start();
    configure();
    const alice = await enter('alice');
    const controller = await own.controller();
    await connected();
    alice.client.mode(CHANNEL, '+m');
    const refused = await guarded(own, 'nobody may speak');
    await until(
      () => warnings(controller).some((message) => message.includes(`channel ${CHANNEL} was left`)),
      'it notices',
    );
    expect(alice.lines().join('\n')).not.toContain(refused.mutation);
    alice.client.mode(CHANNEL, '-m');
    await alice.heard(committedLine(refused));
    await connected();
    (alice.client as unknown as { raw: (...words: string[]) => void }).raw('KICK', CHANNEL, 'hauki', 'out');
    await until(async () => !(await irc()).connected, 'it is out');
    const missed = await guarded(own, 'thrown out');
    await alice.heard(committedLine(missed));
    expect(warnings(controller).length).toBeLessThan(6);
  });

  test('lets nothing out of an intent: no lines, no commands, no colours', async () => {
    const { own, server, configure, join: enter, connected } = await scene();
    await server.start();
    configure();
    const alice = await enter('alice');
    await own.controller();
    await connected();
    const intents = [
      'a\nb',
      'x\r\nQUIT :gone\r\nPRIVMSG #mesh :injected',
      '\u0001VERSION\u0001',
      '\u0001DCC SEND x 1 1\u0001',
      '\u000304,01red \u0002bold\u000f',
      '🦩'.repeat(512),
      `${'e\u0301'.repeat(255)}ü`,
      'w '.repeat(256).trim(),
      ':leading colon',
      '!status',
      '\u202egnorw',
    ];
    for (const intent of intents) {
      const { mutation } = await guarded(own, intent);
      await alice.heard(new RegExp(`^Committed.*${mutation}`, 's'));
    }
    for (const { message, nick } of alice.said) {
      expect(nick).toBe('hauki');
      expect(Buffer.byteLength(message)).toBeLessThanOrEqual(400);
      // eslint-disable-next-line no-control-regex -- they are what it is about
      expect(message).not.toMatch(/[\u0000-\u001f\u202e\ufffd]/);
      expect(message).toMatch(/^('|Capturing|Lock|Committing|Committed|head|Controller|Ledger)/);
    }
    await alice.heard(String.raw`"x\u000d\nQUIT :gone\u000d\nPRIVMSG #mesh :injected"`);
  });

  test('is not thrown out for flooding: hundreds at once are told, or said to be skipped', async () => {
    const { own, server, configure, join: enter, connected, irc } = await scene();
    await server.start();
    configure([], ['flood: { burst: 6, perSecond: 20 }', 'heads: 1s']);
    const alice = await enter('alice');
    await own.controller();
    await connected();
    const hauki = new Hauki({ name: 'the controller', socketPath: join(own.home, 'controller.sock') });
    for (let round = 0; round < 500; round += 50) {
      // Datasets that do not exist are denied: a life of two records.
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          hauki.request({ intent: `burst ${round + index}`, datasets: ['/nowhere/at all'] }).catch(() => undefined),
        ),
      );
    }
    const last = await guarded(own, 'after the burst');
    await alice.heard(committedLine(last), 40_000);
    const told = alice.lines('hauki');
    const skips = told.flatMap((line) => [
      ...line.matchAll(/^Skipped \d+ records \((\d+) to (\d+)\), among them .*denied/g),
    ]);
    const skipped = (seq: number): boolean => skips.some(([, from, to]) => Number(from) <= seq && seq <= Number(to));
    const records = (await own.run(['audit', 'export'])).stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { seq: number; type: string; mutation: string | null });
    const untold = records.filter(({ seq, type, mutation }) => {
      if (mutation === null || type === 'renewed' || skipped(seq)) return false;
      const words = type === 'requested' ? 'asks leave' : type === 'denied' ? 'DENIED' : '';
      return !told.some((line) => line.includes(mutation) && line.includes(words));
    });
    expect(untold).toEqual([]);
    expect(records.filter(({ seq }) => skipped(seq)).length).toBeGreaterThan(500);
    expect(await irc()).toMatchObject({ connected: true, nick: 'hauki' });
  });

  test('takes another nick when its own is in use, and its own again when it is free', async () => {
    const { own, server, configure, join: enter, connected, irc } = await scene();
    await server.start();
    configure();
    const impostor = await enter('hauki');
    await own.controller();
    await connected();
    expect((await irc()).nick).toBe('hauki_');
    const { mutation } = await guarded(own, 'under another name');
    await impostor.heard(new RegExp(`^Committed.*${mutation}`));
    impostor.leave();
    await until(async () => (await irc()).nick === 'hauki', 'its own nick again');
  });

  test('says why it is not let in, and does not hammer', async () => {
    const { own, server, configure, irc } = await scene({ password: 'right' });
    await server.start();
    configure(['passwordFile: irc.password']);
    writeFileSync(join(own.home, 'irc.password'), 'wrong secret\n', { mode: 0o600 });
    const controller = await own.controller();
    await until(
      () => warnings(controller).some((message) => /Bad password/i.test(message)),
      'the reason is in the log',
    );
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(warnings(controller).filter((message) => /not connected/.test(message))).toHaveLength(1);
    expect(controller.stderr()).not.toContain('wrong secret');
    expect((await irc()).connected).toBe(false);
    expect((await guarded(own, 'IRC is not what work waits for')).stage).toBe('committed');
  });

  test('refuses to start with a secret that others can read, or a file that is not there', async () => {
    const { own, configure } = await scene();
    configure(['passwordFile: irc.password']);
    expect((await own.run(['controller', '--port', '0'])).stderr).toMatch(/irc\.password.*cannot be used/s);
    writeFileSync(join(own.home, 'irc.password'), 'secret\n', { mode: 0o644 });
    const { code, stderr } = await own.run(['controller', '--port', '0']);
    expect(stderr).toMatch(/others may read it.*chmod 600/s);
    expect(code).toBe(64);
  });
});

needs('ngircd', 'openssl').describe('the controller on IRC over TLS', () => {
  test('with a server password, trusting the authority it was given', async () => {
    const { own, server, configure, join: enter, connected } = await scene({ tls: true, password: 'open sesame: yes' });
    await server.start();
    configure([`tls: { ca: ${server.ca} }`, `port: ${server.tlsPort}`, 'passwordFile: irc.password']);
    writeFileSync(join(own.home, 'irc.password'), 'open sesame: yes\n', { mode: 0o600 });
    const alice = await enter('alice');
    await own.controller();
    await connected();
    expect(await alice.heard(committedLine(await guarded(own, 'over TLS')))).toContain('over TLS');
  });

  test('and no other', async () => {
    const { own, server, configure, irc } = await scene({ tls: true });
    await server.start();
    configure(['tls: true', `port: ${server.tlsPort}`]);
    const controller = await own.controller();
    await until(() => warnings(controller).some((message) => /certificate/.test(message)), 'the reason is in the log');
    expect((await irc()).connected).toBe(false);
  });

  test('in the name it stands for', async () => {
    const { own, server, configure, irc } = await scene({ tls: true });
    await server.start();
    configure([`tls: { ca: ${server.ca}, servername: irc.other.test }`, `port: ${server.tlsPort}`]);
    const controller = await own.controller();
    await until(() => warnings(controller).some((message) => /altname/.test(message)), 'the reason is in the log');
    expect((await irc()).connected).toBe(false);
  });
});
