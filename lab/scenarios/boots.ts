import assert from 'node:assert/strict';

import { scenario } from '../scenario.ts';

/** What no shell on the way may read: spaces, quotes, a newline, an emoji, what looks like a variable. */
const AWKWARD = ['two words', `it's "quoted"`, 'line\nbreak', '🦅 hauki', '$HOME `id` \\', '', '*'];

export default scenario({
  about: 'The guest is a whole Debian with systemd and OpenZFS, and hauki runs in it.',
  minutesMax: 5,
  async run(lab) {
    lab.step('systemd');
    assert.equal(await lab.sh('systemctl list-units --failed --plain --no-legend'), '');
    assert.equal(await lab.sh('systemctl is-system-running'), 'running\n');

    lab.step('arguments, input and files arrive as they are');
    const echoed = await lab.run(['printf', '%s\\0', ...AWKWARD], { env: { ODD: AWKWARD.join('') }, cwd: '/' });
    assert.deepEqual(echoed.stdout.split('\0').slice(0, -1), AWKWARD);
    assert.equal((await lab.run(['sh', '-c', 'kill -TERM $$'], { okCodes: 'any' })).code, 143);
    assert.equal((await lab.run(['id', '-un'], { user: 'alice' })).stdout, 'alice\n');
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    await lab.put(`${lab.folder}/a/b c`, bytes, '600');
    assert.deepEqual(await lab.get(`${lab.folder}/a/b c`), bytes);
    const sleeper = lab.start(['sleep', '1000']);
    await sleeper.kill('SIGINT');
    assert.equal((await sleeper.done).code, 130);

    lab.step('OpenZFS');
    assert.match(await lab.sh('zfs version'), /^zfs-2\..*\nzfs-kmod-2\./);
    await lab.freshPool('tank/crm');
    await lab.put('/tank/crm/config', 'one\n');
    await lab.sh('zfs snapshot tank/crm@before; echo two > /tank/crm/config; zfs rollback tank/crm@before');
    assert.equal(String(await lab.get('/tank/crm/config')), 'one\n');

    lab.step('hauki doctor');
    const { ok } = await lab.json<{ ok: boolean }>(['hauki', 'doctor', '--json'], { env: { HAUKI_HOME: lab.home } });
    assert.equal(ok, true);

    lab.step('a controller, and a mutation over its socket');
    const controller = await lab.controller();
    const site = `${lab.folder}/site`;
    await lab.put(`${site}/index.html`, 'hello\n');
    const cleared = await lab.api('POST', '/v1/mutations', { intent: 'try it in the lab 🦅', datasets: [site] });
    assert.equal(cleared.status, 200, JSON.stringify(cleared.body));
    const { mutation, fence } = cleared.body as { mutation: string; fence: number };
    await lab.put(`${site}/index.html`, 'goodbye\n');
    const undone = await lab.api('POST', `/v1/mutations/${mutation}/rollback`, { fence });
    assert.equal(undone.status, 200, JSON.stringify(undone.body));
    assert.equal(String(await lab.get(`${site}/index.html`)), 'hello\n');

    lab.step('the power fails');
    const records = await lab.api('GET', `/v1/mutations/${mutation}`);
    await lab.powerCut();
    await lab.boot();
    assert.equal(String(await lab.get('/tank/crm/config')), 'one\n');
    await lab.controller();
    assert.deepEqual((await lab.api('GET', `/v1/mutations/${mutation}`)).body, records.body);
    assert.equal(await controller.pid(), 0);
  },
});
