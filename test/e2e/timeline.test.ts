import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { trialPage, type TrialPage } from '../../bench/timeline-page.ts';
import { needs } from '../needs.ts';
import { expectAccessible, launch, openPage } from './browser.ts';
import { ROOT } from './place.ts';

/* The timeline by itself, in a real browser, under the policy that the controller sends. */

needs('chromium').describe('the timeline', () => {
  let browser: Browser;
  let trial: TrialPage;

  beforeAll(async () => {
    [browser, trial] = await Promise.all([launch(), trialPage(ROOT)]);
  });
  afterAll(async () => {
    await browser?.close();
    await trial?.close();
  });

  async function open(what: string, options?: Parameters<typeof openPage>[1]) {
    const { page, complaints } = await openPage(browser, options);
    await page.goto(`${trial.url}#${what}`);
    const chart = page.getByRole('listbox', { name: 'Mutations by node and time' });
    await chart.waitFor();
    return { page, complaints, chart };
  }

  /** What keys have come to, as it is read out. */
  const heard = async (page: Page, chart: Locator): Promise<string> => {
    const id = await chart.getAttribute('aria-activedescendant');
    expect(id).not.toBeNull();
    return page.locator(`[id="${id}"]`).innerText();
  };
  const shown = async (page: Page): Promise<readonly [number, number]> => {
    // It is set when the next frame is drawn.
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))');
    const handles = page.getByRole('slider');
    const from = Number(await handles.first().getAttribute('aria-valuenow'));
    const to = Number(await handles.last().getAttribute('aria-valuenow'));
    return [from, to];
  };

  test('is walked through by keys, and read out', async () => {
    const { page, complaints, chart } = await open('mutations=60&nodes=5');
    await chart.focus();
    const newest = await heard(page, chart);
    expect(newest).toMatch(/^web1: nginx: a new upstream, open, 2026-06-16 16:2\d:\d\d UTC, 2 min/);
    await page.keyboard.press('ArrowLeft');
    const before = await heard(page, chart);
    expect(before).toMatch(/^web1: /);
    expect(before).not.toBe(newest);
    await page.keyboard.press('ArrowDown');
    expect(await heard(page, chart)).toMatch(/^hauki-crm1: /);
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('End');
    expect(await heard(page, chart)).toBe(newest);
    await page.keyboard.press('Enter');
    expect(await page.locator('#selected').innerText()).toMatch(/^m0000\d\d$/);
    expect(await page.getByRole('option', { selected: true }).innerText()).toBe(newest);
    expect(complaints).toEqual([]);
  });

  test('is zoomed, panned and brought back by keys and buttons', async () => {
    const { page, chart } = await open('mutations=60&nodes=5');
    const follow = page.getByRole('button', { name: 'Follow now' });
    expect(await shown(page)).toEqual([0, 100]);
    await page.getByRole('button', { name: 'Zoom in' }).click();
    await chart.focus();
    await page.keyboard.press('+');
    const [from, to] = await shown(page);
    expect(to - from).toBeLessThan(45);
    expect(await follow.getAttribute('aria-pressed')).toBe('true');
    await page.keyboard.press('Shift+ArrowLeft');
    expect((await shown(page))[0]).toBeLessThan(from);
    expect(await follow.getAttribute('aria-pressed')).toBe('false');
    await page.keyboard.press('f');
    expect(await follow.getAttribute('aria-pressed')).toBe('true');
    await page.getByRole('button', { name: 'Show all' }).click();
    expect(await shown(page)).toEqual([0, 100]);
    await page.getByRole('slider', { name: 'Begin of what is shown' }).focus();
    await page.keyboard.press('ArrowRight');
    expect((await shown(page))[0]).toBeGreaterThan(0);
  });

  test('is dragged, brushed and clicked by a mouse', async () => {
    const { page, chart } = await open('mutations=60&nodes=5');
    const box = await chart.boundingBox();
    if (box === null) throw new Error('the chart is not there');
    const drag = async (from: number, to: number): Promise<void> => {
      await page.mouse.move(box.x + box.width * from, box.y + 20);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width * ((from + to) / 2), box.y + 20);
      await page.mouse.move(box.x + box.width * to, box.y + 20);
      await page.mouse.up();
    };
    await page.keyboard.down('Shift');
    await drag(0.4, 0.6);
    await page.keyboard.up('Shift');
    const [from, to] = await shown(page);
    expect(to - from).toBeLessThan(30);
    await drag(0.4, 0.7);
    expect((await shown(page))[0]).toBeLessThan(from);
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -400);
    await page.keyboard.up('Control');
    const [nearFrom, nearTo] = await shown(page);
    expect(nearTo - nearFrom).toBeLessThan(to - from);

    await page.getByRole('button', { name: 'Show all' }).click();
    const tip = page.locator('.timeline-tip');
    for (let x = box.width - 10; x > 120 && !(await tip.isVisible()); x -= 6)
      await page.mouse.move(box.x + x, box.y + 54);
    const words = await tip.locator('strong').innerText();
    await page.mouse.down();
    await page.mouse.up();
    expect(await page.getByRole('option', { selected: true }).innerText()).toContain(words);
  });

  test('has a list that shows the same part of time', async () => {
    const { page } = await open('mutations=60&nodes=5');
    await page.getByRole('button', { name: 'List' }).click();
    const rows = page.getByRole('row');
    expect(await rows.count()).toBe(51);
    await page.getByRole('button', { name: '10 more of 10' }).click();
    expect(await rows.count()).toBe(61);
    for (let press = 0; press < 4; press += 1) await page.getByRole('button', { name: 'Zoom in' }).click();
    await expect.poll(() => rows.count()).toBeLessThan(30);
    const first = rows.nth(1).getByRole('button');
    await first.click();
    expect(await first.getAttribute('aria-current')).toBe('true');
    expect(await page.locator('#selected').innerText()).toMatch(/^m0000\d\d$/);
  });

  test.each([
    ['dark', 1280],
    ['light', 320],
  ] as const)('is accessible, %s, on %i px', async (colorScheme, width) => {
    const { page, complaints } = await open('mutations=60&nodes=5&barrier', {
      colorScheme,
      viewport: { width, height: 800 },
    });
    await page.getByRole('button', { name: 'List' }).click();
    await expectAccessible(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    expect(complaints).toEqual([]);
  });
});
