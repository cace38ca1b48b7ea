import { describe, expect, test } from 'vitest';

import type { MutationView } from '../../../src/wire/http.ts';
import { Refused } from '../../../web/api.ts';
import { History, MUTATIONS_MAX } from '../../../web/live/history.ts';
import { until } from '../../until.ts';

/** A controller with so many mutations, and what was asked of it. */
function controllerWith(number: number) {
  const stages = new Map<string, MutationView['stage']>();
  const asked: string[] = [];
  const gone = new Set<string>();
  let fail: (path: string) => boolean = () => false;
  /** What an answer waits for before it is given. */
  let held: (path: string) => Promise<void> | undefined = () => undefined;
  const id = (index: number): string => `m${String(index).padStart(6, '0')}`;
  const view = (name: string) => ({ mutation: name, stage: stages.get(name) ?? 'committed', records: [] });
  const answer = (path: string): unknown => {
    const { pathname, searchParams } = new URL(path, 'http://controller');
    if (pathname !== '/v1/mutations') return view(pathname.split('/').at(-1) ?? '');
    const before = searchParams.get('before') ?? id(number);
    const last = Number(before.slice(1));
    const limit = Number(searchParams.get('limit'));
    const mutations = Array.from({ length: Math.min(limit, last) }, (_, index) => view(id(last - 1 - index)));
    return { mutations: mutations.filter(({ mutation }) => !gone.has(mutation)) };
  };
  const history = new History(async <T>(path: string) => {
    asked.push(path);
    if (fail(path)) throw new Refused(0, 'unreachable', 'no answer', '');
    if (gone.has(path.split('/').at(-1) ?? '')) throw new Refused(404, 'mutation_unknown', 'unknown', '');
    const given = answer(path) as T;
    await held(path);
    return given;
  });
  return {
    history,
    asked,
    id,
    stages,
    gone,
    failing: (fails: boolean | typeof fail) => void (fail = typeof fails === 'boolean' ? () => fails : fails),
    holding: (holds: typeof held) => void (held = holds),
  };
}

/** An answer that waits until it is let go. */
function gate(): { readonly answered: Promise<void>; readonly release: () => void } {
  let release = (): void => {};
  const answered = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { answered, release };
}

