import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';

import { Client as Hauki } from '../../src/client/client.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import { type AccountsNet, accountsNet } from './accounts-net.ts';
import { type Credentials, person, type Person } from './ngircd.ts';
import { openPlace, place, type Place } from './place.ts';

/* The controller on a network with accounts: it logs in to its own, and obeys those on its list. */

const CHANNEL = '#mesh';

needs('inspircd', 'atheme').describe('the controller on a network with accounts', () => {
  let ground: Place;
  let net: AccountsNet;
  let own: Place;

  beforeAll(async () => {
    ground = openPlace();
    net = await accountsNet(join(ground.folder, 'net'));
    for (const name of ['hauki', 'alice', 'bob']) {
      const newcomer = await person(net.port, name, []);
      newcomer.client.say('NickServ', `REGISTER ${name}-secret ${name}@hauki.test`);
      await newcomer.heard(/registered/);
      newcomer.leave();
    }
  });
  afterAll(async () => {
    await net.close();
    await ground.close();
  });
  beforeEach(() => {
    own = place();
    mkdirSync(own.home);
    writeFileSync(join(own.home, 'irc.sasl'), 'hauki-secret\n', { mode: 0o600 });
    writeFileSync(
      join(own.home, 'config.yaml'),
      `irc:
  server: 127.0.0.1
  port: ${net.port}
  tls: false
  channel: "${CHANNEL}"
  sasl: { account: hauki, passwordFile: irc.sasl }
  accounts: [Alice]
  flood: { burst: 50, perSecond: 400 }
  patience: { quiet: 500ms, answer: 700ms, retry: 100ms, retryMax: 1s }
`,
    );
  });

  async function enter(nick: string, credentials?: Credentials): Promise<Person> {
    const joined = await person(net.port, nick, [CHANNEL], credentials);
    onTestFinished(joined.leave);
    return joined;
  }

  test('logs in by SASL, and does what an account on the list asks for, whatever its nick', async () => {
    const alice = await enter('somebody', { account: 'alice', password: 'alice-secret' });
    const bob = await enter('bobby', { account: 'bob', password: 'bob-secret' });
    const mallory = await enter('alice');
    await own.controller();
    await alice.heard(/^Controller .* started/);
    await own.guard('true', ['--intent', 'to be undone']);
    await alice.heard(/^Committed/);
    expect(alice.said.find(({ nick }) => nick === 'hauki')?.account).toBe('hauki');

    const [{ mutation } = { mutation: '' }] = await own.mutations();
    mallory.client.say(CHANNEL, `!rollback ${mutation}`);
    await mallory.heard('alice: Refused: you are logged in to no account');
    bob.client.say(CHANNEL, `!rollback ${mutation}`);
    await bob.heard('bobby: Refused: account bob is not on the list.');
    expect((await own.show(mutation)).stage).toBe('committed');
    alice.client.say(CHANNEL, `!rollback ${mutation}`);
    await alice.heard(/^somebody: Rolled back: /);
    expect((await own.show(mutation)).stage).toBe('rolled_back');
  });

  test('says that its account is refused, and does not hammer', async () => {
    writeFileSync(join(own.home, 'irc.sasl'), 'not the password\n');
    const controller = await own.controller();
    await until(() => controller.stderr().includes('it refuses the SASL account'), 'the reason is in the log');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(controller.stderr().match(/not connected/g)).toHaveLength(1);
    expect(controller.stderr()).not.toContain('not the password');
    const hauki = new Hauki({ name: 'the controller', socketPath: join(own.home, 'controller.sock') });
    expect((await hauki.status()).irc?.connected).toBe(false);
  });
});
