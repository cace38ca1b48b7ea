import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { formatDuration } from '../../base/duration.ts';
import { eventsFrom } from '../../client/events.ts';
import { paintFor, plain } from '../colour.ts';
import { Narrator } from '../demo/narrator.ts';
import { NODE, Stage } from '../demo/stage.ts';
import { printJson, say } from '../output.ts';
import { ENDING } from './clearance.ts';
import { describe } from './watch.ts';

export interface DemoOptions {
  readonly keep?: boolean;
  readonly json?: boolean;
}

const EXIT_BROKEN = 1;
/** A node looks by itself every second; so long nothing happens while its controller is away. */
const AWAY_MS = 2_500;

/** `hauki demo`: the story for which hauki is there, played by real processes. @returns 0 when every promise was kept */
export async function demo(options: DemoOptions): Promise<number> {
  const json = options.json ?? false;
  const stopped = new AbortController();
  for (const signal of Object.keys(ENDING) as NodeJS.Signals[]) process.once(signal, () => stopped.abort(signal));
  const paint = json ? plain : paintFor(1);
  const begun = performance.now();
  const stage = new Stage(stopped.signal, paint !== plain);
  const narrator = new Narrator(paint, json, (ms) => stage.pause(ms));
  let problem: string | undefined;
  try {
    await play(stage, narrator);
  } catch (error) {
    if (!stopped.signal.aborted) problem = error instanceof Error ? error.message : String(error);
  }
  // A story that broke off is kept, so that somebody can see why.
  const keep = options.keep === true || problem !== undefined;
  const { checks } = narrator;
  const ms = Math.round(performance.now() - begun);
  await stage.close(keep);
  const signal = stopped.signal.aborted ? (stopped.signal.reason as NodeJS.Signals) : undefined;
  const exitCode = signal === undefined ? (problem === undefined ? 0 : EXIT_BROKEN) : (ENDING[signal] ?? EXIT_BROKEN);
  const status = signal === undefined ? (problem === undefined ? 'held' : 'broken') : 'cancelled';
  if (json) {
    printJson({
      status,
      checks,
      ms,
      ...(keep ? { folder: stage.folder } : {}),
      ...(problem === undefined ? {} : { problem }),
      exitCode,
    });
    return exitCode;
  }
  if (signal !== undefined) say('interrupted; everything of the demo has ended');
  else if (problem === undefined) await ended(stage, narrator, keep, ms);
  else say(`${problem}\nhauki: what is left of it is in ${stage.folder}`);
  return exitCode;
}

async function ended({ folder, home }: Stage, narrator: Narrator, keep: boolean, ms: number): Promise<void> {
  const { length } = narrator.checks;
  await narrator.act(
    'The end',
    `${length} of ${length} promises kept in ${formatDuration(ms)}. ${keep ? `It is all in ${folder}; a controller starts by itself when it is asked:` : 'Everything has ended and is cleared away; "hauki demo --keep" leaves it to be looked at.'}`,
  );
  if (keep) {
    for (const words of ['log', 'snapshots', 'evidence']) narrator.command(`HAUKI_HOME=${home} hauki ${words}`);
    narrator.command(`rm -r ${folder}`);
  }
  narrator.command('hauki guard --intent "try it yourself" --path DIR -- COMMAND');
}

async function play(stage: Stage, narrator: Narrator): Promise<void> {
  await narrator.act(
    'The stage',
    `A storage controller and a node, ${NODE}, as they would run on two machines; the state they guard is a folder. Nothing outside ${stage.folder} is touched.`,
  );
  const controller = await stage.startController();
  const node = await stage.startNode();
  narrator.output(`controller   process ${controller}`);
  narrator.output(`${NODE}    process ${node}, looks for tasks in its spool`);
  narrator.output(`state        ${stage.state}: ${version(stage)}`);
  const ear = new Ear(stage, narrator);
  try {
    await strike(stage, narrator, ear);
    await fail(stage, narrator, ear);
    await withoutController(stage, narrator, ear);
    await aftermath(stage, narrator);
  } finally {
    ear.close();
  }
}

async function strike(stage: Stage, narrator: Narrator, ear: Ear): Promise<void> {
  await narrator.act(
    'I. A change that works',
    'A task is dropped into the spool. Without any further hand the node sees it, demands a snapshot, waits for the lock, and only then runs it.',
  );
  await drop(stage, narrator, 'third_strike.task', '#!/bin/sh\nset -e\necho schema 42 > app/version\n');
  const { mutation = '', words } = await stage.ended('third_strike.task');
  await ear.toEnd(mutation);
  const detail = await stage.client.show(mutation);
  const lock = /Directory Lock secured.*/.exec(stage.logOf('third_strike.task'))?.[0] ?? '';
  narrator.output(`${NODE}: ${lock}`);
  narrator.output(`${NODE}: ${words}`);
  narrator.check(
    'the snapshot was there before the change, and carries its intent',
    /@PRE_hauki-crm_execute_third_strike\.task_/.test(detail.snapshots[0]?.name ?? ''),
  );
  narrator.check(
    'the change is committed: the state says "schema 42"',
    detail.stage === 'committed' && version(stage) === 'schema 42',
  );
}

