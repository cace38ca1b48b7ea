import type { Command, CommandBody, Facts } from '../../src/core/command.ts';
import { type Decision, decide } from '../../src/core/decide.ts';
import type { Event } from '../../src/core/event.ts';
import { archive } from '../../src/core/evolve.ts';
import type { Mutation, MutationRequest, Stage } from '../../src/core/mutation/mutation.ts';
import { DEFAULT_POLICY, type Policy } from '../../src/core/policy/policy.ts';
import type { Snapshot } from '../../src/core/snapshot/snapshot.ts';
import { EMPTY, type State } from '../../src/core/state.ts';
import { refusal } from '../../src/base/refusal.ts';

/** 2026-06-16T16:24:56.000Z */
export const T0 = Date.UTC(2026, 5, 16, 16, 24, 56);

export const TROUBLE = refusal('snapshot_failed', 'The storage would not.');
export const SLOW = refusal('storage_timeout', 'The storage did not answer.');

export function asking(datasets: readonly string[], more: Partial<MutationRequest> = {}): MutationRequest {
  return {
    node: 'hauki-crm',
    intent: 'deploy x',
    datasets: datasets.map((name) => ({ name, driver: 'memory' })),
    mode: 'standard',
    ttlMs: 60_000,
    waitMs: 30_000,
    onExpiry: 'rollback',
    attached: false,
    ...more,
  };
}

/** Commands one after the other, each decided on what the ones before came to, under a clock that a test sets. */
export class Story {
  state: State = EMPTY;
  at = T0;
  mono = 0;
  readonly events: Event[] = [];
  readonly policy: Policy;

  constructor(policy: Partial<Policy> = {}) {
    this.policy = { ...DEFAULT_POLICY, ...policy };
  }

  /** Nodes that have joined the mesh. */
  withNodes(...names: readonly string[]): this {
    for (const node of names) {
      const digest = `digest for ${node}`;
      this.tell({ type: 'invite', node, digest, expiresAt: this.at + 60_000, policy: {} });
      const key = { fingerprint: `fingerprint of ${node}`, publicKey: `key of ${node}` };
      this.tell({ type: 'join', node, digest, ...key, expiresAt: this.at + 30 * 86_400_000 });
    }
    return this;
  }

  pass(ms: number): this {
    this.at += ms;
    this.mono += ms;
    return this;
  }

  tell(body: CommandBody, facts: Facts = {}): Decision {
    const command: Command = { at: Math.max(this.at, this.state.counters.at), mono: this.mono, ...facts, ...body };
    const decision = decide(this.state, command, this.policy);
    this.events.push(...decision.events);
    this.state = decision.state;
    return decision;
  }

  /** What a command comes to, in short: the events' types in order, or the code of the refusal. */
  say(body: CommandBody, facts: Facts = {}): string {
    const { events, refused } = this.tell(body, facts);
    const types = events.map((event) =>
      'mutation' in event && event.mutation !== 'm' ? `${event.mutation} ${event.type}` : event.type,
    );
    return [...types, ...(refused === undefined ? [] : [`! ${refused.code}`])].join(', ') || '-';
  }

  get(id = 'm'): Mutation {
    const mutation = this.state.mutations.get(id);
    if (mutation === undefined) throw new Error(`there is no ${id}`);
    return mutation;
  }

  stage(id = 'm'): Stage | undefined {
    return this.state.mutations.get(id)?.stage;
  }

  ask(datasets: readonly string[], more: Partial<MutationRequest> = {}, id = 'm'): this {
    this.tell({ type: 'request', mutation: id, request: asking(datasets, more) });
    return this;
  }

  /** The storage has taken the snapshots and read them back. */
  /** All nodes of the barrier have flushed. */
  flushed(id = 'm'): this {
    const value = (this.get(id).participants ?? []).map((node) => ({ node, tookMs: 5 }));
    this.tell({ type: 'halt_answered', mutation: id, answer: { kind: 'done', value } });
    return this;
  }

  frozen(id = 'm'): Snapshot[] {
    return this.get(id).snapshots.map((one) => ({ ...one, guid: `guid of ${one.name}`, createdAt: this.at }));
  }

  cleared(id = 'm'): this {
    if (this.stage(id) === 'halting') this.flushed(id);
    this.tell({ type: 'snapshot_answered', mutation: id, answer: { kind: 'done', value: this.frozen(id) } });
    if (this.stage(id) === 'verifying')
      this.tell({ type: 'verify_answered', mutation: id, answer: { kind: 'done', value: undefined } });
    return this;
  }

  commit(id = 'm'): this {
    this.tell({ type: 'commit', mutation: id, fence: this.get(id).fence ?? 0 });
    return this;
  }

  archive(): this {
    this.state = archive(this.state);
    return this;
  }
}

/** A story with mutation `m` on `/srv/site` in a stage, its fence 1 from snapshotting on. */
export function standing(stage: Stage, more: Partial<MutationRequest> = {}, story: Story = new Story()): Story {
  const on = ['/srv/site'];
  if (stage === 'queued') {
    story.ask(['/srv'], {}, 'holder').ask(on, more);
    return story;
  }
  if (stage === 'denied') return story.ask(on, { ...more, intent: '' });
  if (stage === 'cancelled') {
    standing('queued', more, story).tell({ type: 'holder_gone', mutation: 'm' });
    return story;
  }
  const barrier = stage === 'halting' || stage === 'verifying';
  if (barrier) story.withNodes('crm', 'web');
  story.ask(on, barrier ? { mode: 'critical', ...more } : more);
  switch (stage) {
    case 'halting':
      return story;
    case 'verifying':
      story
        .flushed()
        .tell({ type: 'snapshot_answered', mutation: 'm', answer: { kind: 'done', value: story.frozen() } });
      return story;
    case 'snapshotting':
      return story;
    case 'withdrawing':
      story.tell({ type: 'holder_gone', mutation: 'm' });
      return story;
    case 'cleared':
      return story.cleared();
    case 'committing':
      story.cleared().tell({ type: 'rollback', mutation: 'm' });
      story.tell({
        type: 'rollback_answered',
        mutation: 'm',
        attempt: 1,
        answer: { kind: 'refused', reason: TROUBLE },
      });
      story.tell({ type: 'resolve', mutation: 'm', choice: 'commit' });
      return story;
    case 'rolling_back':
      story.cleared().tell({ type: 'rollback', mutation: 'm' });
      return story;
    case 'quarantined':
      story.cleared().tell({ type: 'rollback', mutation: 'm' });
      story.tell({
        type: 'rollback_answered',
        mutation: 'm',
        attempt: 1,
        answer: { kind: 'refused', reason: TROUBLE },
      });
      return story;
    case 'committed':
      return story.cleared().commit();
    case 'rolled_back':
      story.cleared().tell({ type: 'rollback', mutation: 'm' });
      story.tell({ type: 'rollback_answered', mutation: 'm', attempt: 1, answer: { kind: 'done', value: [] } });
      return story;
  }
}
