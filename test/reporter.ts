import { writeSync } from 'node:fs';

import type { Reporter, SerializedError, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

const WHY_CHARACTERS_MAX = 400;
/** So many tests of a run may need their second try. More is no bad luck: a test or the product has a race. */
const FLAKY_MAX = 5;

declare module 'vitest' {
  interface TaskMeta {
    /** Why this suite or test is skipped. `needs()` puts it there; a suite's reason holds for all its tests. */
    skipReason?: string;
  }
}

/**
 * What failed is named once more at the end, in a line with why: of a log of which only the end is kept, that is what is
 * needed. A skipped test is a test nobody ran, so it has to be heard of as well: each is named with its reason, and the run
 * closes with `N passed, N failed, N skipped` alone on a line, for people and for scripts. Under CI=true a skip is a
 * failure: what CI did not check must not look checked. A test of real processes that passed only when it was tried again
 * (`retry` in vitest.config.ts) is named with why it failed at first, and more than a few of them fail the run.
 */
export default class Closing implements Reporter {
  #lines: readonly string[] = [];
  #filtered = false;

  onInit(vitest: Vitest): void {
    this.#filtered = vitest.config.testNamePattern !== undefined;
    // The other reporters and the coverage table have something to say after onTestRunEnd; this is to be the last line.
    process.once('exit', () => writeSync(1, this.#lines.map((line) => `${line}\n`).join('')));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string) => tests.filter((test) => test.result().state === state);
    // A file that could not be loaded, a hook that threw and an error nobody caught have no failed test to stand for them.
    const around = modules.flatMap((module) => [module, ...module.children.allSuites()]);
    const failed =
      inState('failed').length + around.filter((task) => task.errors().length > 0).length + unhandled.length;
    const skipped = inState('skipped');
    const flaky = inState('passed').filter((test) => test.diagnostic()?.flaky === true);

    const lines = ['', ...inState('failed').map((test) => `failed: ${named(test)}: ${why(test)}`)];
    // With -t everything else is skipped, because somebody asked for it.
    if (!this.#filtered) lines.push(...skipped.map((test) => `skipped: ${named(test)}: ${reason(test)}`));
    lines.push(...flaky.map((test) => `passed when tried again: ${named(test)}: ${why(test)}`));
    if (flaky.length > FLAKY_MAX) {
      lines.push(`${flaky.length} tests had to be tried again, and ${FLAKY_MAX} may: a failure.`);
      process.exitCode = 1;
    }
    if (skipped.length > 0 && process.env['CI'] === 'true') {
      lines.push('CI=true: a skipped test is a failure.');
      process.exitCode = 1;
    }
    lines.push(`${inState('passed').length} passed, ${failed} failed, ${skipped.length} skipped`);
    this.#lines = lines;
  }
}

function named(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}

/** The message of its first error, in one line. */
function why(test: TestCase): string {
  const message = test.result().errors?.[0]?.message ?? 'no error was told';
  return message.replaceAll(/\s+/g, ' ').slice(0, WHY_CHARACTERS_MAX);
}

function reason(test: TestCase): string {
  const result = test.result();
  if (result.state === 'skipped' && result.note !== undefined) return result.note;
  let task: TestCase | TestSuite | TestModule = test;
  while (task.type !== 'module') {
    const { skipReason } = task.meta();
    if (skipReason !== undefined) return skipReason;
    task = task.parent;
  }
  return test.options.mode === 'todo' ? 'still to be written' : 'no reason given (use needs() or ctx.skip(reason))';
}