/** Longer than what is touched is gathered. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 200));

describe('the history', () => {
  test('has the newest first, and then page after page up to its limit', async () => {
    const { history, asked } = controllerWith(MUTATIONS_MAX + 5_000);
    await history.load();
    const { mutations, loading, known } = history.state.value;
    expect([mutations.length, loading, known]).toEqual([MUTATIONS_MAX, false, true]);
    expect(asked[0]).toBe('/v1/mutations?limit=200');
    expect(asked.length).toBe(11);
    const ids = mutations.map(({ mutation }) => mutation);
    expect(ids).toEqual(ids.toSorted().toReversed());
  });

  test('asks for what an event touched, and for nothing else', async () => {
    const { history, asked, id, stages } = controllerWith(10);
    await history.load();
    const [first] = history.state.value.mutations;
    asked.length = 0;
    stages.set(id(3), 'rolled_back');
    history.touch(id(3));
    history.touch(id(3));
    await until(() => history.state.value.mutations.some(({ stage }) => stage === 'rolled_back'), 'the change');
    expect(asked).toEqual([`/v1/mutations/${id(3)}`]);
    expect(history.state.value.mutations.length).toBe(10);
    // What did not change is the same object as before: whoever draws can tell.
    expect(history.state.value.mutations[0]).toBe(first);
  });

  test('asks for the list when very much happens, and alone for what is older than that', async () => {
    const { history, asked, id, stages } = controllerWith(2_000);
    await history.load();
    asked.length = 0;
    for (const index of [5, 1_990, 1_991, 1_992, 1_993, 1_994, 1_995, 1_996]) {
      stages.set(id(index), 'denied');
      history.touch(id(index));
    }
    const denied = (): number => history.state.value.mutations.filter(({ stage }) => stage === 'denied').length;
    await until(() => denied() === 8, 'all changes');
    expect(asked).toEqual(['/v1/mutations?limit=1000', `/v1/mutations/${id(5)}`]);
  });

  test('keeps what it knows while nobody answers, and asks again for what it missed', async () => {
    const { history, id, stages, failing } = controllerWith(5);
    await history.load();
    failing(true);
    stages.set(id(1), 'rolled_back');
    history.touch(id(1));
    await until(() => history.state.value.error !== undefined, 'the error');
    expect(history.state.value.mutations.length).toBe(5);
    failing(false);
    history.touch(id(2));
    await until(() => history.state.value.mutations.some(({ stage }) => stage === 'rolled_back'), 'the change');
    expect(history.state.value.error).toBeUndefined();
  });

  test('that could not be had at first is asked for again when the line is back', async () => {
    const { history, failing } = controllerWith(5);
    failing(true);
    await history.load();
    expect(history.state.value).toMatchObject({ known: false, error: { code: 'unreachable' } });
    failing(false);
    history.again();
    await until(() => history.state.value.known, 'it is there');
    expect(history.state.value).toMatchObject({ loading: false, mutations: { length: 5 } });
  });

  test('of which a page could not be had is no whole one, and is gone through again', async () => {
    const { history, asked, id, failing } = controllerWith(500);
    failing((path) => path.includes('before='));
    await history.load();
    expect(history.state.value).toMatchObject({ mutations: { length: 200 }, error: { code: 'unreachable' } });
    asked.length = 0;
    history.touch(id(499));
    await until(() => asked.length === 1, 'what was touched is asked for');
    await settled();
    expect(history.state.value.error).toBeDefined();
    failing(false);
    history.again();
    await until(() => history.state.value.mutations.length === 500, 'the rest');
    expect(history.state.value).toMatchObject({ known: true, loading: false });
    expect(history.state.value.error).toBeUndefined();
  });

  test('asks for one mutation once at a time, so that the newest answer is the last', async () => {
    const { history, asked, id, stages, holding } = controllerWith(5);
    await history.load();
    const { answered, release } = gate();
    holding((path) => (path.endsWith(id(1)) ? answered : undefined));
    asked.length = 0;
    stages.set(id(1), 'cleared');
    history.touch(id(1));
    await until(() => asked.length === 1, 'it is asked for');
    holding(() => undefined);
    stages.set(id(1), 'rolled_back');
    history.touch(id(1));
    await settled();
    expect(asked.length).toBe(1);
    release();
    await until(() => history.state.value.mutations.some(({ stage }) => stage === 'rolled_back'), 'the change');
    expect(asked.length).toBe(2);
  });

  test('lets go of what the controller does not know any more, and is not held up by it', async () => {
    const { history, id, stages, gone } = controllerWith(5);
    await history.load();
    gone.add(id(2));
    stages.set(id(1), 'rolled_back');
    history.touch(id(1));
    history.touch(id(2));
    await until(() => history.state.value.mutations.length === 4, 'it is gone');
    expect(history.state.value.mutations.some(({ stage }) => stage === 'rolled_back')).toBe(true);
    // Nor is what was of another ledger kept, which nothing touches.
    gone.add(id(3));
    await history.load();
    expect(history.state.value.mutations.map(({ mutation }) => mutation)).toEqual([id(4), id(1), id(0)]);
  });

  test('keeps what it heard of while it went through the pages', async () => {
    const { history, id, stages, holding } = controllerWith(10);
    const { answered, release } = gate();
    holding((path) => (path.includes('?limit') ? answered : undefined));
    const loaded = history.load();
    stages.set(id(3), 'rolled_back');
    history.touch(id(3));
    history.touch('m999999');
    await until(() => history.state.value.mutations.length === 2, 'what was touched');
    expect(history.state.value.known).toBe(false);
    release();
    await loaded;
    const { mutations } = history.state.value;
    expect(mutations.length).toBe(11);
    expect(mutations.find(({ mutation }) => mutation === id(3))?.stage).toBe('rolled_back');
  });
});
