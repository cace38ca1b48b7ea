import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { NewWebhook, Webhook, Webhooks } from '../ports/webhooks.ts';
import { Courier, type CourierOptions } from './courier.ts';
import { newSecret, secretOf } from './signature.ts';
import { type Sql, Store } from './store.ts';

export interface WebhooksOptions extends Omit<CourierOptions, 'store'> {
  /** Opens the hooks' own database, and makes it when there is none. */
  readonly open: () => Sql;
  /** Whether there is one: without a hook none is ever made. */
  readonly exists: boolean;
  readonly newId: () => string;
}

/** As many can be served by one controller without anybody waiting for long. */
const HOOKS_MAX = 100;
const BEGIN_AGAIN_MS = 60_000;

export interface ServedWebhooks extends Webhooks {
  /** Something is on its way right now. */
  readonly busy: () => boolean;
  readonly stop: () => Promise<void>;
}

/** Serves the hooks there are, and those that are added. A store that cannot be used is said to whoever asks; it stops nothing else. */
export function startWebhooks(options: WebhooksOptions): ServedWebhooks {
  const couriers = new Map<string, Courier>();
  let store: Store | undefined;

  const opened = (): Store => {
    if (store !== undefined) return store;
    const sql = options.open();
    try {
      store = new Store(sql);
    } catch (error) {
      sql.close();
      throw error;
    }
    for (const { id } of store.all()) serve(id);
    return store;
  };
  const serve = (id: string): void => void couriers.set(id, new Courier(id, { ...options, store: opened() }));
  const attempt = <T>(work: () => Result<T, Refusal>): Result<T, Refusal> => {
    try {
      return work();
    } catch (error) {
      options.log.error({ error: String(error) }, 'the webhooks could not be used');
      return err(refusal('webhooks_unavailable', `The webhooks cannot be read or written: ${messageOf(error)}.`));
    }
  };
  const found = (id: string): Result<Webhook, Refusal> =>
    attempt(() => {
      const webhook = store === undefined && !options.exists ? undefined : opened().find(id);
      return webhook === undefined ? err(refusal('webhook_unknown', `There is no webhook ${id}.`)) : ok(webhook);
    });

  /** A disk that is full has room again some day, and then nobody should have to know that it was. */
  const begin = (): void => {
    if (!attempt(() => ok(opened())).ok) cancelBegin = options.clock.after(BEGIN_AGAIN_MS, begin);
  };
  let cancelBegin = (): void => undefined;
  if (options.exists) begin();

  return {
    async add(hook) {
      const checked = checkedHook(hook, options);
      if (!checked.ok) return checked;
      const head = (await options.source.head())?.seq ?? 0;
      if (hook.after !== undefined && hook.after > head)
        return err(
          refusal('cursor_ahead', `The ledger ends at ${head}, and the hook was to begin after ${hook.after}.`),
        );
      return attempt(() => {
        if (opened().all().length >= HOOKS_MAX)
          return err(
            refusal(
              'webhook_refused',
              `There are ${HOOKS_MAX} webhooks already.`,
              'Remove one that is not needed any more.',
            ),
          );
        const { url, selection } = hook;
        const id = options.newId();
        const secret = hook.secret ?? newSecret();
        opened().insert({ id, url, selection, createdAt: options.clock.now(), cursor: hook.after ?? head }, secret);
        serve(id);
        const webhook = found(id);
        return webhook.ok ? ok({ webhook: webhook.value, secret }) : webhook;
      });
    },
    list: () => attempt(() => ok(store === undefined && !options.exists ? [] : opened().all())),
    find: found,
    async remove(id) {
      const webhook = found(id);
      if (!webhook.ok) return webhook;
      // First in the store: what is in the middle of being served finds nothing to write to, and a crash leaves no half of it.
      const removed = attempt(() => ok(opened().remove(id)));
      if (!removed.ok) return removed;
      await couriers.get(id)?.stop();
      couriers.delete(id);
      return webhook;
    },
    dead(id, after, limit) {
      const webhook = found(id);
      return webhook.ok ? attempt(() => ok(opened().dead(id, after, limit))) : webhook;
    },
    async retry(id, seq) {
      const webhook = found(id);
      if (!webhook.ok) return webhook;
      const raised = attempt(() => ok({ again: opened().raise(id, seq) }));
      if (!raised.ok) return raised;
      if (webhook.value.disabled === undefined) couriers.get(id)?.raise();
      else {
        await couriers.get(id)?.stop();
        serve(id);
      }
      return raised;
    },
    busy: () => [...couriers.values()].some((courier) => courier.busy),
    async stop() {
      cancelBegin();
      await Promise.all([...couriers.values()].map((courier) => courier.stop()));
      store?.close();
      store = undefined;
    },
  };
}

function checkedHook({ url, secret }: NewWebhook, { targets }: WebhooksOptions): Result<unknown, Refusal> {
  const target = targets.check(url);
  if (!target.ok || secret === undefined) return target;
  return secretOf(secret);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
