import { err, ok } from '../../base/result.ts';
import { refusal } from '../../base/refusal.ts';
import type { Command } from '../command.ts';
import type { Dataset, DatasetName } from '../dataset.ts';
import type { EventBody } from '../event.ts';
import { describeHolders, holdersOf } from '../lock/lock.ts';
import type { Mutation } from '../mutation/mutation.ts';
import type { State } from '../state.ts';
import type { Verdict } from '../verdict.ts';
import { sealsToClose } from './seal.ts';

export function seal(state: State, command: Extract<Command, { type: 'seal' }>): Verdict {
  const { dataset, sealed } = command;
  const current = state.seals.get(dataset.name);
  if ((current?.wanted ?? false) === sealed && (current?.settled ?? true)) return ok([]);
  const holders = holdersOf({ datasets: [dataset], mode: 'standard' }, state.mutations.values());
  if (holders.length > 0)
    return err(refusal('dataset_busy', `Cannot change the seal while ${describeHolders(holders)}.`));
  return ok([sealStarted(dataset, sealed)]);
}

export function sealStarted({ name, driver, at }: Dataset, sealed: boolean): EventBody {
  return { type: 'seal_started', dataset: name, driver, sealed, ...(at === undefined ? {} : { place: at }) };
}

/**
 * What an effect is to close stands when it begins. Who kept a seal open then may have ended meanwhile, and had nothing to close either,
 * since this mutation still needed it open.
 *
 * @param closed what the mutation's last effect has closed
 */
export function closeLeftOpen(state: State, mutation: Mutation, closed: readonly DatasetName[]): EventBody[] {
  return sealsToClose(state, mutation)
    .filter(({ name }) => state.seals.get(name)?.settled && !closed.includes(name))
    .map((dataset) => sealStarted(dataset, true));
}

/** Whatever brings no event leaves the seal unsettled, and it is tried again. */
export function sealAnswered(state: State, command: Extract<Command, { type: 'seal_answered' }>): EventBody[] {
  const { answer, sealed } = command;
  const { name, driver } = command.dataset;
  const current = state.seals.get(name);
  // The answer to what was wanted before somebody wanted the opposite.
  if (current === undefined || current.settled || current.wanted !== sealed) return [];
  if (answer.kind === 'done') {
    return [sealed ? { type: 'sealed', dataset: name, driver } : { type: 'unsealed', dataset: name }];
  }
  // Where nothing can be sealed nothing is: so a seal that came there by a mistake can be taken off the record.
  if (!sealed && answer.reason.code === 'seal_unsupported') return [{ type: 'unsealed', dataset: name }];
  // Tried again, and it is on record that the last try may have come true.
  if (answer.kind === 'unknown') return current.mayHold ? [] : [sealStarted(command.dataset, sealed)];
  // A seal that may hold is not given up because the storage had a bad moment.
  return sealed && current.mayHold ? [] : [{ type: 'seal_refused', dataset: name, reason: answer.reason }];
}
