import { useState } from 'preact/hooks';

import type { NodeView } from '../../src/wire/mesh.ts';
import type { TaskList } from '../../src/wire/tasks.ts';
import { useAsking } from '../actions/asking.ts';
import { useMay } from '../actions/scopes.ts';
import { get, nodePath } from '../api.ts';
import { useAsked, useLive, useObserved, useResource } from '../live/hooks.ts';
import { BarrierPanel } from '../parts/barrier.tsx';
import { Empty, Loading, RefusalNotice } from '../parts/notice.tsx';
import { Ago, Fact, Facts, Time, Words } from '../parts/text.tsx';
import { hashOf } from '../route.ts';
import { size } from '../../src/base/size.ts';
import { duration, type Look } from '../words.ts';

/** The nodes, how each was heard last, and what they are at. */
export function MeshPage() {
  const live = useLive();
  const nodes = useResource(live.nodes);
  const { value: barriers } = useResource(live.barriers);
  const all = nodes.value?.nodes ?? [];
  return (
    <>
      <h1>Mesh</h1>
      {barriers?.barriers.map((barrier) => (
        <BarrierPanel key={barrier.epoch} barrier={barrier} />
      ))}
      {nodes.error === undefined ? null : <RefusalNotice error={nodes.error} />}
      {nodes.value === undefined ? (
        nodes.error === undefined && <Loading what="the nodes" />
      ) : all.length === 0 ? (
        <Empty title="No other node has joined.">
          Invite one with <code>hauki node invite NAME</code>. Changes on the controller's own host need none.
        </Empty>
      ) : (
        <ul class="cards">
          {all.toSorted(byUrgency).map((node) => (
            <NodeCard key={`${node.node} ${node.state}`} node={node} />
          ))}
        </ul>
      )}
    </>
  );
}

function NodeCard({ node: { node, state, presence, expiresAt, joinedAt } }: { readonly node: NodeView }) {
  const ask = useAsking();
  const may = useMay('operate');
  const { look, words } = standing(state, presence);
  const [open, setOpen] = useState(false);
  return (
    <li class={`card node look-${look}`}>
      <header>
        <h2>
          <Words>{node}</Words>
        </h2>
        <span class={`badge look-${look}`}>
          <span class={`dot ${presence?.liveness ?? 'none'}`} aria-hidden="true" />
          {words}
        </span>
      </header>
      {presence === undefined ? (
        <Facts>
          {joinedAt === undefined ? null : (
            <Fact name="joined">
              <Time at={joinedAt} />
            </Fact>
          )}
          <Fact name={state === 'invited' ? 'invitation until' : 'certificate until'}>
            <Time at={expiresAt} />
          </Fact>
        </Facts>
      ) : (
        <Facts>
          <Fact name="heartbeat">
            <Ago at={presence.heardAt} /> by {presence.carrier}
          </Fact>
          <Fact name="task">{presence.task === undefined ? 'none' : <Words mono>{presence.task}</Words>}</Fact>
          <Fact name="version">{presence.version}</Fact>
          <Fact name="up for">{duration(presence.uptimeMs)}</Fact>
          <Fact name="load">{presence.load.toFixed(2)}</Fact>
          <Fact name="memory">{size(presence.memoryBytes)}</Fact>
          {presence.epoch === 0 ? null : <Fact name="newest barrier">{presence.epoch}</Fact>}
          {presence.why === undefined ? null : (
            <Fact name="why">
              <Words>{presence.why}</Words>
            </Fact>
          )}
        </Facts>
      )}
      {presence === undefined ? null : (
        <footer>
          <button type="button" class="button quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            Tasks
          </button>
          {presence.liveness === 'live' && may ? (
            <button type="button" class="button quiet" onClick={() => ask({ kind: 'drop', node })}>
              Drop a task …
            </button>
          ) : null}
          {presence.state !== 'running' && may ? (
            <button
              type="button"
              class="button danger"
              onClick={() =>
                ask({ kind: 'thaw', node, why: presence.why ?? `for barrier ${presence.epoch}, ${presence.state}` })
              }
            >
              Thaw …
            </button>
          ) : null}
        </footer>
      )}
      {open ? <Tasks node={node} /> : null}
    </li>
  );
}

const TASK_LOOKS = { running: 'cleared', done: 'committed', failed: 'rolled_back', denied: 'denied' } as const;

function Tasks({ node }: { readonly node: string }) {
  const latest = useObserved(useLive().latest);
  const { value, error } = useAsked((signal) => get<TaskList>(`${nodePath(node)}/tasks`, signal), [node], latest?.id);
  if (error !== undefined) return <RefusalNotice error={error} />;
  if (value === undefined) return <Loading what="its tasks" />;
  if (value.tasks.length === 0) return <p class="soft">No task was heard of since the controller started.</p>;
  return (
    <ul class="tasks" aria-label={`Tasks of ${node}`}>
      {value.tasks.toReversed().map(({ task, state, words, mutation, heardAt }) => (
        <li key={task}>
          <span class={`badge look-${TASK_LOOKS[state]}`}>{state}</span>
          {mutation === undefined ? (
            <Words mono>{task}</Words>
          ) : (
            <a href={hashOf({ page: 'mutation', id: mutation })}>
              <Words mono>{task}</Words>
            </a>
          )}
          <span class="soft">
            <Time at={heardAt} />
            {words === undefined ? null : (
              <>
                {' · '}
                <Words>{words}</Words>
              </>
            )}
          </span>
        </li>
      ))}
    </ul>
  );
}

function standing(
  state: NodeView['state'],
  presence: NodeView['presence'],
): { readonly look: Look; readonly words: string } {
  if (state === 'revoked') return { look: 'cancelled', words: 'revoked' };
  if (state === 'expired') return { look: 'quarantined', words: 'certificate expired' };
  if (state === 'invited') return { look: 'queued', words: 'invited' };
  if (presence === undefined) return { look: 'cancelled', words: 'not heard of' };
  if (presence.liveness === 'lost') return { look: 'quarantined', words: 'lost' };
  if (presence.liveness === 'late') return { look: 'rolled_back', words: 'late' };
  if (presence.state === 'flushing') return { look: 'cleared', words: 'flushing' };
  if (presence.state === 'halted') return { look: 'cleared', words: 'halted' };
  return { look: 'committed', words: 'running' };
}

const URGENCY: Readonly<Record<Look, number>> = {
  quarantined: 0,
  rolled_back: 1,
  cleared: 2,
  committed: 3,
  queued: 4,
  denied: 5,
  cancelled: 5,
};

function byUrgency(a: NodeView, b: NodeView): number {
  const rank = ({ state, presence }: NodeView): number => URGENCY[standing(state, presence).look];
  return rank(a) - rank(b) || (a.node < b.node ? -1 : 1);
}
