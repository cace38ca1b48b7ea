import type { Details } from './detail.ts';
import type { Layout } from './layout.ts';
import type { Band } from './mutation.ts';
import type { Palette } from './palette.ts';
import { type Span, xOf } from './span.ts';
import type { Stamps } from './stamps.ts';

/** The height of the axis above the lanes, px. */
export const AXIS_PX = 34;

/** Everything one picture is drawn from. Lengths in CSS px. */
export interface Frame {
  readonly layout: Layout;
  readonly details: Details;
  readonly bands: readonly Band[];
  readonly span: Span;
  readonly now: number;
  readonly width: number;
  readonly height: number;
  /** How far the lanes are scrolled down. */
  readonly scroll: number;
  /** The width of the column of names; none on a narrow screen. */
  readonly gutter: number;
  readonly palette: Palette;
  readonly stamps: Stamps;
  readonly selected: string | undefined;
  /** Where the keys are, while the chart has the focus. */
  readonly cursor: string | undefined;
  readonly hovered: string | undefined;
}

/** Where a time lies on the canvas. */
export function placeOf(frame: Frame, time: number): number {
  return frame.gutter + xOf(frame.span, frame.width - frame.gutter, time);
}
