import { oneLine } from '../../src/wire/one-line.ts';
import type { PlanView } from '../../src/wire/http.ts';

/** Paths named for each kind of change; a plan is to be read before it is agreed to. */
const PATHS_MAX = 200;

/** What a rollback would do, in the words of `hauki rollback --dry-run`. */
export function planText({ plans }: PlanView): string {
  if (plans.length === 0) return 'nothing was ever frozen for this mutation: there is nothing to roll back';
  return plans
    .map(({ dataset, snapshot, changes, openFiles, blockers, steps }) =>
      [
        `${oneLine(dataset)} would go back to ${oneLine(snapshot)}`,
        ...steps.map((step, index) => `  ${index + 1}. ${oneLine(step)}`),
        `  changes back: ${changes.added.length} to remove, ${changes.modified.length} to restore, ${changes.removed.length} to bring back`,
        ...listed('-', changes.added),
        ...listed('M', changes.modified),
        ...listed('+', changes.removed),
        ...openFiles.map(({ pid, command, path }) => `  open: ${oneLine(path)} by ${pid} (${oneLine(command)})`),
        ...(blockers.length === 0
          ? ['  nothing stands in the way']
          : blockers.map(({ kind, name, why }) => `  IN THE WAY: ${kind} ${oneLine(name)}: ${oneLine(why)}`)),
      ].join('\n'),
    )
    .join('\n\n');
}

/** Whether a rollback would be refused, as far as the plan can tell. */
export function isBlocked({ plans }: PlanView): boolean {
  return plans.length === 0 || plans.some(({ blockers }) => blockers.length > 0);
}

function listed(sign: string, paths: readonly string[]): string[] {
  const shown = paths.slice(0, PATHS_MAX).map((path) => `    ${sign} ${oneLine(path)}`);
  return paths.length > PATHS_MAX ? [...shown, `    ${sign} … and ${paths.length - PATHS_MAX} more`] : shown;
}
