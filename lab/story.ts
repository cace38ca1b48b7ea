import { createHash } from 'node:crypto';

import type { Lab } from './guest.ts';
import { type Lxd, startLxd } from './lxd.ts';

/** The node, which is a container of the same name. */
export const NODE = 'hauki-crm';
/** What it changes, and where it has that. */
export const STATE = 'tank/meshfs/state/crm';
export const ROOT = '/srv/crm';
const PORT = 7717;
const CHANNEL = '#hauki';

/** The stage of mission.md's acceptance story: every part of it is real. */
export interface Story {
  readonly lxd: Lxd;
  /** Drops a task into the node's inbox, as its owner does on the storage host. @param options `--sign KEY` and the like */
  readonly drop: (name: string, script: string, ...options: readonly string[]) => Promise<void>;
  /** The same, signed by who may. */
  readonly dropSigned: (name: string, script: string) => Promise<void>;
  /** Waits until a task has come to one of the last folders. @returns that folder */
  readonly end: (name: string, secondsMax?: number) => Promise<string>;
  /** What became of a task. */
  readonly result: (name: string) => Promise<Record<string, unknown>>;
  /** What a task said. */
  readonly log: (name: string) => Promise<string>;
  /** What people in the channel have read so far. */
  readonly channel: () => Promise<string>;
  /** Of every file of the guarded state: name, mode, owner, time and content. */
  readonly fingerprint: () => Promise<string>;
  /** Names of the snapshots of the guarded state. */
  readonly snapshots: () => Promise<readonly string[]>;
  /** Opens the vault on the storage host: after it was closed, or after a boot. */
  readonly openVault: () => Promise<void>;
  readonly closeVault: () => Promise<void>;
}

/**
 * A controller that is a service of the host, in a channel of ngircd; a vault whose ciphertext lies on the pool; a container whose node is a
 * service there, brought by `hauki node install`, with the guarded state as a disk. About three minutes.
 */
