import { render } from 'preact';
import { useState } from 'preact/hooks';

import type { TimelineBarrier, TimelineMutation } from './mutation.ts';
import { Timeline } from './timeline.tsx';

/*
 * The timeline by itself, with mutations that never were: for the benchmark and the browser tests. `#mutations=10000&nodes=12&barrier`
 * says how many. The same numbers give the same picture.
 */
const asked = new URLSearchParams(location.hash.slice(1));
const NOW = Date.UTC(2026, 5, 16, 16, 24, 56);
const DAY_MS = 86_400_000;
const INTENTS = [
  'bump the schema',
  'deploy 4.2.0',
  'rotate the keys',
  'tidy the attachments',
  'third_strike.task',
  'let the agent mend the login form',
  'nginx: a new upstream',
];

const nodes = Array.from({ length: Number(asked.get('nodes') ?? 6) }, (_, index) =>
  index % 3 === 0 ? `web${index / 3 + 1}` : `${index % 3 === 1 ? 'hauki-crm' : 'db'}${Math.ceil(index / 3)}`,
);
const mutations = played(Number(asked.get('mutations') ?? 60));
const barriers: TimelineBarrier[] = asked.has('barrier')
  ? [{ epoch: 7, intent: 'move the database', phase: 'flushing', awaited: ['db1'], since: NOW - 42_000 }]
  : [];

function Trial() {
  const [selected, select] = useState<string>();
  return (
    <>
      <Timeline
        nodes={nodes}
        mutations={mutations}
        barriers={barriers}
        now={NOW}
        selected={selected}
        onSelect={select}
      />
      <p id="selected">{selected ?? 'none'}</p>
    </>
  );
}

function played(count: number): TimelineMutation[] {
  const random = lottery(42);
  const each = DAY_MS / Math.max(1, count);
  return Array.from({ length: count }, (_, index) => {
    const node = nodes[Math.floor(random() * nodes.length)] ?? 'web1';
    const asked = NOW - DAY_MS + (index + random()) * each;
    const waited = random() < 0.15 ? random() * each * 2 : 40;
    const cleared = asked + waited;
    const ended = cleared + 400 + random() ** 3 * each * 4;
    const luck = random();
    // One that waits for a decision, where there are few enough to see it.
    const stage = count < 200 && index === count - 3 ? 'quarantined' : stageOf(luck, ended > NOW);
    const critical = random() < 1 / (12 + count / 12);
    const never = stage === 'denied' || stage === 'cancelled' || stage === 'queued';
    return {
      mutation: `m${String(index).padStart(6, '0')}`,
      node,
      intent: INTENTS[Math.floor(random() * INTENTS.length)] ?? 'change',
      mode: critical ? 'critical' : 'standard',
      stage,
      ...(critical && !never ? { participants: nodes } : {}),
      requestedAt: new Date(asked).toISOString(),
      ...(never ? {} : { clearedAt: new Date(cleared).toISOString() }),
      ...(stage === 'cleared' || stage === 'queued' || stage === 'quarantined'
        ? {}
        : { endedAt: new Date(Math.min(ended, NOW)).toISOString() }),
      snapshots: never ? [] : [{ name: `tank/${node}@PRE_${index}` }],
    };
  });
}

function stageOf(chance: number, open: boolean): TimelineMutation['stage'] {
  if (open) return chance < 0.3 ? 'queued' : 'cleared';
  if (chance < 0.8) return 'committed';
  if (chance < 0.92) return 'rolled_back';
  if (chance < 0.96) return 'denied';
  return chance < 0.985 ? 'cancelled' : 'rolled_back';
}

/** Numbers from 0 to 1, the same each time. */
function lottery(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const main = document.querySelector('#trial');
if (main === null) throw new Error('trial.html has no element #trial');
render(<Trial />, main);
// The picture is drawn in the next frame, and is there with the one after it.
requestAnimationFrame(() => requestAnimationFrame(() => performance.mark('drawn')));
