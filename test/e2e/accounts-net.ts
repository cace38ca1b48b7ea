import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { until } from '../until.ts';
import { freePorts } from './ngircd.ts';

/** InspIRCd with Atheme's services: a network that has accounts, SASL, and tells with each line who is logged in. */
export interface AccountsNet {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export async function accountsNet(folder: string): Promise<AccountsNet> {
  mkdirSync(folder, { recursive: true });
  const [port, link] = await freePorts();
  const modules = [
    'cap',
    'ircv3',
    'ircv3_ctctags',
    'ircv3_accounttag',
    'ircv3_servertime',
    'services_account',
    'spanningtree',
    'sasl',
  ];
  const server = join(folder, 'inspircd.conf');
  writeFileSync(
    server,
    [
      '<server name="irc.hauki.test" description="for tests" network="Test" id="1HK">',
      '<admin name="test" nick="test" email="test@hauki.test">',
      `<bind address="127.0.0.1" port="${port}" type="clients">`,
      `<bind address="127.0.0.1" port="${link}" type="servers">`,
      '<connect name="main" allow="*" timeout="60" threshold="100000" commandrate="1000000" fakelag="off" localmax="100" globalmax="100" useident="no" resolvehostnames="no">',
      `<pid file="${join(folder, 'inspircd.pid')}">`,
      ...modules.map((name) => `<module name="${name}">`),
      '<sasl target="services.test" requiressl="no">',
      '<link name="services.test" ipaddr="127.0.0.1" port="1" allowmask="127.0.0.0/8" sendpass="link" recvpass="link">',
      '<uline server="services.test" silent="yes">',
      '',
    ].join('\n'),
  );
  const services = join(folder, 'atheme.conf');
  const parts = [
    'protocol/inspircd',
    'backend/opensex',
    'crypto/pbkdf2v2',
    'nickserv/main',
    'nickserv/identify',
    'nickserv/register',
    'saslserv/main',
    'saslserv/plain',
  ];
  writeFileSync(
    services,
    `${parts.map((name) => `loadmodule "modules/${name}";`).join('\n')}
serverinfo {
  name = "services.test"; desc = "for tests"; numeric = "00A"; recontime = 1; netname = "Test";
  adminname = "test"; adminemail = "test@hauki.test"; registeremail = "test@hauki.test";
  auth = none; mta = "/bin/true"; loglevel = { error; info; network; };
  maxlogins = 20; maxusers = 0; maxnicks = 5; maxchans = 5; mdlimit = 30; emaillimit = 100; emailtime = 300; casemapping = rfc1459;
};
uplink "irc.hauki.test" { host = "127.0.0.1"; port = ${link}; send_password = "link"; receive_password = "link"; };
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "nicks"; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "sasl"; };
general { commit_interval = 5; };
`,
  );
  const running: ChildProcess[] = [];
  const start = async (program: string, args: readonly string[], ready: string): Promise<void> => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes: Buffer) => void (said += bytes.toString()));
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${program} ended: ${said}`);
      return said.includes(ready);
    }, `${program} is ready`);
  };
  const close = async (): Promise<void> => {
    await Promise.all(
      running.map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const ended = new Promise((resolve) => child.once('close', resolve));
        child.kill('SIGKILL');
        await ended;
      }),
    );
  };
  try {
    const root = process.getuid?.() === 0 ? ['--runasroot'] : [];
    await start('/usr/sbin/inspircd', [...root, '--nofork', '--nolog', '--config', server], 'is now running as');
    const files = ['-D', folder, '-p', join(folder, 'atheme.pid'), '-l', join(folder, 'atheme.log')];
    await start('/usr/bin/atheme-services', ['-n', '-c', services, ...files], 'finished synching');
  } catch (error) {
    await close();
    throw error;
  }
  return { port, close };
}
