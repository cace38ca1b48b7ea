import { beforeEach, describe, expect, test } from 'vitest';

import type { Engine } from '../../src/engine/engine.ts';
import type { OpenedMetrics } from '../../src/metrics/metrics.ts';
import type { Webhook } from '../../src/ports/webhooks.ts';
import { carrierTo, FakeNode } from '../engine/mesh/nodes.ts';
import { decided, Place, request } from '../engine/place.ts';
import { needs } from '../needs.ts';
import { DISK, metricsOf, promtool, Scraped } from './scraped.ts';

let place: Place;
let engine: Engine;
let metrics: OpenedMetrics;

beforeEach(async () => {
  place = new Place();
  engine = await place.start();
  metrics = metricsOf(place, engine);
});

const scrape = async (): Promise<Scraped> => new Scraped(await metrics.text());
const slow = (ms: number) => () => new Promise<void>((resolve) => void place.clock.after(ms, resolve));

/** Asks, and works for some time under the clearance. */
async function cleared(dataset: string, id: string, workMs = 0): Promise<void> {
  void engine.submit(request([dataset], {}, id), decided);
  await place.clock.pass(1_000);
  await place.clock.pass(workMs);
}

describe('mutations', () => {
  test('are counted by what they came to, from nought on', async () => {
    const begun = await scrape();
    for (const outcome of ['committed', 'rolled_back', 'quarantined', 'denied', 'cancelled'])
      for (const mode of ['standard', 'critical'])
        expect(begun.get(`hauki_mutations_total{mode="${mode}",outcome="${outcome}"}`)).toBe(0);
    // An alert on its increase would miss the first failure of a series that begins with it.
    for (const outcome of ['rolled_back', 'quarantined'])
      expect(begun.get(`hauki_rollback_duration_seconds_count{driver="zfs",outcome="${outcome}"}`)).toBe(0);

    await cleared('/a', 'm1');
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await cleared('/a', 'm2');
    void engine.submit({ type: 'rollback', mutation: 'm2', fence: 2 });
    void engine.submit(request(['/a'], { intent: '' }, 'm3'), decided);
    await place.clock.pass(10);
    const { series } = await scrape();
    expect([...series].filter(([name, value]) => /^hauki_(mutations|denials)_total/.test(name) && value > 0)).toEqual([
      ['hauki_mutations_total{mode="standard",outcome="committed"}', 1],
      ['hauki_mutations_total{mode="standard",outcome="rolled_back"}', 1],
      ['hauki_mutations_total{mode="standard",outcome="denied"}', 1],
      ['hauki_denials_total{code="intent_invalid"}', 1],
    ]);
  });

  test('are timed by the monotonic clock: to the clearance, to the outcome, the storage in between', async () => {
    place.before = slow(250);
    await cleared('/a', 'm1', 20_000);
    place.clock.wall -= 3_600_000;
    void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(1_000);
    const now = await scrape();
    expect(now.get('hauki_snapshot_duration_seconds_sum{driver="memory"}')).toBeCloseTo(0.25);
    expect(now.get('hauki_clearance_duration_seconds_sum{mode="standard"}')).toBeCloseTo(0.25);
    expect(now.get('hauki_lock_wait_duration_seconds_sum{mode="standard",result="granted"}')).toBe(0);
    // What ends the holder's processes takes as long as what puts the state back.
    expect(now.get('hauki_rollback_duration_seconds_sum{driver="memory",outcome="rolled_back"}')).toBeCloseTo(0.5);
    expect(now.get('hauki_mutation_duration_seconds_sum{mode="standard",outcome="rolled_back"}')).toBeCloseTo(21.25);
  });

  test('that wait are in the queue, and what they waited for is told when it is over', async () => {
    await cleared('/a', 'm1');
    void engine.submit(request(['/a/b'], { waitMs: 5_000 }, 'm2'), decided);
    void engine.submit(request(['/a/c'], { waitMs: 60_000 }, 'm3'), decided);
    await place.clock.pass(4_000);
    const waiting = await scrape();
    expect(waiting.get('hauki_queue_length')).toBe(2);
    expect(waiting.get('hauki_queue_oldest_seconds')).toBe(4);
    expect(waiting.get('hauki_mutations_open{stage="queued"}')).toBe(2);
    expect(waiting.get('hauki_mutations_open{stage="cleared"}')).toBe(1);

    await place.clock.pass(4_000);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(10);
    const after = await scrape();
    expect(after.get('hauki_lock_wait_duration_seconds_sum{mode="standard",result="gave_up"}')).toBeCloseTo(5);
    expect(after.get('hauki_lock_wait_duration_seconds_count{mode="standard",result="granted"}')).toBe(2);
    expect(after.get('hauki_lock_wait_duration_seconds_sum{mode="standard",result="granted"}')).toBeCloseTo(8);
    expect(after.get('hauki_queue_length')).toBe(0);
    expect(after.get('hauki_queue_oldest_seconds')).toBe(0);
  });

  test('that were quarantined, or undone after their commit, come to two outcomes', async () => {
    place.refuse = ({ name }) => name === 'rollback';
    await cleared('/a', 'm1');
    void engine.submit({ type: 'rollback', mutation: 'm1', fence: 1 });
    await place.clock.pass(10);
    expect((await scrape()).get('hauki_mutations_open{stage="quarantined"}')).toBe(1);
    void engine.submit({ type: 'resolve', mutation: 'm1', choice: 'commit' });
    await place.clock.pass(10);
    place.refuse = () => false;
    void engine.submit({ type: 'rollback', mutation: 'm1' });
    await place.clock.pass(10);
    const now = await scrape();
    for (const outcome of ['quarantined', 'committed', 'rolled_back'])
      expect(now.get(`hauki_mutations_total{mode="standard",outcome="${outcome}"}`)).toBe(1);
    expect(now.get('hauki_rollback_duration_seconds_count{driver="memory",outcome="quarantined"}')).toBe(1);
    expect(now.get('hauki_rollback_duration_seconds_count{driver="memory",outcome="rolled_back"}')).toBe(1);
  });

  test('that were open before anybody counted are counted, and not timed by a clock that is gone', async () => {
    await cleared('/a', 'm1');
    metrics.close();
    metrics = metricsOf(place, engine);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(10);
    const now = await scrape();
    expect(now.get('hauki_mutations_total{mode="standard",outcome="committed"}')).toBe(1);
    expect([...now.series.keys()].filter((name) => name.startsWith('hauki_mutation_duration'))).toEqual([]);
  });

  test('make no more series, whatever their callers call themselves and what they do', async () => {
    const ask = async (from: number, to: number): Promise<number> => {
      for (let index = from; index < to; index += 1) {
        const about = { node: `node-${index}`, intent: `intent ${index}` };
        void engine.submit(request([`/data/${index}`], about, `x${index}`), decided);
      }
      await place.clock.pass(100);
      for (const { id, fence = 0 } of engine.state.mutations.values())
        void engine.submit({ type: 'commit', mutation: id, fence });
      await place.clock.pass(100);
      return (await scrape()).series.size;
    };
    const few = await ask(0, 3);
    expect(await ask(3, 200)).toBe(few);
    expect((await scrape()).get('hauki_mutations_total{mode="standard",outcome="committed"}')).toBe(200);
  });
});

