import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';

import type { Cleared } from '../../src/wire/http.ts';
import type { TokenIssued } from '../../src/wire/mesh.ts';
import { needs } from '../needs.ts';
import { until } from '../until.ts';
import {
  enter,
  expectAccessible,
  launch,
  lineTo,
  logIn,
  openPage,
  operatorToken,
  type Seen,
  urlOf,
} from './browser.ts';
import { ask, socketOf } from './http.ts';
import { openPlace, place, type Place } from './place.ts';

/* The page in a real browser, served by a real controller with the directory driver. */

needs('chromium').describe('the page', () => {
  let browser: Browser;
  let own: Place;
  let url: string;

  beforeAll(async () => {
    browser = await launch();
    own = openPlace();
    url = urlOf(await own.controller());
  });
  afterAll(async () => {
    await browser.close();
    await own.close();
  });

  async function loggedIn(options?: Parameters<typeof openPage>[1]): Promise<Seen> {
    const seen = await openPage(browser, options);
    await enter(seen.page, url, operatorToken(own));
    return seen;
  }

  test('lets in whoever has a token, by a cookie that no script reads, and out again', async () => {
    const { page } = await openPage(browser);
    await page.goto(url);
    await page.getByLabel('Token').fill('no such token');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').waitFor();
    await logIn(page, operatorToken(own));
    expect(await page.context().cookies()).toMatchObject([{ httpOnly: true, sameSite: 'Strict' }]);
    expect(await page.evaluate('document.cookie + localStorage.length + sessionStorage.length')).toBe('00');

    await page.getByLabel('Logged in as operator').click();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in to this controller' }).waitFor();
    expect(await page.context().cookies()).toEqual([]);
  });

  test('says why whoever may not read is not let in, and takes another token then', async () => {
    const made = await ask(socketOf(own), 'POST', '/v1/tokens', { body: { name: 'guards-only', scopes: ['guard'] } });
    const { page } = await openPage(browser);
    await page.goto(url);
    await page.getByLabel('Token').fill((made.json as TokenIssued).token);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('Whoever is logged in may not read.').waitFor();
    await page.getByRole('button', { name: 'Log in', exact: true }).waitFor();
    expect(await page.getByLabel('Token').inputValue()).toBe('');
    await logIn(page, operatorToken(own));
  });

  test('says so when it could not log out', async () => {
    const line = await lineTo(url);
    const { page } = await openPage(browser);
    await enter(page, line.url, operatorToken(own));
    line.cut();
    await page.getByLabel('Logged in as operator').click();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are still logged in.').waitFor();
    expect(await page.getByLabel('Token').count()).toBe(0);
    line.mend();
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in to this controller' }).waitFor();
  });

  test('shows a guarded change as it happens, and a failed one as it is rolled back', async () => {
    const there = own.another();
    const { page, complaints } = await loggedIn();
    const go = join(own.folder, 'go');
    const waits = `echo better > config; until [ -e '${go}' ]; do sleep 0.05; done`;
    const good = there.startGuard(waits, ['--intent', 'a good idea']);
    await rowOf(page, 'a good idea').getByText('Cleared').waitFor();
    writeFileSync(go, '');
    expect((await good.done).code).toBe(0);
    await rowOf(page, 'a good idea').getByText('Committed').waitFor();

    expect((await there.guard('rm config; exit 1', ['--intent', 'a bad idea'])).code).toBe(1);
    await rowOf(page, 'a bad idea').getByText('Rolled back').waitFor();
    await page.getByRole('link', { name: 'a bad idea' }).click();
    await page.getByRole('heading', { name: 'a bad idea', level: 1 }).waitFor();
    await page.getByRole('region', { name: 'Evidence' }).getByText('/evidence/').waitFor();
    await page.getByRole('region', { name: 'Ledger records' }).getByText('the failed state is kept').waitFor();
    expect(complaints).toEqual([]);
  });

  test('rolls back after it has shown the plan, and pins', async () => {
    const there = own.another();
    const config = join(there.site, 'config');
    await there.guard('echo two > config; mkdir -p made/deep; echo x > made/deep/file', ['--intent', 'to be undone']);
    const { page, complaints } = await loggedIn();
    await page.getByRole('link', { name: 'to be undone' }).click();
    const diff = page.getByRole('region', { name: 'What it changed' });
    await diff.getByText('made/').first().waitFor();
    await diff.getByText('file', { exact: true }).waitFor();

    await page.getByRole('button', { name: 'Pin …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pin', exact: true }).click();
    await page.getByText('Pinned: retention leaves it alone.').waitFor();
    await page.getByRole('button', { name: 'Unpin …' }).waitFor();

    await page.getByRole('button', { name: 'Roll back …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Roll this change back?' });
    await dialog.getByText('nothing stands in the way').waitFor();
    expect(await dialog.locator('.plan').innerText()).toContain(`${there.site} would go back to ${there.site}@PRE_`);
    // Nothing is done before it is agreed to: Escape leaves everything as it is.
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(readFileSync(config, 'utf8')).toBe('two\n');

    await page.getByRole('button', { name: 'Roll back …' }).click();
    await dialog.getByRole('button', { name: 'Roll back' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.locator('.mutation-head').getByText('Rolled back').waitFor();
    expect(readFileSync(config, 'utf8')).toBe('one\n');
    expect(complaints).toEqual([]);
  });

  test('lets nobody roll back what something stands in the way of', async () => {
    const there = own.another();
    await there.guard('echo two > config', ['--intent', 'the older one']);
    await there.guard('echo three > config', ['--intent', 'the newer one']);
    const { page } = await loggedIn();
    await page.getByRole('link', { name: 'the older one' }).click();
    await page.getByRole('button', { name: 'Roll back …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('IN THE WAY: newer mutation').waitFor();
    expect(await dialog.getByRole('button', { name: 'Roll back' }).isDisabled()).toBe(true);
  });

  test('has somebody decide about a change in quarantine', async () => {
    const there = own.another();
    const body = { intent: 'left alone', datasets: [there.site], ttl: '5s', onExpiry: 'quarantine' };
    await ask(socketOf(own), 'POST', '/v1/mutations', { body });
    const { page, complaints } = await loggedIn();
    await page.getByText('1 change for somebody to decide about').waitFor({ timeout: 30_000 });
    await page.locator('.notice').getByRole('link', { name: 'left alone' }).click();
    await page.getByRole('button', { name: 'Decide …' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('nothing stands in the way').waitFor();
    await dialog.getByRole('button', { name: 'Keep the state as it is' }).click();
    await page.locator('.mutation-head').getByText('Committed').waitFor();
    expect(complaints).toEqual([]);
  });

  test('shows who holds what and who waits, what is kept, and whether the ledger is whole', async () => {
    const there = own.another();
    const datasets = [there.site];
    const held = await ask(socketOf(own), 'POST', '/v1/mutations', { body: { intent: 'holds it', datasets } });
    const { mutation, fence } = held.json as Cleared;
    const waiting = ask(socketOf(own), 'POST', '/v1/mutations', { body: { intent: 'waits for it', datasets } });
    const { page, complaints } = await loggedIn();
    const pages = page.getByRole('navigation', { name: 'Pages' });
    await pages.getByRole('link', { name: 'Locks' }).click();
    await page.getByRole('region', { name: 'Held' }).getByText('holds it').waitFor();
    await page.getByRole('region', { name: 'Waiting' }).getByText('behind “holds it”').waitFor();
    await ask(socketOf(own), 'POST', `/v1/mutations/${mutation}/commit`, { body: { fence } });
    await page.getByRole('region', { name: 'Held' }).getByText('waits for it').waitFor();
    const { mutation: next, fence: nextFence } = (await waiting).json as Cleared;
    await ask(socketOf(own), 'POST', `/v1/mutations/${next}/commit`, { body: { fence: nextFence } });
    await page.getByText('Nothing is locked.').waitFor();

    await pages.getByRole('link', { name: 'Space' }).click();
    await page.getByRole('region', { name: 'What is kept, and why' }).getByRole('link', { name: 'holds it' }).waitFor();
    await page.locator('.space').getByText(there.site, { exact: true }).waitFor();

    await pages.getByRole('link', { name: 'Ledger' }).click();
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.getByRole('heading', { name: 'Proven whole' }).waitFor();
    await page.getByRole('region', { name: 'Records' }).getByText('asks for clearance: waits for it').first().waitFor();
    expect(complaints).toEqual([]);
  });

  test('offers nothing to whoever may only read', async () => {
    const there = own.another();
    await there.guard('true', ['--intent', 'only to be read']);
    const made = await ask(socketOf(own), 'POST', '/v1/tokens', { body: { name: 'reader', scopes: ['read'] } });
    const { page, complaints } = await openPage(browser);
    await enter(page, url, (made.json as TokenIssued).token);
    await page.getByRole('link', { name: 'only to be read' }).click();
    await page.getByRole('heading', { name: 'only to be read', level: 1 }).waitFor();
    await page.getByRole('region', { name: 'What it changed' }).waitFor();
    expect(await page.getByRole('button', { name: 'Roll back …' }).count()).toBe(0);
    await page.getByRole('link', { name: 'Space' }).click();
    await page.locator('.space').waitFor();
    expect(await page.getByRole('button', { name: /^(Pin|Let go)/ }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  test('says when it is stale, and misses nothing when the line is back', async () => {
    const there = own.another();
    const line = await lineTo(url);
    const { page } = await openPage(browser);
    await enter(page, line.url, operatorToken(own));
    line.cut();
    await page.getByText('What you see may be old.').waitFor();
    const resumed = page.waitForRequest((request) => request.url().endsWith('/v1/events'), { timeout: 15_000 });
    await there.guard('true', ['--intent', 'behind its back']);
    expect(await rowOf(page, 'behind its back').count()).toBe(0);
    line.mend();
    await page.getByText('live', { exact: true }).waitFor();
    await rowOf(page, 'behind its back').getByText('Committed').waitFor();
    await resumed;
    expect(await page.getByText('What you see may be old.').count()).toBe(0);
  });

  test('resumes after the last event that it heard', async () => {
    const there = own.another();
    const line = await lineTo(url);
    const { page } = await openPage(browser);
    await enter(page, line.url, operatorToken(own));
    await there.guard('true', ['--intent', 'heard of']);
    await rowOf(page, 'heard of').getByText('Committed').waitFor();
    const asked: (string | undefined)[] = [];
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/events')) asked.push(request.headers()['last-event-id']);
    });
    line.cut();
    await page.getByText('What you see may be old.').waitFor();
    line.mend();
    await page.getByText('live', { exact: true }).waitFor();
    expect(asked.at(-1)).toMatch(/^\d+$/);
  });

  test('lets its connection go while nobody looks, and misses nothing', async () => {
    const there = own.another();
    const { page } = await openPage(browser);
    await page.clock.install();
    await enter(page, url, operatorToken(own));
    await there.guard('true', ['--intent', 'seen by somebody']);
    await rowOf(page, 'seen by somebody').getByText('Committed').waitFor();
    // As when another tab is chosen, which cannot be done without a window.
    const look = (state: 'hidden' | 'visible'): Promise<unknown> =>
      page.evaluate(`Object.defineProperty(document, 'visibilityState', { value: '${state}', configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    const isEvents = (request: { url: () => string }): boolean => request.url().endsWith('/v1/events');
    const letGo = page.waitForEvent('requestfailed', isEvents);
    await look('hidden');
    await page.clock.fastForward(31_000);
    await letGo;
    await there.guard('true', ['--intent', 'seen by nobody']);
    const resumed = page.waitForRequest(isEvents);
    await look('visible');
    expect((await resumed).headers()['last-event-id']).toMatch(/^\d+$/);
    await rowOf(page, 'seen by nobody').getByText('Committed').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
  });

  test('logs out with the controller it was logged in to', async () => {
    const other = place();
    const first = await other.controller();
    const at = urlOf(first);
    const { page } = await openPage(browser);
    await enter(page, at, operatorToken(other));
    first.child.kill('SIGKILL');
    await page.getByText('What you see may be old.').waitFor();
    await other.controller(['controller', '--port', new URL(at).port, '--json']);
    await page.getByText('You were logged out, or the token was revoked.').waitFor();
    await logIn(page, operatorToken(other));
    expect(await page.getByLabel('Token').count()).toBe(0);
  });

  test.each(['light', 'dark'] as const)('keeps to WCAG on every page, %s', async (colorScheme) => {
    const there = own.another();
    await there.guard('echo two > config; exit 1', ['--intent', `to be looked at, ${colorScheme}`]);
    const { page, complaints } = await openPage(browser, { colorScheme });
    await page.goto(url);
    await page.getByLabel('Token').waitFor();
    await expectAccessible(page);
    await enter(page, url, operatorToken(own));
    await rowOf(page, `to be looked at, ${colorScheme}`).waitFor();
    for (const name of ['Timeline', 'Mesh', 'Locks', 'Space', 'Ledger']) {
      await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
      await page.getByRole('heading', { level: 1 }).waitFor();
      await until(async () => (await page.locator('.loading').count()) === 0, `${name} is there`);
      await expectAccessible(page);
    }
    await page.getByRole('link', { name: 'Timeline' }).first().click();
    await page.getByRole('link', { name: `to be looked at, ${colorScheme}` }).click();
    await page.getByRole('region', { name: 'What it changed' }).getByText('config').waitFor();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Pin …' }).click();
    await page.getByRole('dialog').waitFor();
    await expectAccessible(page);
    expect(complaints).toEqual([]);
  });

  test('fits a small phone, and can be gone through by keyboard', async () => {
    const there = own.another();
    const intent = `a very long intent ${'withoutanyspace'.repeat(12)}`;
    await there.guard('echo two > config', ['--intent', intent]);
    const { page } = await loggedIn({ viewport: { width: 320, height: 640 } });
    await page.getByRole('link', { name: intent }).waitFor();
    for (const hash of ['#/', '#/mesh', '#/locks', '#/space', '#/ledger']) {
      await page.goto(`${url}/${hash}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await until(async () => (await page.locator('.loading').count()) === 0, `${hash} is there`);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    }
    await page.goto(`${url}/#/`);
    await page.getByRole('link', { name: intent }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('region', { name: 'What it changed' }).getByText('config').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    // Whoever does not see that the page changed is in it.
    expect(await page.evaluate('document.activeElement.id')).toBe('main');
    await page.getByRole('button', { name: 'Roll back …' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    // Back to where one was.
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Roll back …');
  });
});

function rowOf(page: Page, intent: string): Locator {
  return page.locator('.row').filter({ has: page.getByRole('link', { name: intent, exact: true }) });
}
