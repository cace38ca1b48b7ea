import type { DatasetName } from '../../core/dataset.ts';
import type { FinalStage, Mode } from '../../core/mutation/mutation.ts';
import type { SnapshotProperties } from '../../ports/storage.ts';
import { decodeProperty, encodeProperty } from '../../wire/zfs/property.ts';
import { readRows } from '../../wire/zfs/rows.ts';

/** The user properties in which a pool tells hauki's story by itself. */
export const PROPERTY = {
  /** `snapshot` (PRE), `failed` (FAIL, on its way to become evidence) or `evidence` */
  kind: 'hauki:kind',
  /** The controller's HAUKI_HOME: two controllers of one host see each only their own. */
  home: 'hauki:home',
  /**
   * The datasets frozen together, parted by commas, which no dataset's name has; with a slash behind it, together with those inside.
   * A snapshot counts as hauki's only on one of these: a replica that syncoid or zrepl made elsewhere carries the same properties,
   * and is theirs.
   */
  datasets: 'hauki:datasets',
  mutation: 'hauki:mutation',
  node: 'hauki:node',
  mode: 'hauki:mode',
  fence: 'hauki:fence',
  intent: 'hauki:intent',
  /** How the mutation ended, set when it has. */
  outcome: 'hauki:outcome',
  /** Of evidence: the name it goes by, `<dataset>@FAIL_…`. */
  name: 'hauki:name',
  /** Of a sealed dataset: what `readonly` was before. */
  seal: 'hauki:seal',
} as const;

export type Kind = 'snapshot' | 'failed' | 'evidence';

/** Whatever is listed is read by these columns. */
export const STORY = [
  PROPERTY.kind,
  PROPERTY.home,
  PROPERTY.datasets,
  PROPERTY.mutation,
  PROPERTY.node,
  PROPERTY.mode,
  PROPERTY.fence,
  PROPERTY.outcome,
  PROPERTY.name,
  PROPERTY.intent,
] as const;

export interface Story {
  readonly kind: Kind;
  readonly home: string;
  readonly datasets: readonly DatasetName[];
  readonly properties: SnapshotProperties;
  readonly outcome?: FinalStage;
  readonly name?: string;
}

export function told(story: Story): Record<string, string> {
  const { mutation, node, mode, fence, intent } = story.properties;
  return {
    [PROPERTY.kind]: story.kind,
    [PROPERTY.home]: encodeProperty(story.home),
    [PROPERTY.datasets]: story.datasets.join(','),
    [PROPERTY.mutation]: encodeProperty(mutation),
    [PROPERTY.node]: encodeProperty(node),
    [PROPERTY.mode]: mode,
    [PROPERTY.fence]: String(fence),
    [PROPERTY.intent]: encodeProperty(intent),
    ...(story.name === undefined ? {} : { [PROPERTY.name]: story.name }),
  };
}

/** @param row what `zfs list` shows of these properties; undefined when it is not hauki's, or a later hauki's that is not understood */
export function readStory(row: Readonly<Record<string, string | undefined>>): Story | undefined {
  const value = (property: string): string | undefined => {
    const text = row[property];
    return text === undefined ? undefined : decodeProperty(text);
  };
  const kind = value(PROPERTY.kind);
  const home = value(PROPERTY.home);
  const mutation = value(PROPERTY.mutation);
  const mode = value(PROPERTY.mode);
  const outcome = value(PROPERTY.outcome);
  const name = value(PROPERTY.name);
  if (!isKind(kind) || home === undefined || mutation === undefined || !isMode(mode)) return undefined;
  return {
    kind,
    home,
    datasets: decodedDatasets(value(PROPERTY.datasets) ?? ''),
    properties: {
      mutation,
      mode,
      node: value(PROPERTY.node) ?? '',
      intent: value(PROPERTY.intent) ?? '',
      fence: Number(value(PROPERTY.fence)) || 0,
    },
    ...(isOutcome(outcome) ? { outcome } : {}),
    ...(name === undefined ? {} : { name }),
  };
}

/**
 * What `zfs list -Hp -o name,<STORY>` shows, by name. A row that is none, because somebody else has put line ends into a property of
 * ours, is nobody's story; it must not keep the others from being told.
 */
export function readStories(text: string): Map<string, Story> {
  const stories = new Map<string, Story>();
  for (const line of text.split('\n')) {
    try {
      for (const row of readRows(line === '' ? '' : `${line}\n`, ['name', ...STORY])) {
        const story = readStory(row);
        if (story !== undefined) stories.set(row.name, story);
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  return stories;
}

export function decodedDatasets(text: string): DatasetName[] {
  return text.split(',');
}

/** Whether a snapshot of a dataset is the one that its properties speak of, and not a replica of it. */
export function isOriginal({ datasets }: Pick<Story, 'datasets'>, dataset: DatasetName): boolean {
  return datasets.some((one) => one === dataset || (one.endsWith('/') && `${dataset}/`.startsWith(one)));
}

function isKind(text: string | undefined): text is Kind {
  return text === 'snapshot' || text === 'failed' || text === 'evidence';
}

function isMode(text: string | undefined): text is Mode {
  return text === 'standard' || text === 'critical';
}

function isOutcome(text: string | undefined): text is FinalStage {
  return text === 'committed' || text === 'rolled_back' || text === 'denied' || text === 'cancelled';
}
