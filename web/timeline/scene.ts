import { cellMs, Details } from './detail.ts';
import { AXIS_PX, type Frame } from './frame.ts';
import { type Hit, hitAt } from './hit.ts';
import type { Lane } from './lanes.ts';
import { type Layout, layoutOf, rowAt } from './layout.ts';
import type { Band } from './mutation.ts';
import { type Palette, paletteOf } from './palette.ts';
import { drawPicture } from './picture.ts';
import { lengthOf, timeAt } from './span.ts';
import { type Stamps, stampsOf } from './stamps.ts';
import type { Viewport } from './viewport.ts';

/** Below this width names stand above the bars. */
const NARROW_PX = 640;
const GUTTER_PX = { least: 84, most: 168, letter: 7.4 };

export interface Shown {
  readonly lanes: readonly Lane[];
  readonly bands: readonly Band[];
  readonly now: number;
  readonly selected: string | undefined;
  readonly cursor: string | undefined;
}

const NOTHING: Shown = { lanes: [], bands: [], now: 0, selected: undefined, cursor: undefined };

/**
 * The chart on its canvas: draws when something has changed, at most once a frame, and says what is where. Stands beside the
 * components, because what changes sixty times a second is no state of theirs.
 */
export class Scene {
  readonly view: Viewport;
  readonly #box: HTMLElement;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #ends: (() => void)[] = [];
  readonly #laidOut: (tall: number) => void;
  readonly #details = new Details();
  #shown = NOTHING;
  #layout: Layout = layoutOf([], false);
  #laid: readonly Lane[] | undefined;
  #laidNarrow = false;
  #width = 0;
  #height = 0;
  #ratio = 1;
  #palette: Palette | undefined;
  #stamps: Stamps | undefined;
  #hovered: string | undefined;
  #asked: number | undefined;

  /**
   * @param box what scrolls; the canvas stays in its upper left corner
   * @param laidOut is told how high all lanes are, in px, whenever that may have changed
   */
  constructor(box: HTMLElement, canvas: HTMLCanvasElement, view: Viewport, laidOut: (tall: number) => void) {
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('this browser does not draw on a canvas');
    this.#box = box;
    this.#canvas = canvas;
    this.#laidOut = laidOut;
    this.#context = context;
    this.view = view;
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(box);
    const again = (): void => this.redraw();
    const colours = matchMedia('(prefers-color-scheme: dark)');
    box.addEventListener('scroll', again, { passive: true });
    colours.addEventListener('change', again);
    this.#ends.push(
      view.listen(again),
      () => sizes.disconnect(),
      () => box.removeEventListener('scroll', again),
      () => colours.removeEventListener('change', again),
    );
    this.#resize();
  }

  end(): void {
    for (const end of this.#ends) end();
    if (this.#asked !== undefined) cancelAnimationFrame(this.#asked);
  }

  show(shown: Shown): void {
    this.#shown = shown;
    this.#lay();
    this.redraw();
  }

  /** @returns whether it is another one than before */
  hover(id: string | undefined): boolean {
    if (id === this.#hovered) return false;
    this.#hovered = id;
    this.redraw();
    return true;
  }

  redraw(): void {
    this.#asked ??= requestAnimationFrame(() => {
      this.#asked = undefined;
      this.#draw();
    });
  }

  /** The width of the lanes without names, px. */
  get across(): number {
    return Math.max(1, this.#width - this.#gutter);
  }

  /** @param x in px from the left of the chart */
  timeAt(x: number): number {
    return timeAt(this.view.span, this.across, x - this.#gutter);
  }

  /** @param within how far off it may be, px */
  hitAt(x: number, y: number, within: number): Hit {
    if (x < this.#gutter || y < AXIS_PX) return undefined;
    const row = rowAt(this.#layout, y - AXIS_PX + this.#box.scrollTop);
    if (row === undefined) return undefined;
    const { span } = this.view;
    const detail = this.#details.of(row, cellMs(lengthOf(span) / this.across));
    return hitAt(detail, span, this.across, x - this.#gutter, within, this.#shown.now);
  }

  /** Scrolls no more than needed for a node's lane to be seen whole. */
  revealLane(node: string): void {
    const placed = this.#layout.lanes.find(({ lane }) => lane.node === node);
    if (placed === undefined) return;
    const room = this.#height - AXIS_PX;
    if (placed.top < this.#box.scrollTop) this.#box.scrollTop = placed.top;
    else if (placed.top + placed.height > this.#box.scrollTop + room)
      this.#box.scrollTop = placed.top + placed.height - room;
  }

  get #narrow(): boolean {
    return this.#width < NARROW_PX;
  }

  get #gutter(): number {
    if (this.#narrow) return 0;
    const longest = Math.max(0, ...this.#shown.lanes.map(({ node }) => node.length));
    return Math.min(GUTTER_PX.most, Math.max(GUTTER_PX.least, longest * GUTTER_PX.letter + 26));
  }

  #resize(): void {
    this.#width = this.#box.clientWidth;
    this.#height = this.#box.clientHeight;
    this.#ratio = Math.min(devicePixelRatio, 3);
    this.#canvas.width = Math.round(this.#width * this.#ratio);
    this.#canvas.height = Math.round(this.#height * this.#ratio);
    this.#canvas.style.width = `${this.#width}px`;
    this.#canvas.style.height = `${this.#height}px`;
    this.#stamps = undefined;
    // A canvas that was resized is empty until it is drawn, which nobody is to see.
    this.#draw();
  }

  #lay(): void {
    const { lanes } = this.#shown;
    if (lanes === this.#laid && this.#laidNarrow === this.#narrow) return;
    this.#layout = layoutOf(lanes, this.#narrow);
    this.#laid = lanes;
    this.#laidNarrow = this.#narrow;
    this.#laidOut(AXIS_PX + this.#layout.height);
  }

  #draw(): void {
    if (this.#width === 0 || this.#height === 0) return;
    const { bands, now, selected, cursor } = this.#shown;
    this.#lay();
    const palette = paletteOf(this.#box);
    if (this.#stamps === undefined || JSON.stringify(palette) !== JSON.stringify(this.#palette))
      this.#stamps = stampsOf(this.#context, palette, this.#ratio);
    this.#palette = palette;
    this.#context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    const frame: Frame = {
      layout: this.#layout,
      details: this.#details,
      bands,
      span: this.view.span,
      now,
      width: this.#width,
      height: this.#height,
      scroll: this.#box.scrollTop,
      gutter: this.#gutter,
      palette,
      stamps: this.#stamps,
      selected,
      cursor,
      hovered: this.#hovered,
    };
    drawPicture(this.#context, frame);
  }
}
