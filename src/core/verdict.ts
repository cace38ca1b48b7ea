import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { EventBody } from './event.ts';

/** What a command comes to: facts to record (perhaps none), or the reason why not. */
export type Verdict = Result<readonly EventBody[], Refusal>;