async function fail(stage: Stage, narrator: Narrator, ear: Ear): Promise<void> {
  await narrator.act(
    'II. A change that fails half-way',
    'The next one deletes the customers, writes half a version, and fails.',
  );
  const before = stage.fingerprint();
  await drop(stage, narrator, 'half.task', '#!/bin/sh\nset -e\nrm app/customers\necho schema 4 > app/version\nfalse\n');
  const { mutation = '', evidence = [] } = await stage.ended('half.task');
  await ear.toEnd(mutation);
  const { stage: outcome } = await stage.client.show(mutation);
  narrator.check(
    'the state is byte for byte what it was: content, modes, times in nanoseconds',
    outcome === 'rolled_back' && stage.fingerprint() === before,
  );
  const failed = readFileSync(join(evidence[0] ?? '', 'app', 'version'), 'utf8').trim();
  narrator.check(`the failed state is kept to be looked at: there the version is "${failed}"`, failed === 'schema 4');
  narrator.command(`hauki diff ${mutation}`);
  narrator.output(await stage.hauki(['diff', mutation]));
}

async function withoutController(stage: Stage, narrator: Narrator, ear: Ear): Promise<void> {
  await narrator.act('III. A change that nobody can allow', 'The controller is stopped. Then a task is dropped.');
  await stage.stopController();
  const before = stage.fingerprint();
  await drop(stage, narrator, 'later.task', '#!/bin/sh\necho ran >> app/later\n');
  await stage.until(() => stage.nodeLog().includes('wait'), 'the node says that tasks wait');
  await stage.pause(AWAY_MS);
  narrator.check(
    'nothing was executed, and the task waits in the inbox',
    stage.fingerprint() === before && stage.waiting().includes('later.task'),
  );
  await narrator.words('The controller comes back.');
  await stage.startController();
  const { mutation = '' } = await stage.ended('later.task');
  await ear.toEnd(mutation);
  narrator.check(
    'the task was executed now, and once',
    readFileSync(join(stage.state, 'app', 'later'), 'utf8') === 'ran\n',
  );
}

async function aftermath(stage: Stage, narrator: Narrator): Promise<void> {
  await narrator.act(
    'What is left of it',
    'Who changed what, why, and what came of it; in a ledger that nobody can rewrite unseen.',
  );
  narrator.command('hauki log');
  narrator.output(await stage.hauki(['log']));
  narrator.command('hauki audit verify');
  const proof = await stage.hauki(['audit', 'verify']);
  narrator.output(proof);
  narrator.check('the ledger is whole', /the chain and its signed head hold/.test(proof));
}

async function drop(stage: Stage, narrator: Narrator, name: string, script: string): Promise<void> {
  const file = stage.payload(name, script);
  narrator.command(`cat ${name}`);
  narrator.output(script.trimEnd());
  narrator.command(`hauki task drop ${NODE} ${name}`);
  // A controller that is named is not started: it stays away when it is.
  await stage.hauki(['task', 'drop', NODE, file, '--spool', stage.spool, '--controller', stage.client.address.name]);
}

/** What the mesh's IRC channel would carry: every event, live, across restarts of the controller. */
class Ear {
  readonly #over = new AbortController();
  readonly #ended = new Set<string>();
  readonly #stage: Stage;

  constructor(stage: Stage, narrator: Narrator) {
    this.#stage = stage;
    void this.#listen(narrator).catch(() => undefined);
  }

  /** Until the end of this mutation was heard: the story is told in its order. */
  async toEnd(mutation: string): Promise<void> {
    await this.#stage.until(() => this.#ended.has(mutation), 'the end of it is heard');
  }

  close(): void {
    this.#over.abort();
  }

  async #listen(narrator: Narrator): Promise<void> {
    const { client } = this.#stage;
    for await (const { time, data } of eventsFrom(client, { after: 0 }, { signal: this.#over.signal })) {
      narrator.heard(`${time.slice(11, 23)}  ${describe(data)}`);
      if (data.type === 'committed' || data.type === 'rolled_back') this.#ended.add(data.mutation);
    }
  }
}

function version({ state }: Stage): string {
  return readFileSync(join(state, 'app', 'version'), 'utf8').trim();
}
