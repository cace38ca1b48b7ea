import { beforeEach, describe, expect, test } from 'vitest';

import { chronicle } from '../../src/engine/chronicle.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Log } from '../../src/ports/log.ts';
import { decided, Place, request } from './place.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const traced = { trace_id: '4bf92f3577b34da6a3ce929d0e0e4736', span_id: '00f067aa0ba902b7' };

interface Line extends Readonly<Record<string, unknown>> {
  readonly level: string;
  readonly msg: string;
}

let place: Place;
let engine: Engine;
let lines: Line[];

beforeEach(async () => {
  lines = [];
  const line = (level: string) => (fields: Readonly<Record<string, unknown>>, msg: string) =>
    void lines.push({ level, msg, ...fields });
  const log: Log = { info: line('info'), warn: line('warn'), error: line('error') };
  place = new Place();
  engine = await place.start({ log });
  chronicle(engine.feed, log);
});

const shown = (): string[] => lines.map(({ level, msg }) => `${level} ${msg}`);

describe('the log', () => {
  test('tells the life of a mutation, each line with its id and its trace', async () => {
    void engine.submit(request(['/a'], { traceparent, task: 'x.task' }), decided);
    await place.clock.pass(10);
    void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(10);
    expect(shown()).toEqual([
      'info clearance is asked for',
      'info cleared',
      'warn is being rolled back',
      'info rolled back',
    ]);
    for (const line of lines) expect(line).toMatchObject({ mutation: 'm1', ...traced });
    expect(lines[0]).toMatchObject({ asker: 'hauki-crm', intent: 'deploy x', datasets: ['/a'], task: 'x.task' });
    expect(lines[1]).toMatchObject({ snapshots: [expect.stringContaining('/a@PRE_') as string] });
    expect(lines[2]).toMatchObject({ by: 'holder' });
    expect(lines[3]).toMatchObject({ evidence: ['/evidence'] });
  });

  test('says why one was denied, and cries out when a person has to decide', async () => {
    place.refuse = ({ name }) => name === 'rollback';
    void engine.submit(request(['/a'], { intent: '' }), decided);
    void engine.submit(request(['/a'], {}, 'm2'), decided);
    await place.clock.pass(10);
    void engine.submit({ type: 'rollback', mutation: 'm2', fence: 1 });
    await place.clock.pass(10);
    expect(lines.find(({ msg }) => msg === 'denied')).toMatchObject({ mutation: 'm1', code: 'intent_invalid' });
    expect(lines.at(-1)).toMatchObject({ level: 'error', mutation: 'm2', code: 'snapshot_failed' });
    expect(lines.every((line) => !('trace_id' in line))).toBe(true);
  });

  test('names the mutation when the storage would not, or takes too long', async () => {
    place.refuse = ({ name }) => name === 'snapshot';
    void engine.submit(request(['/a'], { traceparent }), decided);
    await place.clock.pass(10);
    const refused = { level: 'warn', effect: 'snapshot', mutation: 'm1', code: 'snapshot_failed', ...traced };
    expect(lines).toContainEqual(expect.objectContaining(refused));

    place.refuse = () => false;
    place.before = () => new Promise(() => undefined);
    void engine.submit(request(['/b'], {}, 'm2'), decided);
    await place.clock.pass(20_000);
    const late = { effect: 'snapshot', mutation: 'm2', msg: 'an effect took too long: its outcome is unknown' };
    expect(lines).toContainEqual(expect.objectContaining(late));
  });
});
