import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../../core/dataset.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { readRows } from '../../wire/zfs/rows.ts';
import { commandRefusal } from './by-command.ts';
import type { Commands } from './command.ts';
import { PROPERTY } from './properties.ts';

const COLUMNS = ['property', 'value', 'source'] as const;
const INHERITED = 'inherit';

/**
 * Read-only for everybody, by the pool's own `readonly`: also for what has files open for writing already, and for root. What it was
 * before is remembered in a property beside it, set in the same step, so that lifting the seal puts back just that.
 */
export async function seal(dataset: DatasetName, sealed: boolean, commands: Commands): Promise<Result<void, Refusal>> {
  const before = await read(dataset, commands);
  if (!before.ok) return before;
  const { readonly, local, remembered } = before.value;
  if (sealed && remembered !== undefined && readonly === 'on') return ok(undefined);
  if (!sealed && remembered === undefined) return ok(undefined);

  const wanted = sealed ? 'on' : remembered;
  if (sealed) {
    const kept = remembered ?? (local ? readonly : INHERITED);
    const refused = await change(['set', `${PROPERTY.seal}=${kept}`, 'readonly=on', dataset], dataset, commands);
    if (refused !== undefined) return err(refused);
  } else {
    const args = wanted === INHERITED ? ['inherit', 'readonly', dataset] : ['set', `readonly=${wanted}`, dataset];
    const refused =
      (await change(args, dataset, commands)) ?? (await change(['inherit', PROPERTY.seal, dataset], dataset, commands));
    if (refused !== undefined) return err(refused);
  }
  // A delegated user's command complains that it cannot mount anew, and yet it holds: so it is looked at.
  const after = await read(dataset, commands);
  if (!after.ok) return after;
  const holds = sealed ? after.value.readonly === 'on' : after.value.remembered === undefined;
  if (holds) return ok(undefined);
  return err(refusal('seal_failed', `${dataset} did not become ${sealed ? 'read-only' : 'writable'}.`));
}

interface Standing {
  readonly readonly: string;
  /** Set on the dataset itself, and not above it. */
  readonly local: boolean;
  /** What `readonly` was before it was sealed; undefined when it is not. */
  readonly remembered: string | undefined;
}

async function read(dataset: DatasetName, commands: Commands): Promise<Result<Standing, Refusal>> {
  const wanted = ['get', '-Hp', '-o', COLUMNS.join(','), `readonly,${PROPERTY.seal}`, dataset];
  const ran = await commands.zfs(wanted);
  if (ran.code !== 0) {
    return err(commandRefusal('seal_failed', 'zfs get', dataset, readFailure(ran.stderr.toString())));
  }
  const rows = readRows(ran.stdout.toString(), COLUMNS);
  const readonly = rows.find(({ property }) => property === 'readonly');
  const remembered = rows.find(({ property }) => property === PROPERTY.seal);
  return ok({
    readonly: readonly?.value ?? 'off',
    local: readonly?.source === 'local',
    // One that stands above is the seal of what is above.
    remembered: remembered?.source === 'local' ? remembered.value : undefined,
  });
}

async function change(args: readonly string[], dataset: DatasetName, commands: Commands): Promise<Refusal | undefined> {
  const ran = await commands.zfs(args);
  if (ran.code === 0) return undefined;
  const stderr = ran.stderr.toString();
  // Set, but not mounted anew: whether it holds is looked at afterwards.
  if (/unable to remount|cannot mount/.test(stderr)) return undefined;
  return commandRefusal('seal_failed', `zfs ${args.join(' ')}`, dataset, readFailure(stderr));
}
