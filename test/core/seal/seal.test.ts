import { describe, expect, test } from 'vitest';

import { refusal } from '../../../src/base/refusal.ts';
import type { CommandBody } from '../../../src/core/command.ts';
import { type Effect, pending } from '../../../src/core/pending.ts';
import { SLOW, Story, TROUBLE } from '../story.ts';

const dataset = (name: string) => ({ name, driver: 'memory' }) as const;
const seal = (name: string, sealed = true): CommandBody => ({ type: 'seal', dataset: dataset(name), sealed });
const sealed = (name: string, to = true, kind: 'done' | 'refused' | 'unknown' = 'done'): CommandBody => ({
  type: 'seal_answered',
  dataset: dataset(name),
  sealed: to,
  answer: kind === 'done' ? { kind, value: undefined } : { kind, reason: kind === 'refused' ? TROUBLE : SLOW },
});
const START = { type: 'start', version: '1', node: 'host' } as const;

function sealedStory(...names: string[]): Story {
  const story = new Story();
  for (const name of names) {
    story.tell(seal(name));
    story.tell(sealed(name));
  }
  return story;
}

function effectOf(story: Story, subject: string): Effect | undefined {
  return pending(story.state).find((effect) => effect.subject === subject);
}

describe('a sealed pool dataset', () => {
  const pool = { name: 'tank/a', driver: 'zfs', at: '/srv/a' } as const;
  const under = { datasets: [{ name: '/srv/a/sub', driver: 'directory' }] } as const;

  test('is opened for a directory in it, and closed again, where it is', () => {
    const story = new Story();
    story.tell({ type: 'seal', dataset: pool, sealed: true });
    expect(pending(story.state)).toMatchObject([{ dataset: pool }]);
    const done = { kind: 'done', value: undefined } as const;
    story.tell({ type: 'seal_answered', dataset: pool, sealed: true, answer: done });
    story.ask([], under);
    expect(effectOf(story, 'm')).toMatchObject({ kind: 'snapshot', lift: [pool] });
    expect(story.say({ type: 'seal', dataset: pool, sealed: false })).toBe('! dataset_busy');
    story.cleared().commit();
    expect(effectOf(story, 'm')).toMatchObject({ kind: 'commit', close: [pool] });
  });

  test('is where it was after a restart', () => {
    const story = new Story();
    story.tell({ type: 'seal', dataset: pool, sealed: true });
    story.tell(START);
    expect(effectOf(story, 'seal tank/a')).toMatchObject({ dataset: pool });
  });
});

