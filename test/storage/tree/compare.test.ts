import { describe, expect, test } from 'vitest';

import {
  changesOf,
  compare,
  compareStrictly,
  linkGroups,
  reversed,
  withEchoes,
} from '../../../src/storage/tree/compare.ts';
import type { Entry } from '../../../src/storage/tree/entry.ts';

const RACY_SINCE_MS = 1_000_000;

function entry(path: string, over: Partial<Entry> = {}): Entry {
  const ino = String([...path].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 1000));
  return {
    path,
    type: 'f',
    dev: '1',
    ino,
    nlink: 1,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: 10,
    blocks: 8,
    mtime: '500.0000000000',
    ctime: '500.0000000000',
    target: '',
    ...over,
  };
}

const dir = (path: string, over: Partial<Entry> = {}) => entry(path, { type: 'd', mode: 0o755, ...over });
const tree = (...entries: Entry[]) => new Map(entries.map((one) => [one.path, one]));
const judge = (old: Entry[], now: Entry[]) => compare(tree(...old), tree(...now), RACY_SINCE_MS);

/** What one entry, and another at the same path, come to. */
describe('two entries', () => {
  const newer = { ctime: '600.0000000000' };
  test.each<[string, Partial<Entry>, Partial<Entry>, 'same' | 'content' | 'metadata' | 'doubt']>([
    ['equal in every figure', {}, {}, 'same'],
    ['with another size', {}, { size: 11, ...newer }, 'content'],
    ['with another mtime', {}, { mtime: '501.0000000000', ...newer }, 'content'],
    ['of another type', {}, { type: 'l', target: 'x' }, 'content'],
    ['with another mode', {}, { mode: 0o600, ...newer }, 'doubt'],
    ['with another mode, and nothing else, which no kernel does', {}, { mode: 0o600 }, 'metadata'],
    ['with another ctime', {}, newer, 'doubt'],
    ['with another inode', {}, { ino: '7' }, 'doubt'],
    ['with a ctime of the moment of the snapshot', { ctime: '1000.0000000000' }, { ctime: '1000.0000000000' }, 'doubt'],
    ['with a ctime just before the racy time', { ctime: '999.9990000000' }, { ctime: '999.9990000000' }, 'same'],
    ['with more links outside', {}, { nlink: 2 }, 'same'],
    ['that are symlinks to different places', { type: 'l', target: 'a' }, { type: 'l', target: 'b' }, 'content'],
    ['that are directories of another size', { type: 'd' }, { type: 'd', size: 4096 }, 'same'],
    ['that are directories with another mtime', { type: 'd' }, { type: 'd', mtime: '600.0', ...newer }, 'doubt'],
  ])('%s: %4$s', (_, old, now, verdict) => {
    const { differences, doubts } = judge([entry('x', old)], [entry('x', now)]);
    const found =
      doubts.length > 0
        ? 'doubt'
        : differences.length === 0
          ? 'same'
          : differences[0]?.content
            ? 'content'
            : 'metadata';
    expect(found).toBe(verdict);
  });
});

describe('two trees', () => {
  test('differ in what came and went', () => {
    const { differences } = judge([dir(''), entry('old'), entry('kept')], [dir(''), entry('kept'), entry('new')]);
    expect(changesOf(differences)).toEqual({ added: ['new'], modified: [], removed: ['old'] });
    expect(changesOf(reversed(differences))).toEqual({ added: ['old'], modified: [], removed: ['new'] });
  });

  test('differ in which names share a file', () => {
    const shared = { ino: '77', nlink: 2 };
    const { differences } = judge(
      [entry('a', shared), entry('b', shared), entry('c')],
      [entry('a', shared), entry('b'), entry('c', shared)],
    );
    expect(differences.map(({ path }) => path)).toEqual(['a', 'b', 'c']);
    expect(
      judge(
        [entry('a', shared), entry('b', shared)],
        [entry('a', { ...shared, ino: '9' }), entry('b', { ...shared, ino: '9' })],
      ).differences,
    ).toEqual([]);
  });

  test('compared strictly leave no doubt', () => {
    const old = tree(entry('x'));
    expect(compareStrictly(old, tree(entry('x', { ctime: '600.0' })), RACY_SINCE_MS)).toMatchObject({
      differences: [{ path: 'x', content: true }],
      doubts: [],
    });
  });

  test('a directory that only echoes a change inside is no news', () => {
    const [before, after] = [dir('d'), dir('d', { mtime: '600.0' })];
    const touched = { path: 'd', before, after, content: false };
    const inside = { path: 'd/new', after: entry('d/new'), content: true };
    expect(changesOf(withEchoes([touched, inside]))).toEqual({ added: ['d/new'], modified: [], removed: [] });
    expect(changesOf(withEchoes([touched]))).toEqual({ added: [], modified: ['d'], removed: [] });
    expect(changesOf(withEchoes([{ ...touched, after: { ...after, mode: 0o700 } }, inside])).modified).toEqual(['d']);
  });
});

describe('a boundary', () => {
  const mount = dir('m', { dev: '2', boundary: true });
  test('in both trees is passed over with all beneath it', () => {
    expect(judge([mount, entry('m/x')], [{ ...mount, ino: '9', mtime: '9.0' }])).toEqual({
      differences: [],
      doubts: [],
      obstructions: [],
    });
  });

  test('that came obstructs, and what it covers is not called removed', () => {
    const { differences, obstructions } = judge([dir('m'), entry('m/x')], [mount]);
    expect([differences, obstructions]).toEqual([[], [mount]]);
    expect(judge([], [mount])).toMatchObject({ differences: [], obstructions: [mount] });
  });

  test('that went leaves a directory, whose content nobody ever froze', () => {
    expect(judge([mount], [dir('m'), entry('m/x')])).toEqual({ differences: [], doubts: [], obstructions: [] });
    expect(judge([mount], []).differences).toMatchObject([{ path: 'm', before: mount }]);
  });
});

test('link groups name the names of a file, and only within the tree', () => {
  const shared = { ino: '77', nlink: 3 };
  const groupOf = linkGroups(tree(entry('b', shared), entry('a', shared), entry('lonely', { nlink: 5, ino: '78' })));
  expect(groupOf(entry('a', shared))).toBe('a\0b');
  expect(groupOf(entry('lonely', { nlink: 5, ino: '78' }))).toBe('');
});
