import { drawRow } from './bars.ts';
import { AXIS_PX, type Frame, placeOf } from './frame.ts';
import { ROW_PX } from './layout.ts';
import type { Band } from './mutation.ts';
import { type Tick, ticksOf } from './ticks.ts';

/** Room for a label on the axis, px. */
const TICK_PX = 92;
const NAME_LETTER_PX = 7.2;

/** The whole chart, once. What is out of view is not drawn. */
export function drawPicture(context: CanvasRenderingContext2D, frame: Frame): void {
  const { width, height, gutter, palette } = frame;
  context.clearRect(0, 0, width, height);
  context.textBaseline = 'middle';
  context.textAlign = 'left';
  const ticks = ticksOf(frame.span, Math.floor((width - gutter) / TICK_PX));

  context.save();
  context.beginPath();
  context.rect(0, AXIS_PX, width, height - AXIS_PX);
  context.clip();
  drawLines(context, frame, ticks);
  context.save();
  context.beginPath();
  context.rect(gutter, 0, width - gutter, height);
  context.clip();
  for (const band of frame.bands) drawBand(context, frame, band);
  for (const { lane, top, height: tall, rows } of frame.layout.lanes) {
    const y = AXIS_PX + top - frame.scroll;
    if (y > height || y + tall < AXIS_PX) continue;
    const first = AXIS_PX + rows - frame.scroll;
    for (const [index, row] of lane.rows.entries()) drawRow(context, frame, row, first + index * ROW_PX);
  }
  drawNow(context, frame);
  context.restore();
  drawNames(context, frame);
  context.restore();

  drawAxis(context, frame, ticks);
  context.fillStyle = palette.line;
  if (gutter > 0) context.fillRect(gutter - 1, 0, 1, height);
}

function drawLines(context: CanvasRenderingContext2D, frame: Frame, ticks: readonly Tick[]): void {
  const { palette, width, height, gutter } = frame;
  context.fillStyle = palette.line;
  context.globalAlpha = 0.6;
  for (const tick of ticks) {
    const x = placeOf(frame, tick.time);
    if (x >= gutter) context.fillRect(Math.round(x), AXIS_PX, 1, height);
  }
  context.globalAlpha = 1;
  for (const { top } of frame.layout.lanes.slice(1))
    context.fillRect(0, Math.round(AXIS_PX + top - frame.scroll), width, 1);
}

/** A barrier concerns every node, so it goes through every lane; and it may be shorter than a pixel, and still matters. */
function drawBand(context: CanvasRenderingContext2D, frame: Frame, band: Band): void {
  const { palette, gutter, width, height } = frame;
  const left = placeOf(frame, band.from);
  const right = Math.max(placeOf(frame, band.to === Infinity ? Math.max(frame.now, band.from) : band.to), left + 2);
  if (right < gutter || left > width) return;
  const from = Math.max(left, gutter - 4);
  const to = Math.min(right, width + 4);
  context.fillStyle = palette.accent;
  context.globalAlpha = 0.14;
  context.fillRect(from, AXIS_PX, to - from, height);
  context.globalAlpha = 1;
  context.fillRect(from, AXIS_PX, 1.5, height);
  // What stands has no right edge yet.
  if (band.to !== Infinity) context.fillRect(to - 1.5, AXIS_PX, 1.5, height);
}

function drawNow(context: CanvasRenderingContext2D, frame: Frame): void {
  const x = Math.round(placeOf(frame, frame.now));
  if (x < frame.gutter || x > frame.width) return;
  context.fillStyle = frame.palette.ink;
  context.globalAlpha = 0.55;
  context.fillRect(x, AXIS_PX, 1, frame.height);
  context.globalAlpha = 1;
}

function drawNames(context: CanvasRenderingContext2D, frame: Frame): void {
  const { palette, gutter, width } = frame;
  context.font = `600 12px ${palette.font}`;
  for (const { lane, top, height, rows } of frame.layout.lanes) {
    const y = AXIS_PX + top - frame.scroll;
    if (y > frame.height || y + height < AXIS_PX) continue;
    const letters = Math.floor(((gutter > 0 ? gutter : width) - 20) / NAME_LETTER_PX);
    const name = lane.node.length <= letters ? lane.node : `${lane.node.slice(0, letters - 1)}…`;
    if (gutter > 0) {
      context.fillStyle = palette.ink;
      context.fillText(name, 12, AXIS_PX + rows - frame.scroll + ROW_PX / 2);
    } else {
      // Bars may lie behind it.
      context.fillStyle = palette.soft;
      context.fillText(name, 8, y + 12);
    }
  }
}

function drawAxis(context: CanvasRenderingContext2D, frame: Frame, ticks: readonly Tick[]): void {
  const { palette, width, gutter } = frame;
  context.fillStyle = palette.line;
  context.fillRect(0, AXIS_PX - 1, width, 1);
  context.save();
  context.beginPath();
  context.rect(gutter, 0, width - gutter, AXIS_PX);
  context.clip();
  for (const { time, label, major } of ticks) {
    const x = placeOf(frame, time);
    context.fillStyle = palette.line;
    context.fillRect(Math.round(x), AXIS_PX - 8, 1, 8);
    context.font = `${major ? '600 ' : ''}11px ${palette.font}`;
    context.fillStyle = major ? palette.ink : palette.soft;
    context.fillText(label, x + 5, 14);
  }
  let before = -Infinity;
  for (const band of frame.bands) {
    const x = Math.max(placeOf(frame, band.from), gutter);
    const last = placeOf(frame, band.to === Infinity ? frame.now : band.to);
    if (x - before < 14 || x > width || last < gutter) continue;
    before = x;
    // Two strokes, as on a button that halts: the mesh stood still.
    context.fillStyle = palette.accent;
    context.fillRect(x, AXIS_PX - 12, 3, 10);
    context.fillRect(x + 5, AXIS_PX - 12, 3, 10);
  }
  const now = placeOf(frame, frame.now);
  context.fillStyle = palette.ink;
  context.beginPath();
  context.moveTo(now - 5, AXIS_PX - 7);
  context.lineTo(now + 5, AXIS_PX - 7);
  context.lineTo(now, AXIS_PX - 1);
  context.fill();
  context.restore();
  if (gutter > 0) {
    context.font = `11px ${palette.font}`;
    context.fillStyle = palette.soft;
    context.fillText('UTC', 12, 14);
  }
}
