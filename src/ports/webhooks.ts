import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';
import type { Selection } from '../core/selection.ts';

/** Somebody elsewhere who is told what happens, by HTTP. */
export interface Webhook {
  readonly id: string;
  readonly url: string;
  readonly selection: Selection;
  /** Wall clock, ms since the epoch; as all times here. */
  readonly createdAt: number;
  /** Everything up to this record of the ledger was delivered, or is among the dead letters, or was not asked for. */
  readonly cursor: number;
  readonly deliveredAt?: number;
  /** Since when nothing could be delivered any more, how often the next event was tried, and what came of it the last time. */
  readonly failing?: { readonly since: number; readonly tries: number; readonly error: string };
  /** Why nothing is delivered to it any more. */
  readonly disabled?: string;
  /** How many events were given up. */
  readonly dead: number;
}

/** `retrying`: nothing could be delivered lately, and it is tried again; `disabled`: it is not any more. */
export type WebhookState = 'active' | 'retrying' | 'disabled';

export function stateOf({ disabled, failing }: Pick<Webhook, 'disabled' | 'failing'>): WebhookState {
  if (disabled !== undefined) return 'disabled';
  return failing === undefined ? 'active' : 'retrying';
}

/** An event that could not be delivered, and was given up so that the next ones can be. */
export interface DeadLetter {
  readonly seq: number;
  readonly type: string;
  readonly at: number;
  readonly tries: number;
  readonly error: string;
  /** It is being tried once more. */
  readonly again: boolean;
}

export interface NewWebhook {
  readonly url: string;
  readonly selection: Selection;
  /** `whsec_` and the base64 of 24 to 64 bytes; one is made when there is none. */
  readonly secret?: string;
  /** Deliver from after this record on; from now on, when it is not said. */
  readonly after?: number;
}

/** Who is told by HTTP. Each hears every event it asked for at least once, in order; its place outlives this process. */
export interface Webhooks {
  /** @returns the secret only here: it cannot be read again */
  add(hook: NewWebhook): Promise<Result<{ readonly webhook: Webhook; readonly secret: string }, Refusal>>;
  list(): Result<readonly Webhook[], Refusal>;
  find(id: string): Result<Webhook, Refusal>;
  remove(id: string): Promise<Result<Webhook, Refusal>>;
  /** Oldest first, those after a record. */
  dead(id: string, after: number, limit: number): Result<readonly DeadLetter[], Refusal>;
  /** Tries dead letters once more (all of them, or one), and begins again with a hook that was disabled. */
  retry(id: string, seq?: number): Promise<Result<{ readonly again: number }, Refusal>>;
}
