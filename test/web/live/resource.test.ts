import { describe, expect, test } from 'vitest';

import { Refused } from '../../../web/api.ts';
import { Resource } from '../../../web/live/resource.ts';
import { until } from '../../until.ts';

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('a resource', () => {
  test('is asked for when somebody looks, and not before', async () => {
    let asked = 0;
    const resource = new Resource(async () => (asked += 1));
    resource.invalidate();
    await settled();
    expect(asked).toBe(0);
    const end = resource.watch();
    await until(() => resource.state.value.value === 1, 'it is there');
    resource.watch()();
    await settled();
    expect(asked).toBe(1);
    end();
  });

  test('that became outdated many times at once is asked for once more', async () => {
    let asked = 0;
    const resource = new Resource(async () => (asked += 1), { gatherMs: 5 });
    const end = resource.watch();
    await until(() => resource.state.value.value === 1, 'it is there');
    for (let times = 0; times < 50; times += 1) resource.invalidate();
    await until(() => resource.state.value.value === 2, 'it is there again');
    await settled();
    expect(asked).toBe(2);
    end();
  });

  test('that changes while it is on its way is asked for again', async () => {
    const answers: (() => void)[] = [];
    let asked = 0;
    const resource = new Resource(
      () => {
        const value = (asked += 1);
        return new Promise<number>((resolve) => answers.push(() => resolve(value)));
      },
      { gatherMs: 1 },
    );
    const end = resource.watch();
    resource.invalidate();
    await settled();
    expect(asked).toBe(1);
    answers.shift()?.();
    await until(() => asked === 2, 'it is asked for again');
    answers.shift()?.();
    await until(() => resource.state.value.value === 2, 'the newest is there');
    end();
  });

  test('keeps what was known when an error comes, and says the error until it is well again', async () => {
    const answers = [1, new Refused(503, 'overloaded', 'too much', ''), 3];
    const resource = new Resource(
      async () => {
        const answer = answers.shift();
        if (answer instanceof Refused) throw answer;
        return answer;
      },
      { gatherMs: 1 },
    );
    const end = resource.watch();
    await until(() => resource.state.value.value === 1, 'it is there');
    resource.invalidate();
    await until(() => resource.state.value.error !== undefined, 'the error');
    expect(resource.state.value.value).toBe(1);
    resource.invalidate();
    await until(() => resource.state.value.value === 3, 'it is there again');
    expect(resource.state.value.error).toBeUndefined();
    end();
  });

  test('is asked for every so often only while somebody looks', async () => {
    let asked = 0;
    const resource = new Resource(async () => (asked += 1), { everyMs: 5, gatherMs: 1 });
    const end = resource.watch();
    await until(() => asked > 2, 'it is asked for again and again');
    end();
    await settled();
    const before = asked;
    await settled();
    expect(asked).toBe(before);
  });
});
