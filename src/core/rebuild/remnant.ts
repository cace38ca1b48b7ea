import type { DatasetName, DriverName } from '../dataset.ts';
import type { FinalStage, Mode, MutationId } from '../mutation/mutation.ts';
import { isFence } from '../snapshot/floor.ts';

/** A snapshot or evidence as the storage tells of it. Anybody can make something that looks like one, so nothing is believed unchecked. */
export interface Remnant {
  readonly kind: 'snapshot' | 'evidence';
  readonly driver: DriverName;
  readonly dataset: DatasetName;
  readonly name: string;
  readonly guid: string;
  readonly txg?: string;
  readonly createdAt: number;
  readonly mutation: MutationId;
  readonly node: string;
  readonly intent: string;
  readonly mode: Mode;
  readonly fence: number;
  readonly outcome?: FinalStage;
  readonly path?: string;
}

const MODES: ReadonlySet<string> = new Set(['standard', 'critical']);
const OUTCOMES: ReadonlySet<string | undefined> = new Set([undefined, 'committed', 'rolled_back']);
const ID_CHARACTERS_MAX = 64;

/** Why something on the storage cannot be taken for what a mutation left there; undefined when it can. */
export function faultOf({ mutation, node, intent, mode, fence, createdAt, outcome }: Remnant): string | undefined {
  if (!isText(mutation) || mutation.length > ID_CHARACTERS_MAX) return 'it names no mutation';
  if (!isText(node) || typeof intent !== 'string') return 'it does not say who changed what';
  if (!MODES.has(mode)) return `its mode is "${mode}", which hauki does not have`;
  if (!isFence(fence)) return `its fencing token is ${fence}, which is no number of hauki's`;
  if (!Number.isSafeInteger(createdAt) || createdAt < 0) return 'it does not say when it was made';
  if (!OUTCOMES.has(outcome)) return `its mutation was ${outcome}, so nothing was changed after it`;
  return undefined;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
