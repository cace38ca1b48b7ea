import type { BarrierView } from '../../src/wire/http.ts';
import { duration } from '../words.ts';
import { Words } from './text.tsx';

const PHASES = [
  ['flushing', 'Flush'],
  ['frozen', 'Freeze'],
  ['proving', 'Prove'],
  ['resuming', 'Resume'],
] as const;

/** A barrier in progress: how far it is, who has flushed, who is awaited. */
export function BarrierPanel({ barrier }: { readonly barrier: BarrierView }) {
  const { epoch, intent, phase, forMs, answered, awaited, broken } = barrier;
  const at = PHASES.findIndex(([name]) => name === phase);
  return (
    <section class="card barrier" aria-label={`Barrier ${epoch}`}>
      <header>
        <h2>HALT AND FLUSH</h2>
        <span class="soft">
          epoch {epoch} · for {duration(forMs)}
        </span>
      </header>
      <p class="intent">
        <Words>{intent}</Words>
      </p>
      <ol class="phases">
        {PHASES.map(([name, words], index) => (
          <li
            key={name}
            class={index < at ? 'done' : index === at ? 'now' : undefined}
            aria-current={index === at ? 'step' : undefined}
          >
            {words}
          </li>
        ))}
      </ol>
      <ul class="chips" aria-label="Nodes of this barrier">
        {broken.map(({ node, why }) => (
          <li key={node} class="chip look-quarantined">
            {node}: <Words>{why}</Words>
          </li>
        ))}
        {answered.map(({ node, flushedMs }) => (
          <li key={node} class="chip look-committed">
            {node} {flushedMs === undefined ? 'is halted' : `flushed in ${duration(flushedMs)}`}
          </li>
        ))}
        {awaited.map((node) => (
          <li key={node} class="chip awaited">
            {node} is awaited
          </li>
        ))}
      </ul>
    </section>
  );
}
