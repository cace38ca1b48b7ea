import { createHash } from 'node:crypto';

import { refusal, RefusedError } from '../../base/refusal.ts';
import { taskNameRefusal } from '../../core/task/name.ts';
import type { TaskDrop } from '../../ports/mesh.ts';
import type { Spool } from '../../ports/spool.ts';
import type { Folders } from './folders.ts';
import { judge, type Judging } from './judge.ts';
import { putTask } from './put.ts';

export interface Reception {
  readonly spool: Spool;
  readonly folders: Folders;
  readonly judging: Judging;
  /** Whether whoever dropped it still waits for the answer: one that is told nothing drops it again. */
  readonly inTime: () => boolean;
}

/**
 * Takes a task that came by the controller into the inbox. It is judged here already, while whoever drops it is still there to mend it,
 * and without a signature never taken: a controller, or whoever got hold of one, has nothing run that none of this node's signers signed.
 *
 * @returns who signed it
 * @throws RefusedError why it is not taken
 */
export async function receive(drop: TaskDrop, { spool, folders, judging, inTime }: Reception): Promise<string> {
  const misnamed = taskNameRefusal(drop.task);
  if (misnamed !== undefined) throw new RefusedError(misnamed);
  if (!spool.ready)
    throw new RefusedError(
      refusal('spool_missing', 'Its spool is not there just now.', 'Is its vault mounted? Try again when it is.'),
    );
  const bytes = Buffer.from(drop.content, 'base64');
  const signature = drop.signature === undefined ? undefined : Buffer.from(drop.signature);
  const read = { bytes, signature, sha256: createHash('sha256').update(bytes).digest('hex') };
  const judged = await judge(drop.task, read, { ...judging, rules: { ...judging.rules, unsigned: false } });
  if (!judged.ok) throw new RefusedError(judged.error);
  if (!inTime()) throw new RefusedError(refusal('overloaded', 'It took too long to look at it; it was not taken.'));
  await putTask(folders.inbox, { name: drop.task, bytes, signature });
  return judged.value.signer ?? '';
}
