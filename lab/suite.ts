import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { cleanSlate, Lab, settle } from './guest.ts';
import { longWork, say } from './host.ts';
import type { Machine } from './machine.ts';
import type { Due, Queue } from './queue.ts';
import { failureLines, type Result } from './report.ts';
import { Lost } from './ssh.ts';
import { commandLine } from './words.ts';

/** So many boots in a row may fail before the rest is given up. */
const BOOTS_FAILED_MAX = 2;

/** A scenario that was told to stop gets so long to notice before the machine is taken from under it. */
const LAST_WORDS_MS = 5_000;

interface Ground {
  readonly machine: Machine;
  /** Folder for transcripts and journals. */
  readonly logs: string;
  /** Breaks the suite off. */
  readonly stop: AbortSignal;
}

/**
 * Runs scenarios one after the other on one machine, each from a clean slate, until none is due. After one that failed the machine and its
 * disks are replaced: whatever state it is in is nobody else's. A machine that does not boot takes no more; others may.
 *
 * @throws only when it is broken off
 */
export async function runSuite(queue: Queue, ground: Ground): Promise<Result[]> {
  const { machine, logs, stop } = ground;
  const results: Result[] = [];
  let bootsFailed = 0;
  while (bootsFailed < BOOTS_FAILED_MAX) {
    const due = queue.take();
    if (due === undefined) break;
    stop.throwIfAborted();
    const result = await bootAndRun(due, ground);
    stop.throwIfAborted();
    bootsFailed = result.booted ? 0 : bootsFailed + 1;
    if (result.failure.length > 0) {
      await machine.discard();
      if (queue.again(due, result.failure)) continue;
    }
    const { booted: _, ...whole } = result;
    results.push(due.atFirst === undefined ? whole : { ...whole, atFirst: due.atFirst });
  }
  await saveJournal(ground, 'last');
  writeFileSync(join(logs, 'results.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  return results;
}

/**
 * What nobody took. When no machine was left for it, it has failed; when no time was, it is left out and named.
 */
export function notRun(queue: Queue, timeIsUp: boolean): Result[] {
  return queue.rest().map(({ name, atFirst }) => {
    if (!timeIsUp) return unrun(name, 'not run: the machine does not boot');
    // It failed, and the time for another try is not there.
    if (atFirst !== undefined)
      return { ...unrun(name, 'it failed, and no time is left to run it again'), failure: atFirst };
    say(`${name}: left out, no time is left for it`);
    return { name, seconds: 0, inner: { passed: 0, failed: 0, skipped: 0 }, failure: [], leftOut: true };
  });
}

async function bootAndRun(due: Due, ground: Ground): Promise<Result & { readonly booted: boolean }> {
  if (!ground.machine.running) {
    try {
      await longWork('booting', () => ground.machine.boot());
    } catch (error) {
      ground.stop.throwIfAborted();
      return { ...unrun(due.name, `not run: ${String(error)}`), booted: false };
    }
  }
  return { ...(await runOne(due, ground)), booted: true };
}

async function runOne({ name, scenario }: Due, ground: Ground): Promise<Result> {
  const { machine, logs, stop } = ground;
  const begun = performance.now();
  const transcript = join(logs, `${name}.log`);
  writeFileSync(transcript, `${name}: ${scenario.about}\n`);
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Error(`it took longer than its ${scenario.minutesMax} minutes`)),
    scenario.minutesMax * 60_000,
  );
  const either = AbortSignal.any([stop, limit.signal]);
  const lab = new Lab(name, machine, {
    transcript,
    stop: either,
    say: (text) => say(`${name}: ${text} (${((performance.now() - begun) / 1000).toFixed(0)} s)`),
  });
  const seconds = (): number => Number(((performance.now() - begun) / 1000).toFixed(1));
  say(`${name}: ${scenario.about}`);
  try {
    await untilStopped(
      (async () => {
        await settle(lab);
        await cleanSlate(lab);
        await scenario.run(lab);
        lab.step('cleaning up');
        await lab.cleanUp();
      })(),
      either,
    );
    say(`${name}: passed in ${seconds()} s`);
    return { name, seconds: seconds(), inner: lab.inner, failure: [] };
  } catch (error) {
    stop.throwIfAborted();
    const took = seconds();
    const journal = await saveJournal(ground, name);
    const { doing, lastCommand } = lab;
    const failure = failureLines({ doing, error, lastCommand, logs: [transcript, machine.console, ...journal] });
    if (error instanceof Lost || !machine.running) failure.push(`  ${machine.lastWords()}`);
    say(`${name}: FAILED after ${took} s\n${failure.join('\n')}`);
    return { name, seconds: took, inner: lab.inner, failure };
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for some work; when it is to stop, only as long as it takes to notice. */
async function untilStopped(work: Promise<void>, stop: AbortSignal): Promise<void> {
  const stopped = new Promise<never>((_, reject) => {
    stop.addEventListener('abort', () => {
      const end = (): void => reject(stop.reason as Error);
      work.then(end, end);
      setTimeout(end, LAST_WORDS_MS).unref();
    });
  });
  await Promise.race([work, stopped]);
}

function unrun(name: string, why: string): Result {
  say(`${name}: FAILED, ${why}`);
  return { name, seconds: 0, inner: { passed: 0, failed: 0, skipped: 0 }, failure: [why] };
}

/**
 * Brings back the journal of all boots on the present disks, if the guest still gives it.
 *
 * @returns the file, or nothing
 */
async function saveJournal({ machine, logs, stop }: Ground, name: string): Promise<string[]> {
  if (!machine.running) return [];
  const file = join(logs, `journal-${name}.log`);
  const patience = AbortSignal.any([stop, AbortSignal.timeout(60_000)]);
  try {
    const line = commandLine(['journalctl', '--no-pager', '-o', 'short-precise'], {});
    const { bytes } = await machine.ssh.start(line, { stop: patience }).done;
    writeFileSync(file, bytes.stdout);
    return [file];
  } catch (error) {
    say(`the journal could not be had: ${String(error)}`);
    return [];
  }
}