describe('sealing', () => {
  test('is settled by the storage', () => {
    const story = new Story();
    expect(story.say(seal('/a'))).toBe('seal_started');
    expect(pending(story.state)).toMatchObject([{ kind: 'seal', subject: 'seal /a', sealed: true }]);
    expect(story.say(sealed('/a'))).toBe('sealed');
    expect(story.state.seals.get('/a')).toMatchObject({ wanted: true, settled: true, mayHold: true });
    expect(pending(story.state)).toEqual([]);
  });

  test('again asks nothing new; nor does unsealing what is open', () => {
    expect(sealedStory('/a').say(seal('/a'))).toBe('-');
    expect(new Story().say(seal('/a', false))).toBe('-');
  });

  test('that is not possible leaves no seal on record', () => {
    const story = new Story();
    story.tell(seal('/a'));
    expect(story.say(sealed('/a', true, 'refused'))).toBe('seal_refused');
    expect(story.state.seals.size).toBe(0);
  });

  test('whose outcome is unknown is tried again', () => {
    const story = new Story();
    story.tell(seal('/a'));
    expect(story.say(sealed('/a', true, 'unknown'))).toBe('seal_started');
    expect(story.say(sealed('/a', true, 'unknown'))).toBe('-');
    expect(pending(story.state)).toHaveLength(1);
    // The first try may have come true, so that the second was refused does not mean that the dataset is open.
    expect(story.say(sealed('/a', true, 'refused'))).toBe('-');
    expect(pending(story.state)).toHaveLength(1);
    expect(story.say(sealed('/a'))).toBe('sealed');
  });

  test('waits for nobody: it is refused while somebody is at work', () => {
    const story = new Story().ask(['/a/b']);
    expect(story.say(seal('/a'))).toBe('! dataset_busy');
    expect(story.say(seal('/a/b/c'))).toBe('! dataset_busy');
    expect(story.say(seal('/x'))).toBe('seal_started');
  });

  test('what cannot be opened is sealed again, with the reason: an earlier try may have opened it', () => {
    const story = sealedStory('/a');
    expect(story.say(seal('/a', false))).toBe('seal_started');
    expect(story.say(sealed('/a', false, 'refused'))).toBe('seal_refused');
    expect(story.state.seals.get('/a')).toMatchObject({ wanted: true, settled: false, reason: TROUBLE });
    expect(pending(story.state)).toMatchObject([{ subject: 'seal /a', sealed: true }]);
    expect(story.say(sealed('/a'))).toBe('sealed');
  });

  test('where nothing can be sealed, opening is done', () => {
    const story = new Story();
    story.tell(seal('/a'));
    story.tell(seal('/a', false));
    const reason = refusal('seal_unsupported', 'A plain directory.');
    const answer = { kind: 'refused', reason } as const;
    expect(story.say({ type: 'seal_answered', dataset: dataset('/a'), sealed: false, answer })).toBe('unsealed');
  });

  test('an answer to what is no longer wanted does not count', () => {
    const story = new Story();
    story.tell(seal('/a'));
    expect(story.say(seal('/a', false))).toBe('seal_started');
    expect(story.say(sealed('/a', true))).toBe('-');
    expect(pending(story.state)).toMatchObject([{ kind: 'seal', sealed: false }]);
    expect(story.say(sealed('/a', false))).toBe('unsealed');
    expect(story.say(sealed('/a', false))).toBe('-');
    expect(story.state.seals.size).toBe(0);
  });
});

