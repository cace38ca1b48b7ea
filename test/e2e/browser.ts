import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';

import axe from 'axe-core';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, onTestFinished } from 'vitest';

import type { Place, Running } from './place.ts';

/* A real browser, and a line between it and a controller that can be cut. */

/** How long the page may take for anything, ms. */
const PATIENCE_MS = 15_000;

export function launch(): Promise<Browser> {
  // Debian's, which runs as root only without its sandbox.
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface Seen {
  readonly page: Page;
  /** What the page complained about on its console; a test that expects none looks at its end. */
  readonly complaints: string[];
}

/** A new page in a browser of its own, as far as cookies go; gone after the test. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Seen> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => void complaints.push(error.message));
  return { page, complaints };
}

/** Logs in as somebody would, where the page asks for it. */
export async function logIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('Token').fill(token);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Timeline', level: 1 }).waitFor();
}

/** Logs in without the form: for tests that are about something else. */
export async function enter(page: Page, url: string, token: string): Promise<void> {
  const headers = { 'x-hauki-page': '1' };
  const answer = await page.context().request.post(`${url}/v1/session`, { data: { token }, headers });
  expect(answer.status()).toBe(204);
  await page.goto(url);
  await page.getByText('live', { exact: true }).waitFor();
}

export function operatorToken({ home }: Place): string {
  return readFileSync(join(home, 'token'), 'utf8').trim();
}

/** Where a controller is, by what it said when it was ready. */
export function urlOf({ stdout }: Running): string {
  return (JSON.parse(stdout()) as { url: string }).url;
}

const AXE = axe.source;

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

/** Holds a page against what axe-core knows of WCAG 2.2 AA and good practice. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(AXE);
  const found = await page.evaluate(() =>
    (
      globalThis as unknown as { readonly axe: { readonly run: () => Promise<{ readonly violations: Violation[] }> } }
    ).axe.run(),
  );
  const said = found.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map(({ target, failureSummary }) => `  ${target.join(' ')} ${failureSummary ?? ''}`).join('\n')}`,
  );
  expect(said).toEqual([]);
}

export interface Line {
  readonly url: string;
  /** Nothing gets through any more, and what was open breaks. */
  readonly cut: () => void;
  readonly mend: () => void;
}

/** A line to a controller, for a browser. */
export async function lineTo(url: string): Promise<Line> {
  const port = Number(new URL(url).port);
  const sockets = new Set<Socket>();
  let whole = true;
  const server: Server = createServer((near) => {
    if (!whole) {
      near.destroy();
      return;
    }
    const far = connect(port, '127.0.0.1');
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cut, mend: () => void (whole = true) };
}
