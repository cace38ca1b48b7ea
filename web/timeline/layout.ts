import type { Lane, Row } from './lanes.ts';

/** Where lanes lie: heights in CSS px, from the top of the first lane. */
export const ROW_PX = 22;
export const BAR_PX = 14;
const LANE_PADDING_PX = 7;
/** On a narrow screen a node's name stands above its bars instead of beside them. */
const NAME_PX = 16;

export interface PlacedLane {
  readonly lane: Lane;
  readonly top: number;
  readonly height: number;
  /** The top of its first row. */
  readonly rows: number;
}

export interface Layout {
  readonly lanes: readonly PlacedLane[];
  readonly height: number;
}

export function layoutOf(lanes: readonly Lane[], narrow: boolean): Layout {
  let top = 0;
  const placed = lanes.map((lane) => {
    const name = narrow ? NAME_PX : 0;
    const height = lane.rows.length * ROW_PX + 2 * LANE_PADDING_PX + name;
    const here = { lane, top, height, rows: top + LANE_PADDING_PX + name };
    top += height;
    return here;
  });
  return { lanes: placed, height: top };
}

/** The row at a height, if there is one. */
export function rowAt(layout: Layout, y: number): Row | undefined {
  const placed = laneAt(layout, y);
  return placed?.lane.rows[Math.floor((y - placed.rows) / ROW_PX)];
}

export function laneAt(layout: Layout, y: number): PlacedLane | undefined {
  return layout.lanes.find(({ top, height }) => y >= top && y < top + height);
}
