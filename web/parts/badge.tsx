import { lookOf, type Stage, stageWords } from '../words.ts';
import { LookIcon } from './icons.tsx';

/** Where a mutation stands, by colour, shape and words. */
export function StageBadge({ stage }: { readonly stage: Stage }) {
  const look = lookOf(stage);
  return (
    <span class={`badge look-${look}`}>
      <LookIcon look={look} />
      {stageWords(stage)}
    </span>
  );
}
