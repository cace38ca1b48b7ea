import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';

/*
 * `node scripts/screenshots.mjs`: plays a story on a real controller with two nodes and the directory driver, and takes pictures of
 * the page for docs/images/. Needs Debian's chromium and an up-to-date dist/ (`npm run setup`). Whoever runs it looks at what it made.
 */
const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const IMAGES = join(ROOT, 'docs/images');
const HAUKI = join(ROOT, 'hauki');
const BYTES_MAX = 150 * 1024;

// A name that reads well in the pictures. It must not be there yet: it is removed in the end.
const folder = join(tmpdir(), 'mesh');
mkdirSync(folder);

const env = { ...process.env, HAUKI_HOME: join(folder, 'home'), HAUKI_CONTROLLER: undefined, TZ: 'UTC' };
/** @type {import('node:child_process').ChildProcess[]} */
const started = [];

try {
  const url = await playedMesh();
  await takePictures(url, readFileSync(join(env.HAUKI_HOME, 'token'), 'utf8').trim());
} finally {
  // One after the other, the controller last: a guard undoes its change with its help, and would wait for it to come back.
  for (const child of started.toReversed()) {
    child.kill('SIGTERM');
    await ended(child);
  }
  rmSync(folder, { recursive: true, force: true });
}

/** @returns {Promise<string>} where the page is */
async function playedMesh() {
  const listen = `127.0.0.1:${await freePort()}`;
  await hauki(['mesh', 'init', '--address', listen]);
  const controller = start(['controller', '--port', '0', '--node', 'storage1', '--json', '--listen', listen]);
  const { url } = JSON.parse(await said(controller, /"url"/));
  for (const name of ['hauki-crm', 'db1']) await startNode(name);

  const site = dataset('site', { 'index.html': 'hello\n', 'config.yaml': 'workers: 4\n' });
  const crm = dataset('crm', { 'schema.sql': 'create table people ();\n', 'login.html': '<form>\n' });
  const mail = dataset('mail', { aliases: 'root: ops\n' });
  await guard('web1', 'say goodbye', site, 'echo goodbye > index.html; sleep 0.8');
  await Promise.all([
    guard('hauki-crm', 'third_strike.task', crm, 'sleep 1.6; echo "alter table people add mail text;" >> schema.sql'),
    guard('web1', 'a bad idea', site, 'sleep 0.9; rm index.html; exit 1'),
    guard('db1', 'tidy the attachments', mail, 'sleep 2.2; mkdir archive; mv aliases archive/'),
  ]);
  await Promise.all([
    guard(
      'hauki-crm',
      'let the agent mend the login form',
      crm,
      'sleep 1.2; echo "</form" > login.html; rm schema.sql; exit 3',
    ),
    guard('web1', 'nginx: a new upstream', site, 'sleep 3; sed -i s/4/8/ config.yaml; echo upstream > proxy.conf'),
    pause(1_200).then(() => guard('db1', 'the same, in a hurry', site, 'true', ['--wait', '300ms'])),
  ]);
  await guard('storage1', 'before the great migration', site, 'true', ['--critical', '--path', crm]);
  await Promise.all([
    guard('db1', 'rotate the keys', mail, 'sleep 1.5; echo new > keys'),
    guard('hauki-crm', 'deploy 4.2.0', crm, 'sleep 2.4; echo 4.2.0 > VERSION'),
    guard('web1', 'compress the images', site, 'sleep 1; exit 1'),
  ]);
  // These go on while the pictures are taken.
  start(guardArgs('web1', 'bump the schema', site, 'sleep 600'));
  start(guardArgs('hauki-crm', 'index the addresses', crm, 'sleep 600'));
  await pause(700);
  start(guardArgs('db1', 'move the site to the new disk', site, 'true', ['--wait', '10m']));
  await pause(1_500);
  return url;
}

