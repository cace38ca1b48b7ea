import { refusal, RefusedError } from '../../base/refusal.ts';
import type { PlanView } from '../../wire/http.ts';
import { calling, connect } from '../connect.ts';
import { oneLine, printJson, printText } from '../output.ts';
import type { ReadOptions } from './history.ts';

/** Deciding about a mutation from outside: `hauki rollback`, `resolve`, `pin`. */

export interface RollbackOptions extends ReadOptions {
  readonly dryRun?: boolean;
}

export interface ResolveOptions extends ReadOptions {
  readonly commit?: boolean;
  readonly rollback?: boolean;
}

export interface PinOptions extends ReadOptions {
  readonly off?: boolean;
}

const EXIT_REFUSED = 75;

export async function rollback(mutation: string, options: RollbackOptions): Promise<number> {
  const connection = connect(options.controller);
  if (options.dryRun) {
    const plan = await calling(connection, (client) => client.plan(mutation));
    if (options.json) printJson(plan);
    else printText(describePlan(plan));
    return plan.plans.some((one) => one.blockers.length > 0) ? EXIT_REFUSED : 0;
  }
  const view = await calling(connection, (client) => client.rollback(mutation));
  if (options.json) printJson(view);
  else {
    printText(`${view.stage}: mutation ${view.mutation}`);
    for (const { path } of view.evidence) printText(`the state before the rollback is kept in ${oneLine(path)}`);
  }
  return 0;
}

function describePlan({ plans }: PlanView): string {
  if (plans.length === 0) return 'nothing was ever frozen for this mutation: there is nothing to roll back';
  return plans
    .map(({ dataset, snapshot, changes, openFiles, blockers, steps }) =>
      [
        `${oneLine(dataset)} would go back to ${oneLine(snapshot)}`,
        ...steps.map((step, index) => `  ${index + 1}. ${oneLine(step)}`),
        `  changes back: ${changes.added.length} to remove, ${changes.modified.length} to restore, ${changes.removed.length} to bring back`,
        ...changes.added.map((path) => `    - ${oneLine(path)}`),
        ...changes.modified.map((path) => `    M ${oneLine(path)}`),
        ...changes.removed.map((path) => `    + ${oneLine(path)}`),
        ...openFiles.map(({ pid, command, path }) => `  open: ${oneLine(path)} by ${pid} (${oneLine(command)})`),
        ...(blockers.length === 0
          ? ['  nothing stands in the way']
          : blockers.map(({ kind, name, why }) => `  IN THE WAY: ${kind} ${oneLine(name)}: ${oneLine(why)}`)),
      ].join('\n'),
    )
    .join('\n\n');
}

export async function resolve(mutation: string, options: ResolveOptions): Promise<number> {
  if (options.commit === options.rollback) {
    throw new RefusedError(
      refusal(
        'usage',
        'Say what becomes of it.',
        `Look first: hauki diff ${mutation}. Then --commit keeps the state as it is, --rollback puts it back.`,
      ),
    );
  }
  const choice = options.commit ? 'commit' : 'rollback';
  const view = await calling(connect(options.controller), (client) => client.resolve(mutation, choice));
  if (options.json) printJson(view);
  else printText(`${view.stage}: mutation ${view.mutation}`);
  return 0;
}

export async function pin(mutation: string, options: PinOptions): Promise<number> {
  const pinned = !options.off;
  const view = await calling(connect(options.controller), (client) => client.pin(mutation, pinned));
  if (options.json) printJson(view);
  else printText(`${pinned ? 'pinned: retention leaves it alone' : 'unpinned'}: mutation ${view.mutation}`);
  return 0;
}
