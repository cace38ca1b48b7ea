import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

const HOME = { HAUKI_NODE_HOME: '/var/lib/lab/node' };
/** A barrier that a stall of the host broke is asked for again, so often in all. */
const ASKS_MAX = 3;
const FILE = `${HOME.HAUKI_NODE_HOME}/node.yaml`;

export default scenario({
  about:
    'A node freezes a unit and a container while it is halted; both run again by RESUME, by hand, and when it is killed.',
  minutesMax: 25,
  async run(lab) {
    await lab.freshPool('tank/crm');
    await lab.sh("systemd-run --unit=lab-crm sh -c 'while :; do date +%s%N > /run/lab/tick; sleep 0.1; done'");

    lab.step('a mesh with one node');
    await lab.hauki(['mesh', 'init']);
    await lab.controller({ args: ['--port', '0', '--listen', '127.0.0.1:7718'] });
    const invited = await lab.api('POST', '/v1/nodes', { node: 'crm' });
    await lab.run(['rm', '-rf', HOME.HAUKI_NODE_HOME]);
    await lab.hauki(['node', 'join', (invited.body as { token: string }).token], { env: HOME });
    const joined = JSON.parse(String(await lab.get(FILE))) as object;
    const freezing = (...freeze: readonly object[]): Promise<void> =>
      lab.put(FILE, JSON.stringify({ ...joined, halt: { sync: ['/tank/crm'], freeze, freezeMax: '10m' } }));
    const live = (): Promise<unknown> =>
      lab.until(async () => {
        const { body } = await lab.api('GET', '/v1/nodes/crm');
        return (body as { presence?: { liveness: string } }).presence?.liveness === 'live';
      }, 'the node is live');
    const frozen = async (): Promise<string> =>
      (await lab.sh('systemctl show --property=FreezerState --value lab-crm.service')).trim();
    const thawed = (): Promise<unknown> => lab.until(async () => (await frozen()) === 'running', 'it runs');
    const halt = async (): Promise<{ mutation: string; fence: number }> => {
      const ask = { intent: 'freeze', datasets: ['tank/crm'], mode: 'critical', hold: true, flush: '2m' };
      for (let left = ASKS_MAX; ; left -= 1) {
        const { status, body } = await lab.api('POST', '/v1/mutations', ask);
        if (status === 200) return body as { mutation: string; fence: number };
        // Emulated, on a host that stalls, a node may be silent for seconds: then it counts as lost, and whoever asks is to ask again.
        const { code } = body as { code?: string };
        assert.ok(left > 1 && (code === 'node_lost' || code === 'barrier_broken'), JSON.stringify(body));
        await live();
      }
    };
    const end = ({ mutation, fence }: { mutation: string; fence: number }): Promise<unknown> =>
      lab.api('POST', `/v1/mutations/${mutation}/rollback`, { fence });

    lab.step('a unit is frozen for as long as the node is halted');
    await freezing({ unit: 'lab-crm.service' });
    const node = lab.startHauki(['node', 'run'], { env: HOME });
    await live();
    const first = await halt();
    assert.equal(await frozen(), 'frozen');
    assert.equal(await lab.sh('cat /run/lab/tick; sleep 1'), await lab.sh('cat /run/lab/tick'));
    await end(first);
    await thawed();

    lab.step('hauki thaw');
    const second = await halt();
    assert.match((await lab.hauki(['thaw'], { env: HOME })).stdout, /ended barrier \d+.*thawed unit lab-crm.service/);
    assert.equal(await frozen(), 'running');
    await end(second);
    assert.match((await lab.hauki(['thaw'], { env: HOME })).stdout, /was not halted/);

    lab.step('the node is killed: the watchdog thaws');
    const third = await halt();
    assert.equal(await frozen(), 'frozen');
    await node.kill('SIGKILL');
    await node.done;
    await thawed();
    await end(third);

    lab.step('what the node runs in is not frozen');
    await freezing({ unit: 'lab-node.service' });
    const set = Object.entries(HOME).map(([name, value]) => `--setenv=${name}=${value}`);
    await lab.run(['systemd-run', '--unit=lab-node', ...set, '/opt/hauki/hauki', 'node', 'run']);
    await live();
    const ask = { intent: 'freeze', datasets: ['tank/crm'], mode: 'critical' };
    const denied = await lab.api('POST', '/v1/mutations', ask);
    assert.match(
      JSON.stringify(denied.body),
      /flush_failed.*unit lab-node.service is not frozen: this node itself runs in it/,
    );

    lab.step('a container');
    await lab.sh('systemctl stop lab-node.service');
    const lxd = await startLxd(lab);
    await lxd.launch('crm-box');
    const box = async (): Promise<string> => (await lxd.lxc('list', 'crm-box', '-f', 'csv', '-c', 's')).trim();
    await freezing({ container: 'crm-box' });
    const again = lab.startHauki(['node', 'run'], { env: HOME });
    await live();
    const fourth = await halt();
    assert.equal(await box(), 'FROZEN');
    await end(fourth);
    await lab.until(async () => (await box()) === 'RUNNING', 'it runs');

    lab.step('the node is killed: the watchdog thaws the container');
    const fifth = await halt();
    assert.equal(await box(), 'FROZEN');
    await again.kill('SIGKILL');
    await again.done;
    await lab.until(async () => (await box()) === 'RUNNING', 'it runs');
    await end(fifth);
  },
});
