import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { DatasetName } from '../dataset.ts';

/** OpenZFS's limit for a whole snapshot name (ZFS_MAX_DATASET_NAME_LEN less the NUL); kept for every driver. */
export const SNAPSHOT_NAME_BYTES_MAX = 255;

const NODE_CHARACTERS_MAX = 63;

/** Kept free in a PRE name, so that the name of its evidence fits too: `FAIL` is longer by one, and `_<attempt>` may follow. */
const EVIDENCE_BYTES_MORE = 5;

/**
 * `<dataset>@PRE_<node>_<intent slug>_<YYYYMMDD>_<HHMMSS>_<mmm>` in UTC, at most 255 bytes.
 * The slug is what gives way when it gets tight: the whole intent stands in the snapshot's properties.
 *
 * @param at wall clock, ms since the epoch
 * @returns `name_too_long` when the dataset leaves no room even for an empty slug
 */
export function snapshotName(of: {
  readonly dataset: DatasetName;
  readonly node: string;
  readonly intent: string;
  readonly at: number;
}): Result<string, Refusal> {
  const head = `${of.dataset}@PRE_${clean(of.node).slice(0, NODE_CHARACTERS_MAX)}_`;
  const tail = `_${timestamp(of.at)}`;
  const room = SNAPSHOT_NAME_BYTES_MAX - EVIDENCE_BYTES_MORE - byteLength(head) - tail.length;
  if (room < 1) {
    const most = byteLength(of.dataset) + room - 1;
    return err(
      refusal(
        'name_too_long',
        `The name of dataset ${of.dataset} is too long for a snapshot name: at most ${most} bytes fit.`,
      ),
    );
  }
  return ok(`${head}${slug(of.intent, room)}${tail}`);
}

/** The name of what a rollback keeps, paired with the snapshot it goes back to: `<dataset>@FAIL_…`, `_2` for a second attempt. */
export function evidenceName(snapshot: string, attempt: number): string {
  const at = snapshot.lastIndexOf('@PRE_');
  const suffix = attempt > 1 ? `_${attempt}` : '';
  return `${snapshot.slice(0, at)}@FAIL_${snapshot.slice(at + '@PRE_'.length)}${suffix}`;
}

/** The time in a snapshot's or evidence's name, ms since the epoch; undefined where there is none that can be read. */
export function namedAt(name: string): number | undefined {
  const found = /_(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)_(\d{3})(?:_\d+)?$/.exec(name);
  if (found === null) return undefined;
  const [, year, month, day, hour, minute, second, ms] = found;
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(at) ? undefined : at;
}

/** The part of a snapshot's name before its last "@". */
export function datasetOfSnapshot(name: string): DatasetName {
  return name.slice(0, name.lastIndexOf('@'));
}

function slug(intent: string, charactersMax: number): string {
  return clean(intent).slice(0, charactersMax);
}

/** Every character outside `[A-Za-z0-9_.-]` becomes one "_", so the result is ASCII: characters are bytes. */
function clean(text: string): string {
  return [...text].map((character) => (/^[A-Za-z0-9_.-]$/.test(character) ? character : '_')).join('');
}

function timestamp(at: number): string {
  // toISOString: 2026-06-16T16:24:56.789Z
  const iso = new Date(at).toISOString();
  return `${iso.slice(0, 10).replaceAll('-', '')}_${iso.slice(11, 19).replaceAll(':', '')}_${iso.slice(20, 23)}`;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}