/** @param {string} name */
async function startNode(name) {
  const { token } = JSON.parse(await hauki(['node', 'invite', name, '--json']));
  const home = { HAUKI_NODE_HOME: join(folder, `node-${name}`) };
  await hauki(['node', 'join', token], home);
  start(['node', 'run'], home);
  for (let tries = 0; tries < 60; tries += 1) {
    const { nodes } = JSON.parse(await hauki(['node', 'list', '--json']));
    if (nodes.some((/** @type {any} */ node) => node.node === name && node.presence?.liveness === 'live')) return;
    await pause(250);
  }
  throw new Error(`${name} is not heard`);
}

/**
 * @param {string} url
 * @param {string} token
 */
async function takePictures(url, token) {
  mkdirSync(IMAGES, { recursive: true });
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  try {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const page = await loggedIn(browser, url, token, { viewport: { width: 1280, height: 800 }, colorScheme });
      for (const name of ['timeline', 'mesh', 'locks', 'space', 'ledger']) {
        await page.goto(`${url}/#/${name === 'timeline' ? '' : name}`);
        await picture(page, `${name}-${colorScheme}`);
      }
      await page.goto(`${url}/#/`);
      await page.getByRole('link', { name: 'let the agent mend the login form' }).first().click();
      await picture(page, `mutation-${colorScheme}`);
      await page.context().close();
    }
    const phone = await loggedIn(browser, url, token, { viewport: { width: 390, height: 844 }, colorScheme: 'light' });
    await picture(phone, 'phone-light');
    await phone.context().close();
  } finally {
    await browser.close();
  }
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} url
 * @param {string} token
 * @param {import('playwright-core').BrowserContextOptions} options
 */
async function loggedIn(browser, url, token, options) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(url);
  await page.getByLabel('Token').fill(token);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Timeline', level: 1 }).waitFor();
  return page;
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
async function picture(page, name) {
  // What is asked for has come, and what moves has come to rest.
  await pause(1_200);
  const path = join(IMAGES, `${name}.png`);
  await page.screenshot({ path, animations: 'disabled' });
  const { size } = statSync(path);
  if (size > BYTES_MAX) throw new Error(`${name}.png has ${size} bytes, and may have ${BYTES_MAX}`);
  console.log(`${name}.png ${Math.round(size / 1024)} KB`);
}

/**
 * @param {string} name
 * @param {Record<string, string>} files
 */
function dataset(name, files) {
  const path = join(folder, 'srv', name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

/**
 * @param {string} node
 * @param {string} intent
 * @param {string} path
 * @param {string} script
 * @param {string[]} more
 */
function guardArgs(node, intent, path, script, more = []) {
  return [
    'guard',
    '--node',
    node,
    '--intent',
    intent,
    '--path',
    path,
    ...more,
    '--',
    'sh',
    '-c',
    `cd ${path} && ${script}`,
  ];
}

/**
 * Runs it to its end, however that is: some are to fail.
 *
 * @param {Parameters<typeof guardArgs>} args
 */
async function guard(...args) {
  await ended(start(guardArgs(...args)));
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} more
 */
function start(args, more = {}) {
  const child = spawn(HAUKI, args, { env: { ...env, ...more }, stdio: ['ignore', 'pipe', 'ignore'] });
  started.push(child);
  return child;
}

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} more
 */
async function hauki(args, more = {}) {
  return (await promisify(execFile)(HAUKI, args, { env: { ...env, ...more } })).stdout;
}

/**
 * @param {import('node:child_process').ChildProcess} child
 * @param {RegExp} words
 * @returns {Promise<string>} the first line that has them
 */
function said(child, words) {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      const line = text.split('\n').find((one) => words.test(one));
      if (line !== undefined) resolve(line);
    });
    child.on('close', () => reject(new Error(`it ended before it was ready: ${text}`)));
  });
}

/** @param {import('node:child_process').ChildProcess} child */
function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.on('close', () => resolve(undefined)));
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}
