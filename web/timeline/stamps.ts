import { type Outcome, OUTCOMES } from './mutation.ts';
import type { Palette } from './palette.ts';
import { SHAPES, SHAPE_SIZE } from './shapes.ts';

/** What is drawn often, drawn once: a picture costs a tenth of a path. */
export interface Stamps {
  readonly shapes: Readonly<Record<Outcome, CanvasImageSource>>;
  /** Diagonal stripes over a bar: what was undone. */
  readonly stripes: CanvasPattern;
  /** Dots over a bar: what a person has to decide about. */
  readonly dots: CanvasPattern;
}

const STRIPE_PX = 6;

/** @param ratio device pixels a CSS pixel */
export function stampsOf(context: CanvasRenderingContext2D, palette: Palette, ratio: number): Stamps {
  const shapes = Object.fromEntries(
    OUTCOMES.map((outcome) => {
      const { canvas, draw } = sheet(SHAPE_SIZE, ratio);
      draw.fillStyle = palette.outcomes[outcome];
      draw.strokeStyle = palette.paper;
      // A thin rim keeps shapes apart that touch.
      draw.lineWidth = 1;
      const path = new Path2D(SHAPES[outcome]);
      draw.stroke(path);
      draw.fill(path);
      return [outcome, canvas];
    }),
  ) as unknown as Record<Outcome, CanvasImageSource>;

  const striped = sheet(STRIPE_PX, ratio);
  striped.draw.strokeStyle = palette.paper;
  striped.draw.globalAlpha = 0.4;
  striped.draw.lineWidth = 1.4;
  striped.draw.beginPath();
  for (const x of [-STRIPE_PX, 0, STRIPE_PX]) {
    striped.draw.moveTo(x, STRIPE_PX);
    striped.draw.lineTo(x + STRIPE_PX, 0);
  }
  striped.draw.stroke();

  const dotted = sheet(4, ratio);
  dotted.draw.fillStyle = palette.paper;
  dotted.draw.globalAlpha = 0.5;
  dotted.draw.fillRect(0.5, 0.5, 1.2, 1.2);
  dotted.draw.fillRect(2.5, 2.5, 1.2, 1.2);
  return { shapes, stripes: pattern(context, striped.canvas, ratio), dots: pattern(context, dotted.canvas, ratio) };
}

function sheet(size: number, ratio: number): { canvas: HTMLCanvasElement; draw: CanvasRenderingContext2D } {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.ceil(size * ratio);
  const draw = canvas.getContext('2d');
  if (draw === null) throw new Error('this browser does not draw on a canvas');
  draw.scale(canvas.width / size, canvas.height / size);
  return { canvas, draw };
}

function pattern(context: CanvasRenderingContext2D, canvas: HTMLCanvasElement, ratio: number): CanvasPattern {
  const made = context.createPattern(canvas, 'repeat');
  if (made === null) throw new Error('this browser does not draw patterns');
  made.setTransform(new DOMMatrix().scale(1 / ratio));
  return made;
}
