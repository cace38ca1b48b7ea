import type { Outcome } from './mutation.ts';
import { SHAPES, SHAPE_SIZE } from './shapes.ts';

/** The shape of an outcome, beside its words. */
export function Shape({ outcome }: { readonly outcome: Outcome }) {
  return (
    <svg
      class={`timeline-shape timeline-${outcome}`}
      viewBox={`0 0 ${SHAPE_SIZE} ${SHAPE_SIZE}`}
      width={SHAPE_SIZE}
      height={SHAPE_SIZE}
      aria-hidden="true"
    >
      <path d={SHAPES[outcome]} />
    </svg>
  );
}
