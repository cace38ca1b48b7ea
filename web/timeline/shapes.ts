import type { Outcome } from './mutation.ts';

/** Outlines to be filled, in a square of 12: the same in the chart, the legend and the list. */
export const SHAPE_SIZE = 12;
export const SHAPES: Readonly<Record<Outcome, string>> = {
  // A disc: done.
  committed: 'M6 1.500a4.500 4.500 0 1 0 0 9a4.500 4.500 0 1 0 0-9z',
  // Goes on.
  cleared: 'M2.500 1.200L11 6L2.500 10.800z',
  // An hourglass.
  waiting: 'M2 1h8v1.300L7.200 6L10 9.700V11H2V9.700L4.800 6L2 2.300z',
  // A ring: nothing in it.
  cancelled:
    'M6 1.300a4.700 4.700 0 1 0 0 9.400a4.700 4.700 0 1 0 0-9.400zM6 3.300a2.700 2.700 0 1 1 0 5.400a2.700 2.700 0 1 1 0-5.400z',
  // A cross.
  denied:
    'M2.600 1.200L6 4.600L9.400 1.200L10.800 2.600L7.400 6L10.800 9.400L9.400 10.800L6 7.400L2.600 10.800L1.200 9.400L4.600 6L1.200 2.600z',
  // Back to where it was.
  rolled_back: 'M9.800 1v10L1.200 6z',
  // A sign of danger.
  quarantined: 'M6 .2L11.800 6L6 11.800L.2 6z',
};

/** A snapshot: a corner that points at the moment it holds. In a square of 8, its point at the middle of the bottom. */
export const SNAPSHOT_SHAPE = 'M0 0h8L4 6z';
