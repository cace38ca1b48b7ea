import type { Evidence } from '../../core/snapshot/snapshot.ts';
import type { Stored } from '../../ports/storage.ts';
import { readFailure } from '../../wire/zfs/failure.ts';
import { readRows, type Row } from '../../wire/zfs/rows.ts';
import { mounts } from '../tree/mounts.ts';
import { type Commands, isAbsent } from './command.ts';
import { mountPoints, snapshotPath } from './mounted.ts';
import { containerOf, datasetOf, isContained, isProtected, poolOf } from './names.ts';
import { isOriginal, readStories, readStory, STORY, type Story } from './properties.ts';
import { deviceOf } from './volume.ts';

const FACTS = ['name', 'type', 'guid', 'createtxg', 'creation', 'used', 'userrefs', 'mountpoint', 'origin'] as const;

/** Something of this controller's own in a pool. */
export interface Kept {
  readonly story: Story;
  /** As ZFS calls it: a snapshot's full name, or the dataset that evidence is. */
  readonly zfsName: string;
  readonly type: string;
  readonly guid: string;
  readonly txg: string;
  /** ms since the epoch */
  readonly createdAt: number;
  /** Bytes that only this one holds. */
  readonly used: number;
  /** Whether somebody holds it, be it us. */
  readonly held: boolean;
  /** Where a person can look at it; undefined for a snapshot of what is not mounted. */
  readonly path: string | undefined;
  /** Of evidence: the PRE snapshot it is a clone of. */
  readonly origin: string | undefined;
}

/** Reads from the pools what is hauki's: they alone know it, and remember it longer than any file. */
export class Store {
  readonly #commands: Commands;
  readonly #home: string;

  /** @param home HAUKI_HOME, as it stands in the properties */
  constructor(commands: Commands, home: string) {
    this.#commands = commands;
    this.#home = home;
  }

  /** Everything, in all pools that are imported: PRE snapshots, failed states on their way, evidence. Nothing where ZFS is not installed. */
  async list(): Promise<Kept[]> {
    try {
      return await this.#read([]);
    } catch (error) {
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  /** One by its name: `tank/a@PRE_…`, or evidence by `tank/a@FAIL_…`. */
  async find(name: string): Promise<Kept | undefined> {
    const container = containerOf(poolOf(name));
    const nearby = await this.#read(name.includes('@FAIL_') ? ['-d', '1', container] : ['-d', '1', datasetOf(name)]);
    return nearby.find(({ story, zfsName }) => zfsName === name || (story.kind === 'evidence' && story.name === name));
  }

  async #read(where: readonly string[]): Promise<Kept[]> {
    const { facts, stories } = await this.#told(where);
    const mounted = mountPoints(await mounts());
    return facts.flatMap((row): Kept[] => {
      const story = stories.get(row.name);
      if (story === undefined || story.home !== this.#home || !isIn(row.name, story)) return [];
      const { guid = '', createtxg: txg = '', creation = '0', used = '0', userrefs = '0', type = '' } = row;
      const { mountpoint, origin } = row;
      const below = row.name.includes('@') ? mounted.get(datasetOf(row.name)) : undefined;
      const snapshot = below === undefined ? undefined : snapshotPath(below, row.name);
      return [
        {
          story,
          zfsName: row.name,
          type,
          guid,
          txg,
          createdAt: Number(creation) * 1000,
          used: Number(used),
          held: Number(userrefs) > 0,
          path: row.name.includes('@') ? snapshot : pathOf(row.name, type, mountpoint),
          origin,
        },
      ];
    });
  }

  /** Facts and stories, in one look as long as nobody has written anything odd into a property; else the facts without them. */
  async #told(where: readonly string[]): Promise<Told> {
    const kinds = ['-t', 'filesystem,volume,snapshot'];
    const list = async (columns: readonly string[]): Promise<string> => {
      const ran = await this.#commands.zfs(['list', '-Hp', ...kinds, '-o', columns.join(','), ...where]);
      if (ran.code !== 0 && !isMissing(ran.stderr)) throw new Error(readFailure(ran.stderr.toString()).message);
      return ran.stdout.toString();
    };
    const together = readTogether(await list([...FACTS, ...STORY]));
    if (together !== undefined) return together;
    const [facts, stories] = await Promise.all([list(FACTS), list(['name', ...STORY])]);
    return { facts: readRows(facts, FACTS), stories: readStories(stories) };
  }
}

interface Told {
  readonly facts: readonly Row<(typeof FACTS)[number]>[];
  readonly stories: ReadonlyMap<string, Story>;
}

/**
 * What `zfs list -Hp -o <FACTS>,<STORY>` shows. Facts of what is there cannot be told otherwise in this way: they stand before the
 * properties, and a row made up for the same name is a second one.
 *
 * @returns undefined when a row is none, or a name comes twice: somebody has put line ends into a property
 */
export function readTogether(text: string): Told | undefined {
  const stories = new Map<string, Story>();
  try {
    const facts = readRows(text, [...FACTS, ...STORY]);
    if (new Set(facts.map(({ name }) => name)).size !== facts.length) return undefined;
    for (const row of facts) {
      const story = readStory(row);
      if (story !== undefined) stories.set(row.name, story);
    }
    return { facts, stories };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return undefined;
  }
}

/** In its place: a snapshot inherits the properties of the evidence that somebody took it of. */
function isIn(name: string, story: Story): boolean {
  if (story.kind === 'evidence') return isContained(name) && !name.includes('@');
  return name.includes('@') && !isProtected(datasetOf(name)) && isOriginal(story, datasetOf(name));
}

/** No pool at all, no such dataset: then there is nothing of ours. */
function isMissing(stderr: Buffer): boolean {
  const { kind } = readFailure(stderr.toString());
  return (
    kind === 'missing' || kind === 'pool_gone' || kind === 'unsupported' || stderr.includes('no datasets available')
  );
}

function evidenceOf({ zfsName, path = '', story }: Kept): Evidence {
  const [dataset = ''] = story.datasets;
  return { dataset, driver: 'zfs', name: story.name ?? zfsName, path };
}

/** Failed states that are not evidence yet are told apart by the caller. */
export function storedOf(kept: Kept): Stored {
  const { story, zfsName, guid, txg, createdAt, used, origin } = kept;
  const shared = { ...story.properties, driver: 'zfs' as const, guid, txg, createdAt, bytes: used };
  const outcome = story.outcome === undefined ? {} : { outcome: story.outcome };
  if (story.kind !== 'evidence') {
    const path = kept.path === undefined ? {} : { path: kept.path };
    return { ...shared, ...outcome, ...path, kind: 'snapshot', dataset: datasetOf(zfsName), name: zfsName };
  }
  const { dataset, name, path } = evidenceOf(kept);
  return { ...shared, kind: 'evidence', dataset, name, path, ...(origin === undefined ? {} : { restsOn: origin }) };
}

/** Where a person finds what is in a dataset: the mount point, or the block device of a volume. */
export function pathOf(dataset: string, type: string, mountpoint: string | undefined): string {
  return type === 'volume' || mountpoint === undefined ? deviceOf(dataset) : mountpoint;
}