describe('the mesh', () => {
  let crm: FakeNode;
  let web: FakeNode;

  beforeEach(async () => {
    const nodes = new Map<string, FakeNode>();
    place.mesh.addCarrier(carrierTo(nodes, place.clock));
    const expiresAt = place.clock.now() + 86_400_000;
    for (const node of ['crm', 'web']) {
      void engine.submit({ type: 'invite', node, digest: node, expiresAt, policy: {} });
      void engine.submit({ type: 'join', node, digest: node, fingerprint: node, publicKey: node, expiresAt });
      nodes.set(node, new FakeNode(node, place.clock, () => place.mesh));
    }
    [crm, web] = [...nodes.values()] as [FakeNode, FakeNode];
    await place.clock.pass(10);
  });

  test('says how long ago each node was heard, and forgets one that is revoked', async () => {
    web.mute = true;
    await place.clock.pass(30_000);
    const now = await scrape();
    expect(now.get('hauki_node_heartbeat_age_seconds{node="web"}')).toBeCloseTo(30, 0);
    expect(now.get('hauki_node_heartbeat_age_seconds{node="crm"}')).toBeLessThan(2.1);
    expect(now.get('hauki_nodes{liveness="live"}')).toBe(1);
    expect(now.get('hauki_nodes{liveness="lost"}')).toBe(1);
    expect(now.get('hauki_node_certificate_expiry_timestamp_seconds{node="crm"}')).toBeGreaterThan(1e9);

    void engine.submit({ type: 'revoke', node: 'web' });
    await place.clock.pass(10);
    const left = await scrape();
    expect([...left.series.keys()].filter((name) => name.includes('"web"'))).toEqual([]);
    expect(left.get('hauki_nodes{liveness="lost"}')).toBe(0);
  });

  test('times the phases of a barrier, and counts what barriers come to', async () => {
    web.flushMs = 300;
    void engine.submit(request(['/a'], { mode: 'critical', flushMs: 5_000 }), decided);
    await place.clock.pass(100);
    const during = await scrape();
    expect(during.get('hauki_barriers_active{phase="flushing"}')).toBe(1);
    expect(during.get('hauki_barrier_awaited_nodes')).toBe(1);
    expect(during.get('hauki_barrier_oldest_seconds')).toBeCloseTo(0.1, 1);
    await place.clock.pass(1_000);
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    web.flushFails = 'the disk is full';
    void engine.submit(request(['/a'], { mode: 'critical', flushMs: 5_000 }, 'm2'), decided);
    await place.clock.pass(10_000);
    const now = await scrape();
    expect(now.get('hauki_barrier_phase_duration_seconds_sum{phase="flush"}')).toBeGreaterThan(0.3);
    for (const phase of ['flush', 'snapshot', 'verify'])
      expect(now.get(`hauki_barrier_phase_duration_seconds_count{phase="${phase}"}`)).toBe(1);
    expect(now.get('hauki_node_flush_duration_seconds_count')).toBe(2);
    expect(now.get('hauki_barriers_total{outcome="verified"}')).toBe(1);
    expect(now.get('hauki_barriers_total{outcome="flush_failed"}')).toBe(1);
    expect(now.get('hauki_barriers_active{phase="flushing"}')).toBe(0);
    expect(crm.state).toBe('running');
  });
});

