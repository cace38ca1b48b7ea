import { BlockList, isIP } from 'node:net';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';

/** Where a mesh lives: loopback and the two internal networks. */
const INTERNAL = ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '100.64.0.0/10'] as const;
const PORT_DEFAULT = 7717;

/** Where a controller listens for nodes. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Addresses that are let in. An IPv4 address that comes as IPv6 (`::ffff:10.0.0.1`) is the IPv4 address. */
export class Networks {
  readonly #list = new BlockList();

  /** @param more networks (`192.168.7.0/24`) or addresses besides the internal ones; @throws TypeError for what is neither */
  constructor(more: readonly string[] = []) {
    for (const network of [...INTERNAL, ...more]) this.#add(network);
  }

  has(address: string): boolean {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 6 ? 'ipv6' : 'ipv4');
  }

  #add(network: string): void {
    const [address = '', bits, ...rest] = network.split('/');
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : Number(bits);
    const fits = /^\d+$/.test(bits ?? '0') && prefix <= most && rest.length === 0;
    if (version === 0 || !fits) throw new TypeError(`"${network}" is no network such as 192.168.7.0/24`);
    this.#list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
}

export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '').replace(/%.*$/, '');
}

/**
 * `10.0.0.5:7717`, `10.0.0.5`, `[::1]:7717` → an address to listen on.
 *
 * Internal ones are taken as they are; others only when the configuration names that very address. Every address of the machine at
 * once is never taken: it would be the public one too, today or tomorrow.
 *
 * @param named `listenAnywhere` of config.yaml
 */
export function listenAddress(text: string, named: readonly string[]): Result<ListenAddress, Refusal> {
  const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text);
  const host = parts?.[1] ?? parts?.[2] ?? (isIP(text) === 6 ? text : '');
  const port = Number(parts?.[3] ?? PORT_DEFAULT);
  if (isIP(host) === 0 || port > 65_535) {
    return err(
      refusal(
        'address_refused',
        `"${text}" is no address to listen on.`,
        'Write an IP address with a port, such as 10.0.0.5:7717.',
      ),
    );
  }
  if (isEverywhere(host)) {
    return err(
      refusal(
        'address_refused',
        `"${text}" means every address of this machine, public ones too.`,
        'Name each one: --listen 10.0.0.5:7717 --listen 127.0.0.1:7718.',
      ),
    );
  }
  if (new Networks().has(host) || named.includes(host)) return ok({ host, port });
  return err(
    refusal(
      'address_refused',
      `${host} is neither loopback nor in 10.0.0.0/8 or 100.64.0.0/10.`,
      `If that is meant, write "listenAnywhere: [${JSON.stringify(host)}]" into config.yaml of HAUKI_HOME.`,
    ),
  );
}

/** `0.0.0.0`, `::`, `0:0::0`, `::ffff:0.0.0.0`. */
function isEverywhere(host: string): boolean {
  const everywhere = new BlockList();
  everywhere.addAddress('0.0.0.0', 'ipv4');
  everywhere.addAddress('::', 'ipv6');
  const plain = plainAddress(host);
  return everywhere.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4');
}

export function hostAndPort({ host, port }: ListenAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}
