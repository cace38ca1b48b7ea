import { cellMs, type Cluster } from './detail.ts';
import { type Frame, placeOf } from './frame.ts';
import { BAR_PX, ROW_PX } from './layout.ts';
import { firstFrom, type Row } from './lanes.ts';
import { endOf, type Item, OUTCOMES } from './mutation.ts';
import { SHAPE_SIZE, SNAPSHOT_SHAPE } from './shapes.ts';
import { lengthOf } from './span.ts';

const RADIUS = 3;
/** An open mutation that has just been cleared is to be seen too. */
const SHORTEST_PX = 4;
/** Text on a bar, or right of it, from this width on. */
const TEXT_PX_MIN = 44;
const TEXT = '11px';
/** A guess that is right to within a letter, and a hundred times cheaper than to measure. */
const LETTER_PX = 5.9;

const snapshot = new Path2D(SNAPSHOT_SHAPE);

/** @param top of the row on the canvas */
export function drawRow(context: CanvasRenderingContext2D, frame: Frame, row: Row, top: number): void {
  const { span } = frame;
  const detail = frame.details.of(row, cellMs(lengthOf(span) / (frame.width - frame.gutter)));
  const y = top + (ROW_PX - BAR_PX) / 2 + 1;
  const seen = (item: Item): boolean => item.asked <= span.to && endOf(item, frame.now) >= span.from;

  for (const cluster of detail.clusters)
    if (cluster.from <= span.to && cluster.to >= span.from) drawCluster(context, frame, cluster, y);
  for (const item of detail.bars.filter(seen)) {
    const after = firstFrom(row.items.length, (index) => row.items[index]?.asked ?? Infinity, item.end);
    drawBar(context, frame, item, y, row.items[after]);
  }
  for (const item of detail.pips) if (seen(item)) drawPip(context, frame, item, y);
}

function drawPip(context: CanvasRenderingContext2D, frame: Frame, item: Item, y: number): void {
  const x = placeOf(frame, (item.start + item.end) / 2);
  const middle = y + BAR_PX / 2;
  drawWait(context, frame, item, middle);
  context.drawImage(
    frame.stamps.shapes[item.outcome],
    x - SHAPE_SIZE / 2,
    middle - SHAPE_SIZE / 2,
    SHAPE_SIZE,
    SHAPE_SIZE,
  );
  if (item.id === frame.selected || item.id === frame.cursor || item.id === frame.hovered)
    drawRing(context, frame, item, x - SHAPE_SIZE / 2, y, SHAPE_SIZE);
}

/** Parts of a column, as high as there are many of each; what went wrong is on top. */
function drawCluster(context: CanvasRenderingContext2D, frame: Frame, cluster: Cluster, y: number): void {
  const from = placeOf(frame, cluster.from);
  const width = Math.max(placeOf(frame, cluster.to) - from, SHORTEST_PX);
  const total = cluster.items.length;
  // Twice as many are a step higher: one among thousands is not lost, and thousands are not one.
  const height = BAR_PX * Math.min(1, 0.55 + 0.075 * Math.log2(total));
  let bottom = y + BAR_PX;
  for (const [index, outcome] of OUTCOMES.entries()) {
    const count = cluster.counts[index] ?? 0;
    if (count === 0) continue;
    const part = Math.max(2, (height * count) / total);
    context.fillStyle = frame.palette.outcomes[outcome];
    context.fillRect(from, bottom - part, width, part);
    bottom -= part;
  }
  const { selected, cursor, hovered } = frame;
  if (selected === undefined && cursor === undefined && hovered === undefined) return;
  const marked = cluster.items.find(({ id }) => id === cursor || id === selected || id === hovered);
  if (marked !== undefined) drawRing(context, frame, marked, from, y, width);
}

function drawBar(context: CanvasRenderingContext2D, frame: Frame, item: Item, y: number, next: Item | undefined): void {
  const from = placeOf(frame, item.start);
  const to = placeOf(frame, endOf(item, frame.now));
  // A bar that began long before the view is a number no canvas can draw.
  const left = Math.max(from, frame.gutter - 20);
  const right = Math.min(Math.max(to, from + SHORTEST_PX), frame.width + 20);
  const width = right - left;
  const colour = frame.palette.outcomes[item.outcome];
  drawWait(context, frame, item, y + BAR_PX / 2);

  context.fillStyle = colour;
  context.strokeStyle = colour;
  switch (item.outcome) {
    case 'waiting':
      context.lineWidth = 1.5;
      context.setLineDash([3, 3]);
      context.strokeRect(left + 0.75, y + 2.75, Math.max(0, width - 1.5), BAR_PX - 5.5);
      context.setLineDash([]);
      break;
    case 'cleared':
      // Open to the right, where it goes on.
      context.globalAlpha = 0.28;
      context.fillRect(left, y, width, BAR_PX);
      context.globalAlpha = 1;
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(right, y + 0.75);
      context.lineTo(left + 0.75, y + 0.75);
      context.lineTo(left + 0.75, y + BAR_PX - 0.75);
      context.lineTo(right, y + BAR_PX - 0.75);
      context.stroke();
      drawEnd(context, frame, item, right, y);
      break;
    case 'rolled_back':
    case 'quarantined':
      box(context, left, y, width, BAR_PX);
      context.save();
      // The pattern travels with the bar.
      context.translate(left, y);
      context.fillStyle = item.outcome === 'rolled_back' ? frame.stamps.stripes : frame.stamps.dots;
      context.fillRect(0, 0, width, BAR_PX);
      context.restore();
      drawEnd(context, frame, item, right, y);
      break;
    case 'committed':
    case 'denied':
    case 'cancelled':
      box(context, left, y, width, BAR_PX);
      break;
  }
  if (item.frozen !== undefined) drawSnapshot(context, frame, placeOf(frame, item.frozen), y);
  drawText(context, frame, item, left, right, y, next);
  if (item.id === frame.selected || item.id === frame.cursor || item.id === frame.hovered)
    drawRing(context, frame, item, left, y, width);
}

