import assert from 'node:assert/strict';

import { startLxd } from '../lxd.ts';
import { scenario } from '../scenario.ts';

export default scenario({
  about: 'Commands reach a container of LXD’s unharmed: the suite that this host and ssh pass, and hauki exec.',
  minutesMax: 40,
  async run(lab) {
    await lab.freshPool();
    const lxd = await startLxd(lab);
    await lxd.launch('hauki-crm');
    await lxd.lxc('init', 'debian', 'hauki-off');

    lab.step('hauki exec in the container');
    const exec = ['exec', '--via', 'lxd:hauki-crm', '--cwd', '/srv', '--env', 'A=b c', '--'];
    const said = await lab.hauki([...exec, 'sh', '-c', 'systemd-detect-virt; pwd; echo "$A"; cat; exit 7'], {
      stdin: 'stdin\n',
      okCodes: [7],
    });
    assert.equal(said.stdout, 'lxc\n/srv\nb c\nstdin\n');

    lab.step('a container that is off, or not there: nothing runs');
    for (const [name, words] of [
      ['hauki-off', 'it is stopped'],
      ['hauki-none', 'no instance hauki-none'],
    ] as const) {
      const refused = await lab.hauki(['exec', '--via', `lxd:${name}`, '--', 'hostname'], { okCodes: [75] });
      assert.equal(refused.stdout, '');
      assert.match(refused.stderr, new RegExp(words));
    }
    await lxd.lxc('pause', 'hauki-crm');
    const frozen = await lab.hauki(['exec', '--via', 'lxd:hauki-crm', '--', 'hostname'], { okCodes: [75] });
    assert.match(frozen.stderr, /it is frozen/);
    await lxd.lxc('start', 'hauki-crm');

    lab.step('the suite');
    // Verbose: it takes long, and whoever waits wants to see how far it is.
    await lab.vitest(['--project', 'lxd', '--reporter', 'verbose', '--reporter', './test/reporter.ts'], {
      HAUKI_LXD: 'hauki-crm',
      HAUKI_LXD_STOPPED: 'hauki-off',
    });
  },
});
