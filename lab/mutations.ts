import assert from 'node:assert/strict';

import type {
  Cleared,
  Denied,
  KeptList,
  KeptView,
  MutationAsk,
  MutationDetail,
  MutationView,
} from '../src/wire/http.ts';
import type { Answer, Lab } from './guest.ts';

/** What a scenario asks of its controller, over the socket: in a tenth of the time the CLI takes to start under emulation. */
export class Mutations {
  readonly #lab: Lab;

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Asks for clearance, and must get it. */
  async cleared(datasets: readonly string[], intent: string, more: Partial<MutationAsk> = {}): Promise<Cleared> {
    return this.#granted(await this.#ask(datasets, intent, more)) as Cleared;
  }

  /** Asks for clearance, and must not get it. */
  async denied(datasets: readonly string[], intent: string, more: Partial<MutationAsk> = {}): Promise<Denied> {
    return this.#refused(await this.#ask(datasets, intent, more));
  }

  async commit({ mutation, fence }: Cleared): Promise<MutationView> {
    return this.#granted(await this.#post(`/v1/mutations/${mutation}/commit`, { fence })) as MutationView;
  }

  async rollback({ mutation, fence }: Cleared): Promise<MutationView> {
    return this.#granted(await this.#post(`/v1/mutations/${mutation}/rollback`, { fence })) as MutationView;
  }

  /** A rollback that must fail: the mutation is quarantined then. */
  async rollbackRefused({ mutation, fence }: Cleared): Promise<Denied> {
    const denied = this.#refused(await this.#post(`/v1/mutations/${mutation}/rollback`, { fence }));
    assert.equal((await this.show(mutation)).stage, 'quarantined');
    return denied;
  }

  /** Undoes a committed one, as an operator does. */
  async undo({ mutation }: Cleared): Promise<MutationView> {
    return this.#granted(await this.#post(`/v1/mutations/${mutation}/rollback`, {})) as MutationView;
  }

  async resolve({ mutation }: Pick<Cleared, 'mutation'>, choice: 'commit' | 'rollback'): Promise<MutationView> {
    return this.#granted(await this.#post(`/v1/mutations/${mutation}/resolve`, { choice })) as MutationView;
  }

  async show(mutation: string): Promise<MutationDetail> {
    return this.#granted(await this.#lab.api('GET', `/v1/mutations/${mutation}`)) as MutationDetail;
  }

  async kept(kind: 'snapshots' | 'evidence'): Promise<readonly KeptView[]> {
    const list = this.#granted(await this.#lab.api('GET', `/v1/${kind}`)) as KeptList;
    return list.kept;
  }

  /** Where the failed state of one that was rolled back is to be looked at. */
  async evidencePath({ mutation }: Pick<Cleared, 'mutation'>): Promise<string> {
    const mine = (await this.kept('evidence')).filter((one) => one.mutation === mutation);
    assert.equal(mine.length, 1, `${mutation} has ${mine.length} times evidence`);
    return mine[0]?.path ?? '';
  }

  #ask(datasets: readonly string[], intent: string, more: Partial<MutationAsk>): Promise<Answer> {
    return this.#post('/v1/mutations', { intent, datasets, ...more });
  }

  #post(path: string, body: unknown): Promise<Answer> {
    return this.#lab.api('POST', path, body);
  }

  #granted({ status, body }: Answer): unknown {
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  #refused({ status, body }: Answer): Denied {
    assert.notEqual(status, 200, JSON.stringify(body));
    const denied = body as Denied;
    assert.equal(denied.status, 'denied', JSON.stringify(body));
    return denied;
  }
}
