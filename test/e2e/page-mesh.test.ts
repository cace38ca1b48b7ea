import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Browser } from 'playwright-core';

import type { NodeList } from '../../src/wire/mesh.ts';
import { needs } from '../needs.ts';
import { tasksAt } from './tasks.ts';
import { until } from '../until.ts';
import { expectAccessible, launch, enter, openPage, operatorToken, urlOf } from './browser.ts';
import { openMesh } from './mesh-place.ts';
import { freePorts } from './ngircd.ts';
import { place } from './place.ts';

/* The mesh on the page: a real node, and a barrier that waits for it. */

needs('chromium').describe('the page of a mesh', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  test('shows nodes as they are heard, and who a barrier waits for', { timeout: 90_000 }, async () => {
    const own = place();
    const mesh = await openMesh(own, (await freePorts())[0]);
    const node = await mesh.joined('crm');
    const yaml = join(node.home, 'node.yaml');
    const go = join(own.folder, 'go');
    const flush = ['sh', '-c', 'until [ -e "$0" ]; do sleep 0.05; done', go];
    const settings = JSON.parse(readFileSync(yaml, 'utf8')) as object;
    writeFileSync(yaml, JSON.stringify({ ...settings, halt: { flush: [{ run: flush }] } }));
    const running = node.start(['node', 'run'], { msMax: 300_000 });
    onTestFinished(() => {
      writeFileSync(go, '');
      running.child.kill('SIGKILL');
    });

    const { page, complaints } = await openPage(browser);
    const url = urlOf(mesh.controller);
    await enter(page, url, operatorToken(own));
    await page.getByRole('link', { name: 'Mesh' }).click();
    const card = page.getByRole('listitem').filter({ has: page.getByRole('heading', { name: 'crm' }) });
    await card.getByText('running').waitFor();
    await card.getByText(/just now|s ago/).waitFor();

    const ends = own.run(['barrier', '--intent', 'before the upgrade', '--path', own.site, '--json']);
    const barrier = page.getByRole('region', { name: /^Barrier/ });
    await barrier.getByText('before the upgrade').waitFor();
    await barrier.getByText('crm is awaited').waitFor();
    await card.getByText('flushing').waitFor();
    await card.getByRole('button', { name: 'Thaw …' }).waitFor();
    await expectAccessible(page);
    await page.getByRole('link', { name: 'Timeline' }).first().click();
    await barrier.getByText('crm is awaited').waitFor();
    writeFileSync(go, '');
    expect((await ends).code).toBe(0);
    await barrier.waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'before the upgrade' }).click();
    await page.getByRole('list', { name: 'How it went' }).getByText('Master snapshot').waitFor();
    expect(complaints).toEqual([]);
  });

  test('drops a task that was signed elsewhere, and says why another is not taken', { timeout: 90_000 }, async () => {
    const signers = join(mkdtempSync(join(tmpdir(), 'hauki-signers-')), 'signers');
    onTestFinished(() => rmSync(dirname(signers), { recursive: true }));
    const { own, controller, ended, count, counting } = await tasksAt({ signers }, true);
    const alice = join(own.folder, 'alice');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', alice]);
    writeFileSync(signers, `alice@example.org ${readFileSync(`${alice}.pub`, 'utf8')}`);
    const task = join(own.folder, 'third_strike.task');
    writeFileSync(task, counting('strike', 'echo struck'));
    execFileSync('ssh-keygen', ['-Y', 'sign', '-f', alice, '-n', 'hauki-task', task], { stdio: 'ignore' });
    const other = join(own.folder, 'other.task');
    writeFileSync(other, counting('other', 'true'));

    const { page, complaints } = await openPage(browser);
    await enter(page, urlOf(controller), operatorToken(own));
    await page.getByRole('link', { name: 'Mesh' }).click();
    await page.getByRole('button', { name: 'Drop a task …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Drop a task at crm?' });
    const drop = dialog.getByRole('button', { name: 'Drop' });
    expect(await drop.isDisabled()).toBe(true);
    await dialog.getByLabel('Task').setInputFiles(other);
    expect(await drop.isDisabled()).toBe(true);
    await dialog.getByLabel('Its signature').setInputFiles(`${task}.sig`);
    await dialog.getByLabel('The plan').getByText('crm checks the signature of other.task').waitFor();
    await expectAccessible(page);
    await drop.click();
    await dialog.getByText(/Node crm does not take it: The signature .* does not hold for these bytes/).waitFor();
    await dialog.getByLabel('Task').setInputFiles(task);
    await dialog.getByLabel('What is to run').getByText('echo struck').waitFor();
    // The browser has told of the answer above by itself.
    complaints.splice(0);
    await drop.click();
    await page.getByText('third_strike.task was dropped at crm: signed by alice@example.org').waitFor();
    expect(await ended('third_strike.task', 'done')).toMatchObject({ signer: 'alice@example.org' });
    await page.getByRole('button', { name: 'Tasks', exact: true }).click();
    await page.getByRole('list', { name: 'Tasks of crm' }).getByText('third_strike.task', { exact: true }).waitFor();
    expect([count('strike'), count('other')]).toEqual([1, 0]);
    expect(complaints).toEqual([]);
  });

  test('thaws a node that is halted, after it has said what that breaks', { timeout: 90_000 }, async () => {
    const own = place();
    const mesh = await openMesh(own, (await freePorts())[0]);
    const node = await mesh.joined('crm');
    const running = node.start(['node', 'run'], { msMax: 300_000 });
    onTestFinished(() => void running.child.kill('SIGKILL'));
    await until(async () => {
      const { nodes } = await own.json<NodeList>(['node', 'list']);
      return nodes.some(({ presence }) => presence?.liveness === 'live');
    }, 'crm is live');
    const there = join(own.folder, 'there');
    const guard = own.startGuard(`: > '${there}'; sleep 60`, ['--intent', 'held for long', '--critical', '--hold']);
    await until(() => existsSync(there), 'it is cleared');

    const { page } = await openPage(browser);
    await enter(page, urlOf(mesh.controller), operatorToken(own));
    await page.getByRole('link', { name: 'Mesh' }).click();
    await page.getByText('halted', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Thaw …' }).click();
    const dialog = page.getByRole('dialog', { name: 'Thaw crm?' });
    await dialog.getByText('a barrier that counts on it is broken').waitFor();
    await dialog.getByRole('button', { name: 'Thaw' }).click();
    await page.getByText('crm is thawed.').waitFor();
    await page.getByText('running', { exact: true }).waitFor();
    expect((await guard.done).code).not.toBe(0);
  });
});
