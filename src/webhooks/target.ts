import { lookup as systemLookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { BlockList, isIP, isIPv4 } from 'node:net';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/**
 * Where hooks may point. The controller can reach what the one who adds a hook cannot, so by default nothing but loopback and the mesh's
 * own networks is called, and that is judged by the address a name has at the moment of the call: a name can be made to point
 * elsewhere at any time.
 */
const NETWORKS = ['127.0.0.0/8', '::1', '10.0.0.0/8', '100.64.0.0/10'];

/** The kind of lookup that `net.connect` takes. */
export type Lookup = (
  host: string,
  options: LookupOptions,
  answer: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void;

export class Targets {
  readonly #addresses = new BlockList();
  readonly #names = new Set<string>();
  readonly #lookup: Lookup;

  /** @param allowed more of them, each by name: host names, addresses, or networks such as `192.168.1.0/24` */
  constructor(allowed: readonly string[], lookup: Lookup = systemLookup) {
    this.#lookup = lookup;
    for (const one of [...NETWORKS, ...allowed]) {
      const [address = '', bits] = one.split('/');
      const family = isIPv4(address) ? 'ipv4' : 'ipv6';
      if (isIP(address) === 0) this.#names.add(one.toLowerCase());
      else if (bits === undefined) this.#addresses.addAddress(address, family);
      else this.#addresses.addSubnet(address, Number(bits), family);
    }
  }

  /** What can be said of an address before it is called. */
  check(text: string): Result<URL, Refusal> {
    const no = (message: string, hint?: string): Result<URL, Refusal> => err(refusal('webhook_refused', message, hint));
    if (!URL.canParse(text)) return no('The address is not a URL.');
    const url = new URL(text);
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
      return no(`Hooks are called by http or https, not ${url.protocol}//.`);
    if (url.username !== '' || url.password !== '')
      return no(
        'The address holds a password, which would stand in every list.',
        'Receivers know hauki by its signature.',
      );
    if (url.hash !== '') return no('The address has a fragment (#…), which is never sent.');
    const host = hostOf(url);
    if (isIP(host) !== 0 && !this.#allows(host, host)) return no(this.#forbidden(host));
    return ok(url);
  }

  /** For `net.connect`: addresses that are not allowed are as good as not there. */
  lookup(): Lookup {
    return (host, options, answer) => {
      this.#lookup(host, { ...options, all: true }, (error, found) => {
        if (error !== null) return answer(error, []);
        const all = found as LookupAddress[];
        const allowed = all.filter(({ address }) => this.#allows(host, address));
        const [first] = allowed;
        if (first === undefined) {
          const message = this.#forbidden(`${host} (${all.map(({ address }) => address).join(', ')})`);
          return answer(new Error(message), []);
        }
        if (options.all) answer(null, allowed);
        else answer(null, first.address, first.family);
      });
    };
  }

  #allows(host: string, address: string): boolean {
    if (this.#names.has(host.toLowerCase())) return true;
    // An IPv4 address in IPv6's clothes is judged as what it is.
    const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
    return this.#addresses.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6');
  }

  #forbidden(what: string): string {
    return `Hooks may not call ${what}: it is outside loopback, 10.0.0.0/8 and 100.64.0.0/10, and not named in webhooks.allow`;
  }
}

/** `[::1]` → `::1` */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}