describe('what else is told', () => {
  test('webhooks, by state, with what was given up and how far they are behind', async () => {
    const hook: Webhook = { id: 'w', url: 'http://127.0.0.1/', selection: {}, createdAt: 0, cursor: 1, dead: 2 };
    await cleared('/a', 'm1');
    metrics = metricsOf(place, engine, [
      hook,
      { ...hook, failing: { since: 0, tries: 3, error: 'no' }, cursor: 2 },
      { ...hook, disabled: 'it answered 410 Gone', cursor: 0 },
    ]);
    const now = await scrape();
    for (const state of ['active', 'retrying', 'disabled']) expect(now.get(`hauki_webhooks{state="${state}"}`)).toBe(1);
    expect(now.get('hauki_webhook_dead_letters')).toBe(6);
    expect(now.get('hauki_webhook_lag_records')).toBe((now.get('hauki_ledger_records') ?? 0) - 1);
  });

  test('readers of events, while they are there', async () => {
    const left = [metrics.readerCame('sse'), metrics.readerCame('sse'), metrics.readerCame('websocket')];
    expect((await scrape()).get('hauki_event_readers{transport="sse"}')).toBe(2);
    left[0]?.(true);
    left[2]?.(false);
    const now = await scrape();
    expect(now.get('hauki_event_readers{transport="sse"}')).toBe(1);
    expect(now.get('hauki_event_readers{transport="websocket"}')).toBe(0);
    expect(now.get('hauki_event_readers_let_go_total{transport="sse"}')).toBe(1);
  });

  test('what takes space, the storage being asked once a minute at most and never waited for', async () => {
    const stored = { kind: 'snapshot', driver: 'zfs', dataset: 'tank/a', guid: 'g', intent: 'i', node: 'n' } as const;
    const more = { mutation: 'm', mode: 'standard', fence: 1, createdAt: 0 } as const;
    let asked = 0;
    const { options } = place;
    const list = async () => {
      asked += 1;
      return [
        { ...stored, ...more, name: 'one', bytes: 100 },
        { ...stored, ...more, name: 'two', bytes: 20 },
        { ...stored, ...more, kind: 'evidence', driver: 'directory', name: 'three' } as const,
      ];
    };
    const storage = { ...options.storage, list };
    Object.defineProperty(place, 'options', { value: { ...options, storage } });
    metrics = metricsOf(place, engine);
    expect((await scrape()).get('hauki_ledger_bytes')).toBe(DISK.ledger);
    await place.clock.pass(10);
    const now = await scrape();
    expect(now.get('hauki_kept{kind="snapshot",driver="zfs"}')).toBe(2);
    expect(now.get('hauki_kept_bytes{kind="snapshot",driver="zfs"}')).toBe(120);
    expect(now.get('hauki_kept{kind="evidence",driver="directory"}')).toBe(1);
    expect(now.get('hauki_kept_bytes{kind="evidence",driver="directory"}')).toBeUndefined();
    expect(now.get('hauki_kept_last_look_timestamp_seconds')).toBeGreaterThan(1e9);
    await scrape();
    expect(asked).toBe(1);
    await place.clock.pass(61_000);
    await scrape();
    expect(asked).toBe(2);
    expect(now.get('hauki_home_free_bytes')).toBe(DISK.free);
    expect(now.get('hauki_home_size_bytes')).toBe(DISK.size);
  });

  test('who was turned away, as often as it was', async () => {
    engine.tell({
      type: 'report_denial',
      peer: '10.0.0.9',
      what: 'GET /v1/status',
      code: 'unauthorized',
      message: 'no token',
      times: 7,
    });
    await place.clock.pass(10);
    expect((await scrape()).get('hauki_requests_refused_total{code="unauthorized"}')).toBe(7);
  });

  test('the process', async () => {
    const now = await scrape();
    expect(now.get('process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(now.get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect(now.get('process_open_fds')).toBeGreaterThan(2);
    expect(now.get('process_start_time_seconds')).toBeGreaterThan(1e9);
    expect([...now.series.keys()].find((name) => name.startsWith('hauki_build_info'))).toContain('version="test"');
  });
});

needs('promtool').describe('promtool', () => {
  test('has nothing against the metrics', async () => {
    await cleared('/a', 'm1');
    void engine.submit({ type: 'commit', mutation: 'm1', fence: 1 });
    await place.clock.pass(10);
    expect(promtool(['check', 'metrics'], await metrics.text())).toEqual({ code: 0, said: '' });
  });

  test('would have, if there were something', () => {
    expect(promtool(['check', 'metrics'], '# TYPE hauki_count gauge\nhauki_count 1\n').code).not.toBe(0);
  });
});
