/** The controller's HTTP API, as this page asks it. */

/** What a controller refused; or `unreachable`, when none answered. */
export class Refused extends Error {
  override readonly name = 'Refused';
  /** As in docs/errors.md; empty: a node's own words, which have none. */
  readonly code: string;
  readonly hint: string;
  /** Of the HTTP answer; 0: there was none. */
  readonly status: number;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }

  /** Whether the same may go well in a moment. What is forbidden stays so, and asking again would be put on record. */
  get passes(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** Told when the controller does not know any more who asks. */
let loggedOut = (): void => {};

export function whenLoggedOut(listener: () => void): void {
  loggedOut = listener;
}

/** How far the controller's clock is ahead of this one's, ms. Ages are counted by the controller's. */
let aheadMs = 0;

/** The controller's wall clock, ms since the epoch, as well as it is known. */
export function controllerNow(): number {
  return Date.now() + aheadMs;
}

/** @throws Refused */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return ask<T>('GET', path, undefined, signal);
}

/** @throws Refused */
export async function send<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<T> {
  return ask<T>(method, path, body);
}

/** Of one mutation: `/v1/mutations/M`. */
export function mutationPath(id: string): string {
  return `/v1/mutations/${encodeURIComponent(id)}`;
}

/** Of one node: `/v1/nodes/N`. */
export function nodePath(name: string): string {
  return `/v1/nodes/${encodeURIComponent(name)}`;
}

export const SESSION = '/v1/session';

/** Tells the controller that it is this page that asks, which a form of another site cannot. */
export const PAGE_HEADERS = { 'x-hauki-page': '1' } as const;

/** What stands in an answer that refuses. */
export async function refusalOf(response: Response): Promise<Refused> {
  const body = (await response.json().catch(() => undefined)) as Partial<Record<string, string>> | undefined;
  const { code, message, hint } = body ?? {};
  return new Refused(
    response.status,
    code ?? 'unreachable',
    message ?? `The answer (HTTP ${response.status}) is not one of a hauki controller.`,
    hint ?? 'Check the address, and what stands between here and the controller.',
  );
}

async function ask<T>(method: string, path: string, body: object | undefined, signal?: AbortSignal): Promise<T> {
  const response = await fetch(path, {
    method,
    headers: { ...PAGE_HEADERS, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  }).catch((error: unknown) => {
    if (signal?.aborted === true) throw error;
    throw new Refused(0, 'unreachable', 'The controller does not answer.', 'Check that it runs: hauki status.');
  });
  hearClock(response.headers.get('date'));
  if (!response.ok) {
    const refused = await refusalOf(response);
    // A token that is refused at login is no session that ended.
    if (response.status === 401 && path !== SESSION) loggedOut();
    throw refused;
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** The header has whole seconds, so less than two of difference is none. */
function hearClock(date: string | null): void {
  const told = date === null ? Number.NaN : Date.parse(date);
  if (Number.isNaN(told)) return;
  const difference = told + 500 - Date.now();
  aheadMs = Math.abs(difference) < 2_000 ? 0 : difference;
}
