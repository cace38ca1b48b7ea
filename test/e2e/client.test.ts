import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { writeClientTypes } from '../../scripts/client-types.mjs';
import type { Outcome as Became } from '../../src/node/guarded.ts';
import { until } from '../until.ts';
import { fingerprint } from './fingerprint.ts';
import { isAlive, openPlace, type Place, place as ownPlace } from './place.ts';

/* `import { connect } from 'hauki/client'`, from the packed tarball, in a project that has nothing else, against a real controller. */

const ROOT = join(import.meta.dirname, '../..');

let folder: string;
let project: string;
let shared: Place;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hauki-client-'));
  project = join(folder, 'project');
  pack();
  shared = openPlace();
  await shared.controller();
});
afterAll(async () => {
  await shared.close();
  rmSync(folder, { recursive: true });
});

/** What `npm publish` would send, unpacked where npm would put it, without its dependencies: the client needs none. */
function pack(): void {
  const copy = join(folder, 'copy');
  mkdirSync(copy);
  for (const name of ['package.json', 'README.md', 'LICENSE', 'hauki', 'dist']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true, filter: (path) => !path.endsWith('dist/types') });
  }
  writeClientTypes(ROOT, join(copy, 'dist/types'));
  execFileSync('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], { cwd: copy });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  const installed = join(project, 'node_modules/hauki');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']);
  writeFileSync(join(project, 'package.json'), '{"type":"module","private":true}\n');
}

const PRELUDE = `
import { connect, outcomeOf, RefusedError } from 'hauki/client';
import { writeFileSync, rmSync } from 'node:fs';
const client = connect({ socketPath: process.env.HAUKI_HOME + '/controller.sock' });
const site = process.env.SITE;
const say = (value) => console.log(JSON.stringify(value));
`;

/** A program in the project, and what it said, line by line. */
function start(place: Place, body: string) {
  const running = place.start(['--input-type=module', '-e', PRELUDE + body], {
    program: process.execPath,
    cwd: project,
    env: { SITE: place.site },
  });
  const said = (): unknown[] =>
    running
      .stdout()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as unknown);
  return { ...running, said };
}

async function run(place: Place, body: string): Promise<unknown[]> {
  const running = start(place, body);
  const { code, stderr } = await running.done;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return running.said();
}

