import { size } from '../../base/size.ts';
import { refusal, RefusedError } from '../../base/refusal.ts';
import type { KeptView } from '../../wire/http.ts';
import { calling, connect } from '../connect.ts';
import { absolute } from '../home.ts';
import { oneLine, printJson, printText, table } from '../output.ts';
import { type ReadOptions, when } from './history.ts';

/** What is kept on the storage: `hauki snapshots`, `evidence`, `prune`, `seal`, `unseal`. */

export async function snapshots(options: ReadOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.snapshots());
  if (options.json) printJson(list);
  else printText(list.kept.length === 0 ? 'no snapshots' : keptTable(list.kept));
  return 0;
}

export async function evidence(options: ReadOptions): Promise<number> {
  const list = await calling(connect(options.controller), (client) => client.evidence());
  if (options.json) printJson(list);
  else printText(list.kept.length === 0 ? 'no evidence' : keptTable(list.kept));
  return 0;
}

function keptTable(kept: readonly KeptView[]): string {
  return table(
    ['TAKEN', 'NODE', 'OUTCOME', 'SIZE', 'MUTATION', 'INTENT', 'NAME', 'PATH'],
    kept.map((one) => [
      when(one.createdAt),
      one.node,
      `${one.stage ?? 'not in the ledger'}${one.pinned ? ' (pinned)' : ''}`,
      one.bytes === undefined ? '-' : size(one.bytes),
      one.mutation,
      one.intent,
      one.name,
      one.path ?? '-',
    ]),
  );
}

export async function removeEvidence(mutation: string, options: ReadOptions): Promise<number> {
  const done = await calling(connect(options.controller), (client) => client.removeEvidence(mutation));
  if (options.json) printJson(done);
  else for (const name of done.removed) printText(`removed ${oneLine(name)}`);
  return 0;
}

export async function prune(options: PruneOptions): Promise<number> {
  const view = await calling(connect(options.controller), (client) => client.prune(options.dryRun ?? false));
  if (options.json) printJson(view);
  else if (view.going.length === 0) printText('nothing to prune: retention keeps everything there is');
  else {
    const verb = view.dryRun ? 'would go' : 'goes';
    printText(
      table(
        [verb.toUpperCase(), 'NAME', 'WHY'],
        view.going.map((one) => [one.kind, one.name, one.why]),
      ),
    );
    if (view.freesBytes !== undefined) printText(`${view.dryRun ? 'would free' : 'frees'} ${size(view.freesBytes)}`);
  }
  return 0;
}

export interface PruneOptions extends ReadOptions {
  readonly dryRun?: boolean;
}

export interface SealOptions extends ReadOptions {
  readonly path?: string;
  readonly dataset?: string;
}

export async function seal(sealed: boolean, options: SealOptions): Promise<number> {
  const target = options.dataset ?? (options.path === undefined ? undefined : absolute(options.path));
  if (target === undefined)
    throw new RefusedError(
      refusal('usage', 'Nothing is named to be sealed.', 'Name it with --path DIR or --dataset NAME.'),
    );
  const view = await calling(connect(options.controller), (client) => client.seal(target, sealed));
  if (options.json) printJson(view);
  else
    printText(
      sealed
        ? `sealed: ${oneLine(view.dataset)} is read-only unless a mutation is cleared`
        : `unsealed: ${oneLine(view.dataset)}`,
    );
  return 0;
}