export async function setTheStage(lab: Lab): Promise<Story> {
  await lab.freshPool('tank/meshfs', 'tank/meshfs/state', STATE, 'tank/meshfs/cipher');
  const env = { HAUKI_HOME: lab.home };
  const key = `${lab.folder}/alice`;
  const channelLog = `${lab.folder}/channel.log`;

  lab.step('ngircd, and somebody who sits in the channel');
  await lab.put('/run/lab/ngircd.conf', NGIRCD);
  lab.start(['ngircd', '-n', '-f', '/run/lab/ngircd.conf']);
  await lab.put(`${lab.folder}/sit`, SITTING, '755');
  await lab.sh(`: >${channelLog}`);
  lab.start([`${lab.folder}/sit`, channelLog]);

  lab.step('the controller, as a service of the host');
  await lab.put(
    `${lab.home}/config.yaml`,
    `irc: { server: 127.0.0.1, port: 6667, tls: false, channel: "${CHANNEL}", heads: 5s }\n`,
  );
  lab.after(async () => void (await lab.run(['hauki', 'controller', 'uninstall'], { env, okCodes: 'any' })));
  await lab.hauki(['mesh', 'init', '--name', '127.0.0.1']);
  await lab.hauki(['controller', 'install', '--port', '0', '--listen', `127.0.0.1:${PORT}`]);

  lab.step('a vault; the storage host keeps its ciphertext');
  await lab.sh(`rm -rf ${lab.folder}/vault.key ${lab.folder}/vault; mkdir -p ${lab.folder}/vault`);
  await lab.hauki(['vault', 'init', '--cipher', '/tank/meshfs/cipher/vault', '--key-file', `${lab.folder}/vault.key`]);

  const lxd = await startLxd(lab);
  await lxd.launch(NODE);
  // The container's root is an ordinary user outside.
  const ids = await lxd.exec(NODE, ['cat', '/proc/self/uid_map']);
  const [, outside = '0'] = ids.trim().split(/\s+/);
  await lab.sh(`
    mkdir -p /tank/meshfs/state/crm/app; printf 'schema 41\\n' > /tank/meshfs/state/crm/app/version
    head -c 200000 /dev/urandom > '/tank/meshfs/state/crm/app/a file'; ln -s version /tank/meshfs/state/crm/app/link
    chown -hR ${outside}:${outside} /tank/meshfs/state/crm /tank/meshfs/cipher/vault
  `);
  await lxd.mount(NODE, 'state', '/tank/meshfs/state/crm', ROOT);
  await lxd.mount(NODE, 'cipher', '/tank/meshfs/cipher/vault', '/srv/cipher');
  const proxy = [`listen=tcp:127.0.0.1:${PORT}`, `connect=tcp:127.0.0.1:${PORT}`, 'bind=instance'];
  await lxd.lxc('config', 'device', 'add', NODE, 'hauki', 'proxy', ...proxy);

  lab.step('the node, brought into the container as a service');
  await lab.hauki(['node', 'install', NODE, '--via', `lxd:${NODE}`, '--within', '10m', '--datasets', STATE]);
  await lab.sh(`rm -f ${key} ${key}.pub; ssh-keygen -q -t ed25519 -N '' -C alice -f ${key}`);
  const signer = `alice namespaces="hauki-task" ${await lab.sh(`cat ${key}.pub`)}`;
  const joined = JSON.parse(await lxd.exec(NODE, ['cat', '/var/lib/hauki-node/node.yaml'])) as object;
  const settings = {
    ...joined,
    vault: { cipher: '/srv/cipher', mount: '/srv/vault', key: { credential: 'vault' } },
    tasks: { datasets: [STATE], root: ROOT, signers: '/etc/hauki/signers', timeout: '10m' },
  };
  const put = async (path: string, content: string | Buffer, mode: string): Promise<void> => {
    const writing = 'umask 077; mkdir -p "${1%/*}"; cat >"$1"; chmod "$2" "$1"';
    await lab.run(['lxc', 'exec', NODE, '-T', '--', 'sh', '-ec', writing, 'sh', path, mode], { stdin: content });
  };
  await put('/etc/hauki/vault.key', await lab.get(`${lab.folder}/vault.key`), '600');
  await put('/etc/hauki/signers', signer, '644');
  await put('/var/lib/hauki-node/node.yaml', JSON.stringify(settings), '600');
  const credential = '[Service]\nLoadCredential=vault:/etc/hauki/vault.key\n';
  await put('/etc/systemd/system/shadow-writer.service.d/vault.conf', credential, '644');
  await lxd.exec(NODE, ['systemctl', 'daemon-reload']);
  await lxd.exec(NODE, ['systemctl', 'restart', 'shadow-writer.service']);

  const spool = `${lab.folder}/vault/nodes/${NODE}`;
  const openVault = async (): Promise<void> => {
    lab.step('the storage host opens the vault too, to drop tasks into it');
    const vault = ['--cipher', '/tank/meshfs/cipher/vault', '--mount', `${lab.folder}/vault`];
    await lab.until(
      async () => (await lxd.exec(NODE, ['sh', '-c', `ls -d /srv/vault/nodes/${NODE}/inbox || :`])) !== '',
      'the node has laid its folders out',
      { secondsMax: 180 },
    );
    lab.startHauki(['vault', 'mount', ...vault, '--key-file', `${lab.folder}/vault.key`]);
    await lab.until(async () => (await lab.run(['test', '-d', spool], { okCodes: 'any' })).code === 0, 'it is mounted');
  };
  await openVault();

  const drop: Story['drop'] = async (name, script, ...options) => {
    await lab.put(`${lab.folder}/tasks/${name}`, script, '755');
    await lab.hauki(['task', 'drop', NODE, `${lab.folder}/tasks/${name}`, '--spool', spool, ...options]);
  };
  return {
    lxd,
    drop,
    dropSigned: (name, script) => drop(name, script, '--sign', key),
    end: (name, secondsMax = 300) =>
      lab.until(
        async () => {
          for (const folder of ['done', 'failed', 'denied']) {
            const found = await lab.run(['test', '-e', `${spool}/${folder}/${name}.result.json`], { okCodes: 'any' });
            if (found.code === 0) return folder;
          }
          return undefined;
        },
        `${name} has ended`,
        { secondsMax, everyMs: 1_000 },
      ),
    result: async (name) => JSON.parse(await lab.sh(`cat ${spool}/*/${name}.result.json`)) as Record<string, unknown>,
    log: (name) => lab.sh(`cat ${spool}/*/${name}.log`),
    channel: () => lab.sh(`cat ${channelLog}`),
    fingerprint: async () => {
      const names = await lab.sh(`cd /tank/meshfs/state/crm; find . -printf '%P %y %m %U %G %T@ %l\\n' | sort`);
      const sums = await lab.sh(`cd /tank/meshfs/state/crm; find . -type f -print0 | sort -z | xargs -0 -r sha256sum`);
      return createHash('sha256').update(names).update(sums).digest('hex');
    },
    snapshots: async () =>
      (await lab.sh(`zfs list -H -o name -t snapshot -d 1 ${STATE}`)).split('\n').filter((line) => line !== ''),
    openVault,
    closeVault: async () => void (await lab.hauki(['vault', 'unmount', '--mount', `${lab.folder}/vault`])),
  };
}

const NGIRCD = `[Global]
Name = irc.lab
Info = the lab's
Listen = 127.0.0.1
Ports = 6667
MotdPhrase = hello
ServerUID = root
ServerGID = root
[Limits]
MaxPenaltyTime = 0
MaxJoins = 10
[Options]
PAM = no
Ident = no
DNS = no
SyslogFacility = local1
`;

/** A person's client: joins, stays, and keeps a log. */
const SITTING = `#!/bin/bash
set -eu
for try in $(seq 100); do exec 3<>/dev/tcp/127.0.0.1/6667 && break; sleep 0.2; done 2>/dev/null
printf 'NICK sitting\\r\\nUSER sitting 0 * :sitting\\r\\n' >&3
while IFS= read -r line <&3; do
  line=\${line%$'\\r'}
  case $line in
    PING*) printf 'PONG %s\\r\\n' "\${line#PING }" >&3 ;;
    *' 376 '* | *' 422 '*) printf 'JOIN ${CHANNEL}\\r\\n' >&3 ;;
    *' PRIVMSG ${CHANNEL} :'*) printf '%s\\n' "\${line#*PRIVMSG ${CHANNEL} :}" >>"$1" ;;
  esac
done
`;
