import { refusal, type Refusal } from '../../base/refusal.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { type Header, readHeader } from '../../core/task/header.ts';
import type { Read } from './claim.ts';
import { spoolRefusal } from './separation.ts';
import { signerOf, type Signing } from './signature.ts';

/** x-surgeon, as far as a task needs it. See src/surgery/surgeon.ts. */
export interface Surgeon {
  isPatch(bytes: Buffer): boolean;
  readPatch(bytes: Buffer): Result<unknown, Refusal>;
  checkPatch(patch: unknown, root: string): Promise<Result<void, Refusal>>;
  applyPatch(patch: unknown, root: string, signal?: AbortSignal): Promise<Result<void, Refusal>>;
}

/** What node.yaml says of tasks. */
export interface TaskRules extends Signing {
  /** What a task changes that does not say so itself. */
  readonly datasets: readonly string[];
  /** Where the guarded state is at the node: a script's working directory, and what patches are applied to. */
  readonly root: string | undefined;
  readonly timeoutMs: number;
  /** How long a task waits for others who hold what it is to change. */
  readonly waitMs: number;
}

/** A task that may ask for leave. */
export interface Surgery {
  readonly name: string;
  readonly bytes: Buffer;
  readonly header: Header;
  readonly datasets: readonly string[];
  readonly root: string | undefined;
  /** What is to be applied; undefined: the task is a script. */
  readonly patch: unknown;
  readonly signer: string | undefined;
}

export interface Judging {
  /** The spool's folder, and where its bytes lie if that is elsewhere: no task may change either. */
  readonly spools: readonly string[];
  readonly rules: TaskRules;
  readonly surgeon: Surgeon;
  /** Whether tasks run on this host, where patches can be applied. */
  readonly here: boolean;
}

/** Everything that can be said of a task before anybody is asked. The signature comes first: of a stranger's file nothing is looked at. */
export async function judge(
  name: string,
  { bytes, signature }: Read,
  judging: Judging,
): Promise<Result<Surgery, Refusal>> {
  const { spools, rules, surgeon, here } = judging;
  const signer = await signerOf(bytes, signature, rules);
  if (!signer.ok) return signer;
  const text = bytes.toString('utf8');
  const header = readHeader(text);
  if (!header.ok) return header;
  const bound = header.value.name;
  if (bound !== undefined && bound !== name)
    return err(
      refusal('task_invalid', `It is called ${JSON.stringify(name)}, and says that it is ${JSON.stringify(bound)}.`),
    );
  const datasets = header.value.datasets ?? rules.datasets;
  if (datasets.length === 0) {
    const hint = 'Write "#hauki datasets: NAME" into it, or "tasks: { datasets: [NAME] }" into node.yaml.';
    return err(refusal('task_invalid', 'Nothing says which dataset it is to change.', hint));
  }
  const path = datasets.find((dataset) => dataset.startsWith('/'));
  const root = rules.root ?? path;
  const inside = await spoolRefusal(spools, datasets, root === undefined ? [] : [root]);
  if (inside !== undefined) return err(inside);
  const found = { name, bytes, header: header.value, datasets, root, signer: signer.value };
  if (text.startsWith('#!')) {
    const first = text.slice(0, text.indexOf('\n'));
    if (!first.endsWith('\r')) return ok({ ...found, patch: undefined });
    const hint = 'Save it with Unix line ends ("dos2unix FILE"), and drop it again.';
    return err(refusal('task_invalid', 'Its lines end in CR LF, and its #! line would name no program.', hint));
  }
  if (!surgeon.isPatch(bytes)) {
    const hint = 'A script begins with #! and its interpreter: #!/bin/sh.';
    return err(refusal('task_invalid', 'It is neither a script nor a unified diff.', hint));
  }
  if (!here)
    return err(refusal('task_invalid', 'Patches are applied on the host of the node, and this one works elsewhere.'));
  if (root === undefined) {
    const hint = 'Write "tasks: { root: DIR }" into node.yaml.';
    return err(refusal('task_invalid', 'Nothing says where at the node the patch is to be applied.', hint));
  }
  // The node's root holds the node's own datasets: where one of them is not asked for, no snapshot would hold what the patch changes.
  // Of a node that names none nobody knows what its root is in.
  const own = rules.datasets;
  const frozen = own.length > 0 && own.every((one) => datasets.includes(one)) ? root : path;
  if (frozen === undefined) {
    const message = `It names other datasets than the node's own, and ${root} is not known to be in them.`;
    const other =
      own.length > 0
        ? `name all of ${own.join(', ')} too`
        : 'write those of the root into node.yaml, "tasks: { datasets: [NAME] }"';
    const hint = `Say where they are at the node, "#hauki datasets: /DIR", or ${other}.`;
    return err(refusal('task_invalid', message, hint));
  }
  const patch = surgeon.readPatch(bytes);
  if (!patch.ok) return patch;
  const fits = await surgeon.checkPatch(patch.value, frozen);
  return fits.ok ? ok({ ...found, root: frozen, patch: patch.value }) : fits;
}
