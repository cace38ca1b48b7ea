import { refusal, type Refusal } from '../base/refusal.ts';
import { err, type Result } from '../base/result.ts';

/** A patch that was read and may be tried. */
export interface Patch {
  /** Paths below the root. */
  readonly files: readonly string[];
}

const absent = refusal('task_invalid', 'This node cannot apply patches.', 'Drop a script that begins with #! instead.');

export function isPatch(bytes: Buffer): boolean {
  return /^(?:diff --git |--- )/m.test(bytes.toString('latin1'));
}

export function readPatch(_bytes: Buffer): Result<Patch, Refusal> {
  return err(absent);
}

export function checkPatch(_patch: Patch, _root: string): Promise<Result<void, Refusal>> {
  return Promise.resolve(err(absent));
}

export function applyPatch(_patch: Patch, _root: string, _signal?: AbortSignal): Promise<Result<void, Refusal>> {
  return Promise.resolve(err(absent));
}