describe('guard', () => {
  test('commits when the work resolves, and gives back what it gave', async () => {
    const own = shared.another();
    const [seen, result] = await run(
      own,
      `say(await client.guard({ intent: 'by program', datasets: [site], node: 'prog' }, async (m) => {
        writeFileSync(site + '/config', 'two');
        say({ ...m, aborted: m.signal.aborted });
        return { answer: 42 };
      }));`,
    );
    const { mutation } = seen as { mutation: string };
    expect(seen).toMatchObject({
      node: 'prog',
      aborted: false,
      env: { HAUKI_MUTATION: mutation, HAUKI_INTENT: 'by program' },
    });
    expect(result).toEqual({ answer: 42 });
    expect(await shared.show(mutation)).toMatchObject({ stage: 'committed', intent: 'by program', node: 'prog' });
    expect(readFileSync(join(own.site, 'config'), 'utf8')).toBe('two');
  });

  test('is part of the trace that it names, or else of that of its environment', async () => {
    const own = shared.another();
    const trace = (span: string): string => `00-4bf92f3577b34da6a3ce929d0e0e4736-${span.repeat(16)}-01`;
    const [env, named] = await run(
      own,
      `process.env.TRACEPARENT = '${trace('1')}';
      const traced = connect({ socketPath: process.env.HAUKI_HOME + '/controller.sock' });
      const ask = { intent: 'traced', datasets: [site], node: 'prog' };
      const tell = async (m) => say([m.env.TRACEPARENT, (await traced.show(m.mutation)).traceparent]);
      await traced.guard(ask, tell);
      await traced.guard({ ...ask, traceparent: '${trace('2')}' }, tell);`,
    );
    expect(env).toEqual([trace('1'), trace('1')]);
    expect(named).toEqual([trace('2'), trace('2')]);
  });

  test('puts the state back when the work throws; the very error comes through, and says what became of it', async () => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const [same, outcome] = await run(
      own,
      `const mine = new TypeError('half-way');
      await client.guard({ intent: 'fails', datasets: [site] }, async () => {
        writeFileSync(site + '/config', 'two');
        rmSync(site + '/deep', { recursive: true });
        throw mine;
      }).catch((error) => { say(error === mine); say(outcomeOf(error)); });`,
    );
    expect(same).toBe(true);
    expect(outcome).toMatchObject({ stage: 'rolled_back' });
    expect(fingerprint(own.site)).toBe(before);
    const [evidence] = (outcome as Became).evidence;
    expect(readFileSync(join(evidence?.path ?? '', 'config'), 'utf8')).toBe('two');
  });

  test.each(["'a text'", 'null', 'Object.freeze(new Error("frozen"))'])('whatever is thrown: %s', async (thrown) => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const said = await run(
      own,
      `const thrown = ${thrown};
      await client.guard({ intent: 'fails', datasets: [site] }, () => { writeFileSync(site + '/x', ''); throw thrown; })
        .then(() => say('resolved'), (error) => say(error === thrown));`,
    );
    expect(said).toEqual([true]);
    expect(fingerprint(own.site)).toBe(before);
  });

  test('a denial says code, message and hint, and the work was not begun', async () => {
    const [denied] = await run(
      shared,
      `await client.guard({ intent: 'x', datasets: ['/nowhere'] }, () => say('begun'))
        .catch((error) => say({ ours: error instanceof RefusedError, ...error.refusal, code: error.code, hint: error.hint,
          outcome: outcomeOf(error) ?? 'none' }));`,
    );
    expect(denied).toMatchObject({ ours: true, code: 'dataset_missing', outcome: 'none' });
    expect((denied as { hint: string; message: string }).hint).not.toBe('');
  });

  test('a controller that is not there is a refusal too', async () => {
    const own = ownPlace();
    const said = await run(
      own,
      `await client.guard({ intent: 'x', datasets: [site] }, () => say('begun')).catch((e) => say(e.code));`,
    );
    expect(said).toEqual(['controller_unreachable']);
  });

  test('aborts the signal when the clearance is taken back, and says so although the work resolved', async () => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const program = start(
      own,
      `await client.guard({ intent: 'taken back', datasets: [site] }, async (m) => {
        writeFileSync(site + '/config', 'two');
        say(m.mutation);
        await new Promise((resolve) => m.signal.addEventListener('abort', resolve));
        say(m.signal.reason.code);
      }).catch((error) => say({ code: error.code, outcome: outcomeOf(error) }));`,
    );
    await until(() => program.said().length === 1, 'it works');
    const [mutation] = program.said() as [string];
    expect(await own.run(['rollback', mutation])).toMatchObject({ code: 0 });
    await program.done;
    expect(program.said().slice(1)).toMatchObject([
      'lease_lost',
      { code: 'lease_lost', outcome: { mutation, stage: 'rolled_back' } },
    ]);
    expect(fingerprint(own.site)).toBe(before);
  });

  test('the caller’s own signal ends the wait, and undoes the work', async () => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const said = await run(
      own,
      `const stop = new AbortController();
      const first = client.guard({ intent: 'works', datasets: [site], signal: stop.signal }, async (m) => {
        writeFileSync(site + '/config', 'two');
        const waits = new AbortController();
        const second = client.guard({ intent: 'waits', datasets: [site], signal: waits.signal }, () => say('begun'));
        setTimeout(() => waits.abort(new Error('enough waiting')), 300);
        await second.catch((error) => say(error.message));
        stop.abort(new Error('enough working'));
        say(m.signal.aborted);
      });
      await first.catch((error) => say([error.message, outcomeOf(error)?.stage]));`,
    );
    expect(said).toEqual(['enough waiting', true, ['enough working', 'rolled_back']]);
    expect(fingerprint(own.site)).toBe(before);
  });

  test('is renewed for as long as the work takes', async () => {
    const own = shared.another();
    const said = await run(
      own,
      `await client.guard({ intent: 'long', datasets: [site], ttl: '1s' }, async (m) => {
        await new Promise((resolve) => setTimeout(resolve, 2500));
        say(m.signal.aborted);
      });`,
    );
    expect(said).toEqual([false]);
  });

  test('a program that slept past its lease hears it as soon as it wakes', async () => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const program = start(
      own,
      `await client.guard({ intent: 'sleeps', datasets: [site], ttl: '1s' }, async (m) => {
        writeFileSync(site + '/config', 'two');
        say(m.mutation);
        await new Promise((resolve) => m.signal.addEventListener('abort', resolve));
      }).catch((error) => say({ ours: error instanceof RefusedError, outcome: outcomeOf(error) }));`,
    );
    await until(() => program.said().length === 1, 'it works');
    const [mutation] = program.said() as [string];
    program.child.kill('SIGSTOP');
    await until(async () => (await shared.show(mutation)).stage === 'rolled_back', 'it is rolled back');
    program.child.kill('SIGCONT');
    await program.done;
    expect(program.said()[1]).toMatchObject({ ours: true, outcome: { mutation, stage: 'rolled_back' } });
    expect(fingerprint(own.site)).toBe(before);
  });

  test('a program that is killed is undone, with the programs it started', async () => {
    const own = shared.another();
    const before = fingerprint(own.site);
    const program = start(
      own,
      `import { spawn } from 'node:child_process';
      await client.guard({ intent: 'killed', datasets: [site] }, async (m) => {
        const child = spawn('sh', ['-c', 'while :; do date > "$SITE/config"; sleep 0.05; done'],
          { env: { ...process.env, ...m.env }, detached: true, stdio: 'ignore' });
        say({ mutation: m.mutation, pid: child.pid });
        await new Promise(() => setInterval(() => {}, 1000));
      });`,
    );
    await until(() => program.said().length === 1, 'it works');
    const [{ mutation, pid }] = program.said() as [{ mutation: string; pid: number }];
    program.child.kill('SIGKILL');
    await until(async () => (await shared.show(mutation)).stage === 'rolled_back', 'it is rolled back');
    expect(isAlive(pid)).toBe(false);
    expect(fingerprint(own.site)).toBe(before);
  });
});

