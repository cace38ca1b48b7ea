import { describe, expect, test } from 'vitest';

import { Tails } from '../../../src/engine/mesh/tails.ts';
import type { TaskPiece } from '../../../src/ports/mesh.ts';
import { systemClock } from '../../../src/bin/clock.ts';

describe("what the nodes' tasks say", () => {
  test('is kept by node and task, and told to whoever follows', () => {
    const tails = new Tails(systemClock);
    tails.hear('crm', [
      { task: 'a', state: 'running', mutation: 'm1' },
      { task: 'a', text: 'one\n' },
    ]);
    const heard: TaskPiece[] = [];
    const stop = tails.follow('crm', 'a', (piece) => heard.push(piece));
    tails.hear('crm', [
      { task: 'a', text: 'two\n' },
      { task: 'b', text: 'other' },
      { task: 'a', state: 'done', words: 'fine' },
    ]);
    stop();
    tails.hear('crm', [{ task: 'a', text: 'three\n' }]);
    expect(heard).toEqual([
      { task: 'a', text: 'two\n' },
      { task: 'a', state: 'done', words: 'fine' },
    ]);
    expect(tails.tail('crm', 'a')).toMatchObject({
      text: 'one\ntwo\nthree\n',
      stand: { state: 'done', words: 'fine', mutation: 'm1' },
    });
    expect(tails.tasks('crm').map(({ task }) => task)).toEqual(['b', 'a']);
    expect(tails.tail('other', 'a')).toBeUndefined();
  });

  test('begins anew with another task of the same name, and whoever follows stays', () => {
    const tails = new Tails(systemClock);
    tails.hear('crm', [
      { task: 'a', state: 'running', mutation: 'm1' },
      { task: 'a', text: 'old' },
    ]);
    const heard: TaskPiece[] = [];
    tails.follow('crm', 'a', (piece) => heard.push(piece));
    tails.hear('crm', [
      { task: 'a', state: 'running', mutation: 'm2' },
      { task: 'a', text: 'new' },
    ]);
    expect(tails.tail('crm', 'a')?.text).toBe('new');
    expect(heard).toHaveLength(2);
  });

  test('is bounded: a flood of text, of tasks, of nodes', () => {
    const tails = new Tails(systemClock);
    for (let times = 0; times < 100; times += 1) tails.hear('crm', [{ task: 'loud', text: 'x'.repeat(8_000) }]);
    expect(tails.tail('crm', 'loud')?.text).toHaveLength(64_000);
    expect(tails.tail('crm', 'loud')?.leftOut).toBe(800_000 - 64_000);
    for (let task = 0; task < 1_000; task += 1) tails.hear('crm', [{ task: `t${task}`, text: 'x' }]);
    expect(tails.tasks('crm')).toHaveLength(50);
    for (let node = 0; node < 1_000; node += 1) tails.hear(`n${node}`, [{ task: 't', text: 'x' }]);
    expect(tails.tasks('crm')).toEqual([]);
    tails.hear('n999', [{ task: 't', text: 'y', leftOut: 7 }]);
    expect(tails.tail('n999', 't')?.text).toMatch(/^xy\n… 7 characters are left out/);
  });

  test('is bounded in all: whose node was silent for longest goes first', () => {
    const tails = new Tails(systemClock);
    const text = 'x'.repeat(64_000);
    for (let node = 0; node < 150; node += 1) for (const task of ['a', 'b']) tails.hear(`n${node}`, [{ task, text }]);
    // 250 of 300 fit.
    expect(tails.tasks('n24')).toEqual([]);
    for (const node of ['n25', 'n149']) expect(tails.tasks(node)).toHaveLength(2);
    // One that begins anew gives back what it had.
    for (let times = 0; times < 500; times += 1)
      tails.hear('n149', [{ task: 'b', state: 'running', mutation: `m${times}`, text }]);
    expect(tails.tasks('n25')).toHaveLength(2);
    tails.hear('n149', [{ task: 'c', text }]);
    expect(tails.tasks('n25').map(({ task }) => task)).toEqual(['b']);
  });
});
