import assert from 'node:assert/strict';

import { Mutations } from '../mutations.ts';
import { scenario } from '../scenario.ts';

const UNIT = 'hauki-controller.service';
/** What `systemd-analyze security` may say of it at most; why it is not less stands in docs/services.md. */
const EXPOSURE_MAX = 5.2;

export default scenario({
  about: 'The controller as a service of systemd’s: installed, told to be ready, watched, and gone again.',
  minutesMax: 15,
  async run(lab) {
    await lab.freshPool('tank/crm');
    const show = async (property: string): Promise<string> =>
      (await lab.run(['systemctl', 'show', '--value', '-p', property, UNIT])).stdout.trim();
    lab.after(async () => {
      await lab.sh(`systemctl disable --now ${UNIT} || :; rm -f /etc/systemd/system/${UNIT}; systemctl daemon-reload`);
    });

    lab.step('a dry run changes nothing');
    const install = ['controller', 'install', '--port', '0'];
    const dry = await lab.hauki([...install, '--dry-run']);
    assert.match(dry.stdout, /^Type=notify$/m);
    assert.match(dry.stderr, /would write/);
    assert.equal((await lab.run(['test', '-e', `/etc/systemd/system/${UNIT}`], { okCodes: [1] })).code, 1);

    lab.step('installed, it is ready, and says what it does');
    const first = await lab.json<{ changed: string[] }>(['/opt/hauki/hauki', ...install, '--json'], {
      env: { HAUKI_HOME: lab.home },
    });
    assert.deepEqual(first.changed, [`write /etc/systemd/system/${UNIT}`, `enable ${UNIT}`, `start ${UNIT}`]);
    assert.equal(await show('ActiveState'), 'active');
    assert.equal(await show('StatusText'), 'no mutation open');
    assert.equal(await show('NotifyAccess'), 'main');

    lab.step('again, it changes nothing');
    const pid = await show('MainPID');
    const again = await lab.hauki(install);
    assert.match(again.stdout, /^unchanged /);
    assert.equal(await show('MainPID'), pid);

    lab.step('behind its walls it still does its work: a mutation on ZFS and its rollback');
    await lab.put('/tank/crm/state', 'before\n');
    const mutations = new Mutations(lab);
    const cleared = await mutations.cleared(['tank/crm'], 'try');
    await lab.until(
      async () => /1 mutation open \(1 cleared\)/.test(await show('StatusText')),
      'the status line says so',
    );
    await lab.put('/tank/crm/state', 'after\n');
    await mutations.rollback(cleared);
    assert.equal(String(await lab.get('/tank/crm/state')), 'before\n');
    // Mounted where everybody sees it: the unit has no mounts of its own.
    assert.equal(String(await lab.get(`${await mutations.evidencePath(cleared)}/state`)), 'after\n');

    lab.step('log entries have fields');
    const journal = await lab.sh(`journalctl -u ${UNIT} -t hauki -o json --no-pager -n 3`);
    assert.match(journal, /"NODE":"/);
    assert.match(journal, /"PRIORITY":"6"/);

    lab.step('stopped by a signal, it is killed by the watchdog and comes back');
    await lab.run(['systemctl', 'kill', '--kill-whom=main', '-s', 'SIGSTOP', UNIT]);
    await lab.until(async () => !['0', pid].includes(await show('MainPID')), 'another process', { secondsMax: 240 });
    await lab.until(async () => (await show('ActiveState')) === 'active', 'it is ready again', { secondsMax: 240 });
    assert.match(await lab.sh(`journalctl -u ${UNIT} --no-pager`), /Watchdog timeout/);
    assert.equal((await lab.api('GET', '/readyz')).status, 200);

    lab.step('how exposed it is');
    const exposure = await lab.sh(`systemd-analyze security --no-pager ${UNIT} | tail -n 1`);
    const [, score = '10'] = /: (\d+\.\d)/.exec(exposure) ?? [];
    assert.ok(Number(score) <= EXPOSURE_MAX, exposure);

    lab.step('uninstalled, nothing is left but its data');
    const gone = await lab.hauki(['controller', 'uninstall']);
    assert.match(gone.stdout, /stay in/);
    assert.equal(await show('LoadState'), 'not-found');
    assert.equal(await lab.sh('ls /etc/systemd/system | grep -c hauki-controller || :'), '0\n');
    assert.equal((await lab.run(['test', '-e', `${lab.home}/ledger`], { okCodes: 'any' })).code, 0);
    assert.match((await lab.hauki(['controller', 'uninstall'])).stdout, /^unchanged /);
  },
});
