import { canonicalJson } from '../../base/canonical.ts';
import type { Command } from '../command.ts';
import type { EventBody } from '../event.ts';
import type { State } from '../state.ts';
import type { Findings } from './findings.ts';

/** So many are named, of each sort; the others are counted. */
export const NAMED_MAX = 20;

/** On record only when it is not what was found the last time: a controller that is started again and again says it once. */
export function reconcile(state: State, command: Extract<Command, { type: 'reconcile' }>): EventBody[] {
  const { unknown, missing, fenceFloor } = command;
  const findings: Findings = {
    unknown: { count: unknown.length, names: unknown.slice(0, NAMED_MAX) },
    missing: { count: missing.length, snapshots: missing.slice(0, NAMED_MAX) },
  };
  const newFloor = fenceFloor > state.counters.fence;
  if (!newFloor && canonicalJson(findings) === canonicalJson(state.findings)) return [];
  return [{ type: 'reconciled', ...findings, ...(newFloor ? { fenceFloor } : {}) }];
}
