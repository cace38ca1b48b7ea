import { chromium, type Page } from 'playwright-core';

import { quantile, type Row } from './row.ts';
import { trialPage } from './timeline-page.ts';

const MUTATIONS = 10_000;
/** As many as have room on the screen: what is not in view is not drawn. */
const NODES = 7;
const SECONDS = 4;
const FPS = 50;
const PAINT_MS = 1_000;

/** Panning ten thousand mutations, all in view and at the zoom where most shapes are drawn, in headless Chromium on loopback. */
export async function timelineBench(): Promise<Row[]> {
  const trial = await trialPage(process.cwd());
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.goto(`${trial.url}#mutations=${MUTATIONS}&nodes=${NODES}`);
    await page.waitForFunction("performance.getEntriesByName('drawn').length > 0");
    const paint = await page.evaluate<number>(
      "performance.getEntriesByType('paint').find((entry) => entry.name === 'first-contentful-paint')?.startTime ?? NaN",
    );
    const drawn = await page.evaluate<number>("performance.getEntriesByName('drawn')[0].startTime");
    const all = await panned(page);
    // Until the shapes are neither clusters nor few.
    for (let press = 0; press < 6; press += 1) await page.getByRole('button', { name: 'Zoom in' }).click();
    const near = await panned(page);
    return [
      { name: 'timeline first paint', value: paint, unit: 'ms', target: `≤ ${PAINT_MS} ms`, met: paint <= PAINT_MS },
      { name: 'timeline drawn', value: drawn, unit: 'ms', target: `≤ ${PAINT_MS} ms`, met: drawn <= PAINT_MS },
      ...rowsOf('10,000 in view', all),
      ...rowsOf('16 times as near', near),
    ];
  } finally {
    await browser.close();
    await trial.close();
  }
}

function rowsOf(what: string, frames: readonly number[]): Row[] {
  const fps = (1_000 * frames.length) / frames.reduce((sum, ms) => sum + ms, 0);
  return [
    { name: `timeline panned, ${what}`, value: fps, unit: '/s', target: `≥ ${FPS}`, met: fps >= FPS },
    { name: `timeline frame p99, ${what}`, value: quantile(frames, 0.99), unit: 'ms' },
  ];
}

/** Drags to and fro. @returns the time from each frame to the next, ms */
async function panned(page: Page): Promise<number[]> {
  const box = await page.getByRole('listbox').boundingBox();
  if (box === null) throw new Error('the chart is not there');
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width / 2, y);
  await page.mouse.down();
  await page.evaluate(`
    globalThis.frames_ms = [];
    globalThis.panning = true;
    let last;
    const tick = (time) => {
      if (last !== undefined) frames_ms.push(time - last);
      last = time;
      if (panning) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  `);
  const begun = performance.now();
  for (let step = 0; performance.now() - begun < SECONDS * 1_000; step += 1)
    await page.mouse.move(box.x + box.width * (0.5 + 0.35 * Math.sin(step / 25)), y);
  const frames = await page.evaluate<number[]>('panning = false; frames_ms');
  await page.mouse.up();
  return frames;
}