describe('events', () => {
  test('are resumed without gap or double when the controller dies, is back, and dies again', async () => {
    const own = ownPlace();
    let controller = await own.controller();
    const program = start(
      own,
      `for await (const event of client.events({ after: 0 })) { say(Number(event.id)); if (event.data.intent === 'x') break; }`,
    );
    const heard = (): number => program.said().length;
    for (let death = 0; death < 2; death += 1) {
      const before = heard();
      await own.guard('true');
      await until(() => heard() > before + 2, 'events are heard');
      controller.child.kill('SIGKILL');
      await controller.done;
      controller = await own.controller();
    }
    await own.guard('true');
    const { ledger } = await own.json<{ ledger: { records: number } }>(['status']);
    await until(() => heard() >= ledger.records, 'everything is heard');
    program.child.kill('SIGTERM');
    expect(program.said()).toEqual(Array.from({ length: heard() }, (_, index) => index + 1));
  });

  test('reach a reader who is slower than the controller waits', async () => {
    const own = ownPlace();
    mkdirSync(own.home, { mode: 0o700 });
    writeFileSync(join(own.home, 'config.yaml'), 'streams: { behind: 10, stall: 200ms }\n');
    const controller = await own.controller();
    const wanted = 1_200;
    const said = await run(
      own,
      `const ids = [];
      const intent = 'ü🦉'.repeat(170);
      const happen = () => client.request({ intent, datasets: ['/nowhere'] }).catch(() => {});
      for (let batch = 0; batch < ${wanted / 40}; batch += 1) await Promise.all(Array.from({ length: 20 }, happen));
      for await (const event of client.events({ after: 0 })) {
        ids.push(Number(event.id));
        if (ids.length % 300 === 0) await new Promise((resolve) => setTimeout(resolve, 1_000));
        if (ids.length === ${wanted}) break;
      }
      say(ids.every((id, index) => id === index + 1));`,
    );
    expect(said).toEqual([true]);
    expect(controller.stderr()).toContain('too slow');
  });

  test('end with their signal, also while nothing happens', async () => {
    const said = await run(
      shared,
      `setTimeout(() => say('waited'), 200);
      for await (const event of client.events({}, { signal: AbortSignal.timeout(500) })) say(event.id);
      say('ended');`,
    );
    expect(said.slice(-2)).toEqual(['waited', 'ended']);
  });
});

describe('the package', () => {
  test('has a client that loads nothing but Node’s own modules', () => {
    const code = readFileSync(join(project, 'node_modules/hauki/dist/client.mjs'), 'utf8');
    const loaded = [...code.matchAll(/(?:from|import\(|require\()\s*["']([^"']+)["']/g)].map(([, name]) => name ?? '');
    expect(loaded.length).toBeGreaterThan(0);
    expect(loaded.filter((name) => !name.startsWith('node:'))).toEqual([]);
  });

  test('has types that hold by themselves, and say what is wrong', () => {
    writeFileSync(
      join(project, 'typed.ts'),
      `import { connect, outcomeOf, RefusedError, type Guarded, type StatusView } from 'hauki/client';
const client = connect({ url: 'https://10.0.0.1:7717', token: 't', ca: 'pem' });
const answer: number = await client.guard({ intent: 'typed', datasets: ['/srv'], ttl: '5m' }, async (m: Guarded) => {
  const fence: number = m.fence;
  m.signal.throwIfAborted();
  return fence;
});
const status: StatusView = await client.status();
for await (const event of client.events({ type: 'cleared', after: answer })) {
  if (event.data.type === 'cleared') console.log(event.data.snapshots, status.ledger.head);
  if (event.data.type === 'denied') console.log(event.data.reason.code === 'lock_timeout');
}
const stage: 'committed' | 'rolled_back' | 'quarantined' | 'unknown' | undefined = outcomeOf(new Error())?.stage;
console.log(stage, new RefusedError({ code: 'usage', message: '', hint: '' }).code);
// @ts-expect-error: an intent there must be
await client.guard({ datasets: ['/srv'] }, () => {});
// @ts-expect-error: no such mode
await client.guard({ intent: 'x', datasets: [], mode: 'careless' }, () => {});
// @ts-expect-error: no such member
status.nothing;
`,
    );
    mkdirSync(join(project, 'node_modules/@types'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
    symlinkSync(join(ROOT, 'node_modules/undici-types'), join(project, 'node_modules/undici-types'));
    const options = {
      compilerOptions: {
        module: 'nodenext',
        target: 'es2023',
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
      },
      files: ['typed.ts'],
    };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(options));
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project],
      { encoding: 'utf8' },
    );
    expect({ stdout, status }).toEqual({ stdout: '', status: 0 });
  });
});
