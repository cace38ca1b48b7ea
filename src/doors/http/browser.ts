import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { refusal, type Refusal } from '../../base/refusal.ts';
import { PAGE_HEADER } from '../../wire/session.ts';

/*
 * What a browser says of where a request comes from. A browser sends cookies by itself, also with requests that some other page had it
 * make: so what is asked with a cookie is believed only when it comes from a page of this very address.
 */

/** Names that cannot be made to lead here by whoever owns a domain. */
const LOOPBACK_NAMES = /^(?:localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])$/;

/** So much of what a request says of itself is repeated to people and in the ledger, characters. */
const REPEATED_MAX = 100;

/**
 * Why a request that a browser sent is not one of our own page; undefined when it is.
 *
 * @param hosts what this listener is called, in a URL
 * @param wanted `change`: one that has to prove that the page's own program made it
 */
export function foreignRefusal(
  request: IncomingMessage,
  hosts: ReadonlySet<string>,
  wanted: 'look' | 'change',
): Refusal | undefined {
  const { headers } = request;
  const host = (headers.host ?? '').toLowerCase();
  // A name of somebody else's that was made to lead here: then the page that asks is his, and to the browser it is of one origin with us.
  if (!isKnown(host.replace(/:\d+$/, ''), hosts)) return foreign(sentTo(host));
  const other = otherPageRefusal(request);
  if (other !== undefined) return other;
  if (wanted === 'change' && headers[PAGE_HEADER] !== '1') return foreign(`It lacks the header ${PAGE_HEADER}: 1.`);
  return undefined;
}

/**
 * The same where nobody shows a secret, on the Unix socket: somebody may have led a port of his machine there, and a name with a dot may be
 * anybody's domain that was made to lead to that port. Undefined for a name that cannot.
 */
export function strangeHostRefusal({ headers }: IncomingMessage): Refusal | undefined {
  const host = (headers.host ?? '').toLowerCase();
  const name = host.replace(/:\d+$/, '');
  return !/[.:]/.test(name) || LOOPBACK_NAMES.test(name) ? undefined : foreign(sentTo(host));
}

/** Why a request is one that a page of another address had a browser make; undefined when it is not, or when no browser made it. */
export function otherPageRefusal({ headers, socket }: IncomingMessage): Refusal | undefined {
  const own = `${socket instanceof TLSSocket ? 'https' : 'http'}://${(headers.host ?? '').toLowerCase()}`;
  const origin = headers.origin?.toLowerCase();
  if (origin !== undefined && origin !== own) return foreign(`It comes from a page of ${clipped(origin)}.`);
  const site = headers['sec-fetch-site'];
  if (site === undefined || site === 'same-origin' || site === 'none') return undefined;
  return foreign('It comes from a page of another address.');
}

/** Whether a request only looks. */
export function wantedBy({ method }: IncomingMessage): 'look' | 'change' {
  return method === 'GET' || method === 'HEAD' ? 'look' : 'change';
}

function isKnown(name: string, hosts: ReadonlySet<string>): boolean {
  return hosts.has(name) || LOOPBACK_NAMES.test(name);
}

/** As it stands in a URL: an IPv6 address in brackets. */
export function hostInUrl(host: string): string {
  return (host.includes(':') ? `[${host}]` : host).toLowerCase();
}

function sentTo(host: string): string {
  return `It was sent to "${clipped(host)}", which is no name of this controller.`;
}

function clipped(text: string): string {
  return text.length > REPEATED_MAX ? `${text.slice(0, REPEATED_MAX)}…` : text;
}

function foreign(why: string): Refusal {
  return refusal('page_foreign', `The request is not of this controller's own page. ${why}`);
}

/** Of one controller on one machine there may be several, each on its own port, and cookies know no ports. */
function cookieName({ headers }: IncomingMessage): string {
  const port = /:(\d+)$/.exec(headers.host ?? '')?.[1];
  return port === undefined ? 'hauki_session' : `hauki_session_${port}`;
}

/** What a request's cookie says of its session; undefined without one. */
export function sessionIn(request: IncomingMessage): string | undefined {
  const name = cookieName(request);
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

/**
 * The header that has a browser keep its session, until it is closed; or forget it.
 *
 * @param id undefined: forget it
 */
export function sessionCookie(request: IncomingMessage, id: string | undefined): string {
  const secure = request.socket instanceof TLSSocket ? '; Secure' : '';
  const over = id === undefined ? '; Max-Age=0' : '';
  return `${cookieName(request)}=${id ?? ''}; Path=/; HttpOnly; SameSite=Strict${secure}${over}`;
}
