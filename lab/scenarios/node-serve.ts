import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

const ROOT = '/var/lib/lab/serving';
const BOXES = ['crm', 'billing'] as const;

export default scenario({
  about: 'One process on the host is the node of two containers: the flush hooks of each run inside it.',
  minutesMax: 25,
  async run(lab) {
    await lab.freshPool('tank/crm');
    const lxd = await startLxd(lab);
    for (const box of BOXES) {
      await lxd.launch(`hauki-${box}`);
      await lxd.exec(`hauki-${box}`, ['sh', '-c', `echo inside ${box} >/srv/name`]);
    }

    lab.step('a mesh with a node for each container');
    await lab.hauki(['mesh', 'init']);
    await lab.controller({ args: ['--port', '0', '--listen', '127.0.0.1:7718'] });
    await lab.run(['rm', '-rf', ROOT]);
    for (const box of BOXES) {
      const home = `${ROOT}/nodes/${box}`;
      const { body } = await lab.api('POST', '/v1/nodes', { node: box });
      await lab.hauki(['node', 'join', (body as { token: string }).token, '--home', home]);
      const joined = JSON.parse(String(await lab.get(`${home}/node.yaml`))) as object;
      const flush = [
        { run: ['sh', '-c', 'echo "$(cat /srv/name) $HAUKI_NODE $HAUKI_INTENT" > /srv/flushed'], within: '1m' },
      ];
      const tasks = { spool: `${home}/spool`, tasks: { datasets: ['tank/crm'], unsigned: 'run' } };
      const halt = { flush, sync: ['/srv'], syncWithin: '1m' };
      const settings = { ...joined, via: `lxd:hauki-${box}`, halt, ...tasks };
      await lab.put(`${home}/node.yaml`, JSON.stringify(settings));
    }
    lab.startHauki(['node', 'run', '--serve', BOXES.join(','), '--via', 'lxd'], { env: { HAUKI_NODE_HOME: ROOT } });
    for (const box of BOXES) {
      await lab.until(async () => {
        const { body } = await lab.api('GET', `/v1/nodes/${box}`);
        return (body as { presence?: { liveness: string } }).presence?.liveness === 'live';
      }, `${box} is live`);
    }

    lab.step('halt and flush: each hook ran in its own container');
    const ask = { intent: "it's one", datasets: ['tank/crm'], mode: 'critical', hold: true, flush: '3m' };
    const cleared = await lab.api('POST', '/v1/mutations', ask);
    assert.equal(cleared.status, 200, JSON.stringify(cleared.body));
    for (const box of BOXES)
      assert.equal(await lxd.exec(`hauki-${box}`, ['cat', '/srv/flushed']), `inside ${box} ${box} it's one\n`);
    const { mutation, fence } = cleared.body as { mutation: string; fence: number };
    await lab.api('POST', `/v1/mutations/${mutation}/commit`, { fence });

    lab.step('a critical task: both halt, the master snapshot is taken, and it runs in its own container');
    const task = '#!/bin/sh\n#hauki mode: critical\ncp /srv/name /srv/worked\n';
    const [inbox, done] = ['inbox', 'done'].map((folder) => `${ROOT}/nodes/crm/spool/${folder}`);
    await lab.put(`${inbox}/.draft`, task, '755');
    await lab.run(['mv', `${inbox}/.draft`, `${inbox}/both.task`]);
    const shelved = ['test', '-e', `${done}/both.task.result.json`];
    await lab.until(async () => (await lab.run(shelved, { okCodes: 'any' })).code === 0, 'it is done', {
      secondsMax: 180,
    });
    assert.equal(await lxd.exec('hauki-crm', ['cat', '/srv/worked']), 'inside crm\n');
    const ended = JSON.parse(String(await lab.get(`${done}/both.task.result.json`))) as { mutation: string };
    const { body } = await lab.api('GET', `/v1/mutations/${ended.mutation}`);
    const { mode, stage, participants } = body as { mode: string; stage: string; participants: string[] };
    assert.deepEqual([mode, stage, participants.toSorted()], ['critical', 'committed', BOXES.toSorted()]);

    lab.step('a container that is off: its node has not flushed, and the barrier is denied by its name');
    await lxd.lxc('stop', '--force', 'hauki-billing');
    const denied = await lab.api('POST', '/v1/mutations', ask);
    assert.match(JSON.stringify(denied.body), /flush_failed.*billing.*stopped/);
  },
});
