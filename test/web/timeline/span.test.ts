import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  brushed,
  fitted,
  following,
  lengthOf,
  panned,
  revealing,
  SHORTEST_MS,
  timeAt,
  xOf,
  zoomed,
} from '../../../web/timeline/span.ts';
import { Viewport } from '../../../web/timeline/viewport.ts';
import { EPOCH } from './played.ts';

const BOUNDS = { from: EPOCH, to: EPOCH + 3_600_000 };
const inside = fc.nat(3_600_000).map((ms) => EPOCH + ms);
const spans = fc
  .tuple(inside, fc.integer({ min: SHORTEST_MS, max: 3_600_000 }))
  .map(([from, length]) => panned({ from, to: from + length }, 0, BOUNDS));

describe('a stretch of time in view', () => {
  test('takes a place to a time and back', () => {
    fc.assert(
      fc.property(spans, inside, (span, time) => {
        expect(timeAt(span, 900, xOf(span, 900, time))).toBeCloseTo(time, 0);
      }),
    );
  });

  test('is zoomed about a time that stays where it is', () => {
    const span = { from: EPOCH + 1_000_000, to: EPOCH + 2_000_000 };
    const time = EPOCH + 1_250_000;
    const near = zoomed(span, 0.5, time, BOUNDS);
    expect(lengthOf(near)).toBeCloseTo(500_000);
    expect(xOf(near, 1_000, time)).toBeCloseTo(xOf(span, 1_000, time));
  });

  test('is never shorter than can be told apart, nor much longer than all there is', () => {
    fc.assert(
      fc.property(spans, fc.double({ min: 1e-6, max: 1e6, noNaN: true }), inside, (span, factor, time) => {
        const length = lengthOf(zoomed(span, factor, time, BOUNDS));
        expect(length).toBeGreaterThanOrEqual(SHORTEST_MS - 0.01);
        expect(length).toBeLessThanOrEqual(lengthOf(fitted(BOUNDS)) * 1.5 + 0.01);
      }),
    );
  });

  test('always shows some of what there is, however far it is panned', () => {
    fc.assert(
      fc.property(spans, fc.integer({ min: -1e12, max: 1e12 }), (span, ms) => {
        const there = panned(span, ms, BOUNDS);
        expect(lengthOf(there)).toBeCloseTo(lengthOf(span), 0);
        expect(there.to).toBeGreaterThan(BOUNDS.from);
        expect(there.from).toBeLessThan(BOUNDS.to);
      }),
    );
  });

  test('follows now with its length kept and a margin to the right', () => {
    const span = following({ from: EPOCH, to: EPOCH + 100_000 }, EPOCH + 500_000);
    expect(lengthOf(span)).toBe(100_000);
    expect(span.to).toBeGreaterThan(EPOCH + 500_000);
  });

  test('moves only for what it does not show', () => {
    const span = { from: EPOCH + 1_000_000, to: EPOCH + 1_100_000 };
    expect(revealing(span, EPOCH + 1_050_000, BOUNDS)).toBe(span);
    expect(xOf(revealing(span, EPOCH + 2_000_000, BOUNDS), 100, EPOCH + 2_000_000)).toBeCloseTo(90);
    expect(xOf(revealing(span, EPOCH + 900_000, BOUNDS), 100, EPOCH + 900_000)).toBeCloseTo(10);
  });

  test('is brushed from either end, and not by a twitch', () => {
    expect(brushed(EPOCH + 900, EPOCH, 100)).toEqual({ from: EPOCH, to: EPOCH + 900 });
    expect(brushed(EPOCH, EPOCH + 50, 100)).toBeUndefined();
  });
});

describe('the viewport', () => {
  const open = (): Viewport => {
    const view = new Viewport(EPOCH);
    view.reach(EPOCH - 600_000, EPOCH);
    return view;
  };

  test('shows everything until somebody zooms or pans, also what comes later', () => {
    const view = open();
    view.reach(EPOCH - 600_000, EPOCH + 600_000);
    expect(view.span).toEqual(fitted({ from: EPOCH - 600_000, to: EPOCH + 600_000 }));
  });

  test('keeps its length and follows now after it was zoomed', () => {
    const view = open();
    view.zoom(0.1, EPOCH);
    const length = lengthOf(view.span);
    view.reach(EPOCH - 600_000, EPOCH + 60_000);
    expect(view.follows).toBe(true);
    expect(lengthOf(view.span)).toBeCloseTo(length);
    expect(view.span.to).toBeGreaterThan(EPOCH + 60_000);
  });

  test('stays where somebody panned it, until told to follow again', () => {
    const view = open();
    view.zoom(0.1, EPOCH);
    view.pan(-100_000);
    const { span } = view;
    view.reach(EPOCH - 600_000, EPOCH + 60_000);
    expect(view).toMatchObject({ follows: false, span });
    view.follow(true);
    expect(view.span.to).toBeGreaterThan(EPOCH + 60_000);
  });

  test('tells of each change until nobody listens', () => {
    const view = open();
    let told = 0;
    const end = view.listen(() => (told += 1));
    view.pan(10);
    view.fit();
    end();
    view.pan(10);
    expect(told).toBe(2);
  });

  test('shows the hour before now when there is nothing', () => {
    const view = new Viewport(EPOCH);
    view.reach(undefined, EPOCH + 5_000);
    expect(lengthOf(view.bounds)).toBe(3_600_000);
  });
});