describe('a mutation under seals', () => {
  test('has those on its datasets and on what contains them lifted, and closed again at its end', () => {
    const story = sealedStory('/a', '/a/b', '/a/b/c/d', '/x').ask(['/a/b/c']);
    expect(effectOf(story, 'm')).toMatchObject({
      kind: 'snapshot',
      lift: [{ name: '/a' }, { name: '/a/b' }],
      claims: ['m', 'seal /a', 'seal /a/b'],
    });
    story.cleared();
    expect(story.say({ type: 'commit', mutation: 'm', fence: 1 })).toBe('commit_started');
    expect(effectOf(story, 'm')).toMatchObject({ kind: 'commit', close: [{ name: '/a' }, { name: '/a/b' }] });
  });

  test.each([
    ['withdrawing', { type: 'snapshot_answered', mutation: 'm', answer: { kind: 'refused', reason: TROUBLE } }],
    ['rolling_back', { type: 'rollback', mutation: 'm' }],
  ] as const)('has them closed when it is %s', (stage, body) => {
    const story = sealedStory('/a').ask(['/a']);
    if (stage === 'rolling_back') story.cleared();
    story.tell(body);
    expect(story.stage()).toBe(stage);
    expect(effectOf(story, 'm')).toMatchObject({ close: [{ name: '/a' }] });
  });

  test('two under one sealed ancestor: the last one closes', () => {
    const story = sealedStory('/a').ask(['/a/b'], {}, 'm1').ask(['/a/c'], {}, 'm2').cleared('m1').cleared('m2');
    expect(story.say({ type: 'commit', mutation: 'm1', fence: 1 })).toBe('m1 committed');
    expect(story.say({ type: 'commit', mutation: 'm2', fence: 2 })).toBe('m2 commit_started');
    expect(effectOf(story, 'm2')).toMatchObject({ close: [{ name: '/a' }] });
  });

  test.each([
    [
      'rolled_back',
      { type: 'rollback', mutation: 'm1' },
      { type: 'rollback_answered', mutation: 'm1', attempt: 1, answer: { kind: 'done', value: [] } },
    ],
    [
      'cancelled',
      { type: 'holder_gone', mutation: 'm1' },
      { type: 'withdraw_answered', mutation: 'm1', answer: { kind: 'done', value: undefined } },
    ],
  ] as const)(
    'one that ends while the effect of the other is under way: it is closed when that is %s',
    (end, begin, answer) => {
      const story = sealedStory('/a').ask(['/a/b'], {}, 'm1').ask(['/a/c'], {}, 'm2').cleared('m2');
      if (end === 'rolled_back') story.cleared('m1');
      story.tell(begin);
      // Both need it open: so neither has anything to close.
      expect(effectOf(story, 'm1')).toMatchObject({ close: [] });
      expect(story.say({ type: 'commit', mutation: 'm2', fence: 2 })).toBe('m2 committed');
      expect(story.say({ ...answer, closed: [] })).toBe(`m1 ${end}, seal_started`);
      expect(effectOf(story, 'seal /a')).toMatchObject({ sealed: true });
    },
  );

  test('one that its effect has closed is not closed once more', () => {
    const story = sealedStory('/a').ask(['/a']).cleared();
    story.tell({ type: 'rollback', mutation: 'm' });
    const done = { type: 'rollback_answered', mutation: 'm', attempt: 1, answer: { kind: 'done', value: [] } } as const;
    expect(story.say({ ...done, closed: ['/a'] })).toBe('rolled_back');
  });

  test("one that begins while the other closes: they claim the same seal, so neither gets in the other's way", () => {
    const story = sealedStory('/a').ask(['/a/b'], {}, 'm1').cleared('m1').commit('m1');
    const closing = effectOf(story, 'm1');
    story.ask(['/a/c'], {}, 'm2');
    const lifting = effectOf(story, 'm2');
    expect(closing?.claims).toContain('seal /a');
    expect(lifting?.claims).toContain('seal /a');
    // Had the first not yet begun, it would have nothing to close any more.
    expect(effectOf(story, 'm1')).toMatchObject({ close: [], claims: ['m1'] });
  });

  test('a seal that is still on its way is lifted too, and not closed over its head', () => {
    const story = new Story();
    story.tell(seal('/a'));
    story.ask(['/a/b']);
    expect(effectOf(story, 'm')).toMatchObject({ lift: [{ name: '/a' }] });
    expect(effectOf(story, 'seal /a')).toBeUndefined();
    story.cleared().commit();
    story.tell({ type: 'commit_answered', mutation: 'm', answer: { kind: 'done', value: undefined } });
    expect(effectOf(story, 'seal /a')).toMatchObject({ sealed: true });
  });

  test('a seal that is still being opened is lifted too, and not closed at the end', () => {
    const story = sealedStory('/a');
    story.tell(seal('/a', false));
    story.ask(['/a']);
    expect(effectOf(story, 'm')).toMatchObject({ lift: [{ name: '/a' }] });
    story.cleared();
    expect(story.say({ type: 'commit', mutation: 'm', fence: 1 })).toBe('committed');
  });
});

describe('after a restart', () => {
  test('every seal is put on again, for nobody knows what happened to it', () => {
    const story = sealedStory('/a', '/b');
    story.tell(START);
    expect(pending(story.state).map(({ subject }) => subject)).toEqual(['seal /a', 'seal /b']);
  });

  test('but not over the head of one that is cleared', () => {
    const story = sealedStory('/a').ask(['/a/b']).cleared();
    story.tell(START);
    expect(pending(story.state)).toEqual([]);
    story.commit();
    expect(effectOf(story, 'm')).toMatchObject({ close: [{ name: '/a' }] });
  });

  test('a seal that cannot be put on again at once is not given up', () => {
    const story = sealedStory('/a');
    story.tell(START);
    expect(story.say(sealed('/a', true, 'refused'))).toBe('-');
    expect(pending(story.state)).toMatchObject([{ subject: 'seal /a' }]);
    expect(story.say(sealed('/a'))).toBe('sealed');
  });

  test('a first seal whose answer the crash swallowed is not given up either', () => {
    const story = new Story();
    story.tell(seal('/a'));
    story.tell(START);
    expect(story.say(sealed('/a', true, 'refused'))).toBe('-');
    expect(story.say(sealed('/a'))).toBe('sealed');
  });

  test('an opening goes on', () => {
    const story = sealedStory('/a');
    story.tell(seal('/a', false));
    story.tell(START);
    expect(pending(story.state)).toMatchObject([{ subject: 'seal /a', sealed: false }]);
  });
});
