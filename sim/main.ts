import { parseArgs } from 'node:util';

import { BUGS } from './bugs.ts';
import { type Report, run } from './run.ts';

/*
 * npm run sim -- [--seeds N] [--seed FIRST] [--bug NAME] [--verbose]
 *
 * Runs one world a seed and stops at the first that violates an invariant: exit 1, with the command that shows it again.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    bug: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

process.exitCode = await main();

async function main(): Promise<number> {
  const count = Number(values.seeds);
  const first = Number(values.seed);
  const bug = values.bug === undefined ? undefined : BUGS[values.bug];
  if (
    values.help ||
    !Number.isSafeInteger(count) ||
    !Number.isSafeInteger(first) ||
    (values.bug !== undefined && bug === undefined)
  ) {
    console.log('npm run sim -- [--seeds N] [--seed FIRST] [--bug NAME] [--verbose]\n\nPlanted bugs:');
    for (const [name, { what }] of Object.entries(BUGS)) console.log(`  ${name.padEnd(24)} ${what}`);
    return values.help ? 0 : 64;
  }

  const begun = performance.now();
  const totals = { steps: 0, virtualMs: 0, stages: new Map<string, number>(), barriers: new Map<string, number>() };
  for (let seed = first; seed < first + count; seed += 1) {
    const report = await run(seed, { bug, ...(values.verbose ? { print: (line: string) => console.log(line) } : {}) });
    if (report.violation !== undefined) {
      explain(report);
      return 1;
    }
    totals.steps += report.steps;
    totals.virtualMs += report.virtualMs;
    for (const [stage, number] of Object.entries(report.stages))
      totals.stages.set(stage, (totals.stages.get(stage) ?? 0) + number);
    for (const [end, number] of Object.entries(report.barriers))
      totals.barriers.set(end, (totals.barriers.get(end) ?? 0) + number);
    if (count === 1) console.log(`seed ${seed}: trace ${report.hash}`);
    if (process.stderr.isTTY && seed % 20 === 0) process.stderr.write(`\r${seed - first + 1} of ${count} seeds`);
  }
  if (process.stderr.isTTY) process.stderr.write('\r');
  const seconds = (performance.now() - begun) / 1000;
  const hours = Math.round(totals.virtualMs / 3_600_000);
  console.log(
    `${count} seeds without a violation in ${seconds.toFixed(1)} s (${Math.round(count / seconds)}/s): ${totals.steps} steps, ${hours} h of virtual time`,
  );
  console.log([...totals.stages].map(([stage, number]) => `${number} ${stage}`).join(', '));
  console.log(`barriers: ${[...totals.barriers].map(([end, number]) => `${number} ${end}`).join(', ')}`);
  return 0;
}

function explain(report: Report): void {
  const { seed, violation, last, steps } = report;
  console.log(last.join('\n'));
  const which =
    violation?.invariant === 0 ? 'an unnumbered invariant' : `invariant ${violation?.invariant ?? 0} of design.md`;
  console.log(`\nSeed ${seed} violates ${which} after ${steps} steps:\n  ${violation?.words ?? ''}`);
  const bug = values.bug === undefined ? '' : ` --bug ${values.bug}`;
  console.log(`See it again: npm run sim -- --seeds 1 --seed ${seed}${bug} --verbose`);
}