function box(context: CanvasRenderingContext2D, x: number, y: number, width: number, height: number): void {
  context.beginPath();
  context.roundRect(x, y, width, height, RADIUS);
  context.fill();
}

/** The shape of the outcome, at the end of the bar: the same that stands for it where there is no room for a bar. */
function drawEnd(context: CanvasRenderingContext2D, frame: Frame, item: Item, x: number, y: number): void {
  if (x > frame.width + 10) return;
  const size = SHAPE_SIZE + 2;
  context.drawImage(frame.stamps.shapes[item.outcome], x - size / 2, y + (BAR_PX - size) / 2, size, size);
}

/** A thin line from the request to the clearance: what the locks cost. */
function drawWait(context: CanvasRenderingContext2D, frame: Frame, item: Item, middle: number): void {
  if (item.outcome === 'waiting') return;
  const from = Math.max(placeOf(frame, item.asked), frame.gutter);
  const to = placeOf(frame, item.start);
  if (to - from < 3) return;
  context.fillStyle = frame.palette.soft;
  context.fillRect(from, middle - 0.5, to - from, 1);
  context.fillRect(from, middle - 3, 1, 6);
}

function drawSnapshot(context: CanvasRenderingContext2D, frame: Frame, x: number, y: number): void {
  if (x < frame.gutter - 4 || x > frame.width + 4) return;
  context.save();
  context.translate(x - 4, y - 5);
  context.fillStyle = frame.palette.ink;
  context.fill(snapshot);
  context.restore();
}

function drawText(
  context: CanvasRenderingContext2D,
  frame: Frame,
  item: Item,
  left: number,
  right: number,
  y: number,
  next: Item | undefined,
): void {
  const seen = Math.max(left, frame.gutter);
  const inside = item.outcome === 'committed';
  const room = Math.min(right, frame.width) - seen - 10;
  const wanted = item.intent.length * LETTER_PX;
  context.font = `${TEXT} ${frame.palette.font}`;
  if (inside && (room >= wanted || room >= TEXT_PX_MIN * 2)) {
    context.fillStyle = frame.palette.paper;
    context.fillText(shortened(item.intent, room), seen + 6, y + BAR_PX / 2 + 0.5);
    return;
  }
  const begins = right + (inside ? 4 : SHAPE_SIZE);
  const until = next === undefined ? frame.width : placeOf(frame, next.asked);
  const beside = Math.min(until, frame.width) - begins - 8;
  if (begins < frame.gutter) return;
  if (beside >= TEXT_PX_MIN) {
    context.fillStyle = frame.palette.ink;
    context.fillText(shortened(item.intent, beside), begins, y + BAR_PX / 2 + 0.5);
  } else if (inside && room >= TEXT_PX_MIN) {
    context.fillStyle = frame.palette.paper;
    context.fillText(shortened(item.intent, room), seen + 6, y + BAR_PX / 2 + 0.5);
  }
}

function shortened(text: string, room: number): string {
  const letters = Math.floor(room / LETTER_PX);
  return text.length <= letters ? text : `${text.slice(0, Math.max(1, letters - 1)).trimEnd()}…`;
}

function drawRing(
  context: CanvasRenderingContext2D,
  frame: Frame,
  item: Item,
  x: number,
  y: number,
  width: number,
): void {
  const strong = item.id === frame.selected || item.id === frame.cursor;
  context.strokeStyle = strong ? frame.palette.ink : frame.palette.soft;
  context.lineWidth = strong ? 2 : 1.25;
  if (item.id === frame.cursor && item.id !== frame.selected) context.setLineDash([4, 2]);
  context.beginPath();
  context.roundRect(x - 2.5, y - 2.5, width + 5, BAR_PX + 5, RADIUS + 2);
  context.stroke();
  context.setLineDash([]);
}
