import assert from 'node:assert/strict';

import type { Cleared, Denied, KeptList, StatusView } from '../../src/wire/http.ts';
import { scenario } from '../scenario.ts';

const DATASETS = Array.from({ length: 32 }, (_, index) => `tank/n${index + 1}`);
/** One that never was, and one that was when it was asked for. */
const MISSING = 'tank/nowhere';
const GONE = 'tank/gone';
const FIRST = 'tank/first';

/** What somebody may type, and ZFS must give back: property values of their own, each for one of the snapshots. */
const intentOf = (dataset: string): string =>
  `deploy to ${dataset}: "quotes", \\, \n, 🦅 and ${'x'.repeat(dataset.length * 9)}`;

export default scenario({
  about:
    'Requests that come together are frozen together, each with its own intent; one that is denied is denied alone.',
  minutesMax: 12,
  async run(lab) {
    await lab.freshPool();
    await lab.sh([FIRST, ...DATASETS, GONE].map((dataset) => `zfs create ${dataset}`).join('\n'));
    // Under emulation ZFS freezes them faster than they can be read. So the first has to wait until all are there.
    await lab.put(
      `${lab.folder}/bin/zfs`,
      `#!/bin/sh
       while [ "$1" = program ] && [ -e ${lab.folder}/gate ]; do sleep 0.1; done
       exec /usr/sbin/zfs "$@"`,
      '755',
    );
    await lab.controller({ env: { PATH: `${lab.folder}/bin:/usr/local/bin:/usr/bin:/bin` } });
    // The first one of a pool finds out how to talk to it; after that a program is always started ahead, which is past the gate.
    await lab.api('POST', '/v1/mutations', { intent: 'the first', datasets: [FIRST] });
    await lab.until(
      async () => (await lab.run(['pkill', '-f', '^/usr/sbin/zfs program'], { okCodes: 'any' })).code === 0,
      'one is ahead',
    );
    await lab.until(
      async () => (await lab.run(['pgrep', '-f', '^/usr/sbin/zfs program'], { okCodes: 'any' })).code === 1,
      'it is gone',
    );
    await lab.put(`${lab.folder}/gate`, '');

    lab.step('34 requests at once, two of them for what is not there');
    const asked = [...DATASETS.slice(0, 16), MISSING, GONE, ...DATASETS.slice(16)];
    const requests = asked.map((dataset, index) => {
      const body = JSON.stringify({ intent: intentOf(dataset), datasets: [dataset] });
      return [
        'url = "http://localhost/v1/mutations"',
        `unix-socket = "${lab.home}/controller.sock"`,
        'header = "content-type: application/json"',
        `data-binary = ${JSON.stringify(body)}`,
        `output = "${lab.folder}/answer-${index}"`,
      ].join('\n');
    });
    const sending = lab.start(
      ['curl', '-sS', '--parallel', '--parallel-immediate', '--parallel-max', '64', '-K', '-'],
      {
        stdin: requests.join('\nnext\n'),
      },
    );
    await lab.until(async () => {
      const { open } = (await lab.api('GET', '/v1/status')).body as StatusView;
      return open.length === 1 + DATASETS.length + 1;
    }, 'all are waiting');
    // What is asked for after them is behind them.
    const early = (await lab.api('GET', '/v1/snapshots')).body as KeptList;
    assert.deepEqual(
      early.kept.map(({ dataset }) => dataset),
      [FIRST],
    );
    await lab.sh(`zfs destroy ${GONE}; rm ${lab.folder}/gate`);
    assert.equal((await sending.done).code, 0, sending.stderr());
    const texts = (
      await lab.sh(`for n in {0..${asked.length - 1}}; do cat ${lab.folder}/answer-$n; echo; done`)
    ).trim();
    const answers = texts.split('\n').map((text) => JSON.parse(text) as Cleared | Denied);
    assert.equal(answers.length, asked.length);

    lab.step('each has its own answer, its own snapshot, its own intent');
    const rows = (
      await lab.sh(
        'zfs list -Hp -t snapshot -o name,createtxg,hauki:mutation,hauki:fence -r tank | grep -v ^tank/first@',
      )
    ).trim();
    const told = new Map(rows.split('\n').map((row) => [row.split('\t')[0], row.split('\t').slice(1)]));
    assert.equal(told.size, DATASETS.length);
    const kept = (await lab.api('GET', '/v1/snapshots')).body as KeptList;
    const fences = new Set<number>();
    const txgs = new Map<string, number>();
    for (const [index, answer] of answers.entries()) {
      const dataset = asked[index] ?? '';
      if (dataset === MISSING || dataset === GONE) {
        assert.equal(answer.status, 'denied');
        assert.equal(answer.code, 'dataset_missing');
        continue;
      }
      assert.equal(answer.status, 'cleared', JSON.stringify(answer));
      const { snapshot, mutation, fence } = answer;
      assert.ok(snapshot.startsWith(`${dataset}@PRE_`), snapshot);
      const [txg = '', ...properties] = told.get(snapshot) ?? [];
      assert.deepEqual(properties, [mutation, String(fence)]);
      assert.equal(kept.kept.find(({ name }) => name === snapshot)?.intent, intentOf(dataset));
      fences.add(fence);
      txgs.set(txg, (txgs.get(txg) ?? 0) + 1);
    }
    assert.equal(fences.size, DATASETS.length);

    lab.step('of few transaction groups');
    const counts = [...txgs.values()].toSorted((a, b) => b - a);
    assert.ok(counts.length <= 4, `transaction groups with so many snapshots each: ${counts.join(', ')}`);
    assert.ok((counts[0] ?? 0) >= 20, `transaction groups with so many snapshots each: ${counts.join(', ')}`);
  },
});
