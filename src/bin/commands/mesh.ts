import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { refusal, RefusedError } from '../../base/refusal.ts';
import { fingerprintOf } from '../../trust/authority.ts';
import { createMesh, meshFolder } from '../../trust/mesh-home.ts';
import { homeFrom, makeHome } from '../home.ts';
import { printJson, printText } from '../output.ts';

export interface InitOptions {
  readonly name?: readonly string[];
  readonly address?: readonly string[];
  readonly json?: boolean;
}

const PORT_DEFAULT = 7717;

/** `hauki mesh init`: the root of the mesh's trust, made once. */
export async function meshInit({ name = [], address = [], json = false }: InitOptions): Promise<number> {
  const home = homeFrom(process.env);
  const addresses = address.map(withPort);
  const hosts = addresses.map((one) => new URL(`https://${one}`).hostname.replace(/^\[|\]$/g, ''));
  const names = [...new Set([...name.map(properName), ...hosts, properName(hostname()), 'localhost', '127.0.0.1'])];
  makeHome(home);
  const mesh = await createMesh(home.root, { mesh: randomBytes(8).toString('hex'), names, addresses }, Date.now());
  const fingerprint = fingerprintOf(mesh.ca.certificate);
  if (json)
    printJson({ status: 'ready', mesh: mesh.mesh, ca: fingerprint, names, addresses, folder: meshFolder(home.root) });
  else {
    printText(`mesh       ${mesh.mesh} in ${meshFolder(home.root)}`);
    printText(`ca         sha256 ${fingerprint}`);
    printText(`next       hauki controller --listen ${addresses[0] ?? `10.0.0.5:${PORT_DEFAULT}`}`);
    printText('           hauki node invite NAME');
    printText('Back up ca.key: whoever has it can let nodes in, and without it no node can be let in.');
  }
  return 0;
}

function withPort(text: string): string {
  const address = /:\d+$/.test(text) && !/^[^[]*:[^[]*:/.test(text) ? text : `${bracketed(text)}:${PORT_DEFAULT}`;
  if (URL.canParse(`https://${address}`) && !/[/?#@]/.test(address)) return address;
  throw new RefusedError(
    refusal(
      'usage',
      `"${text}" is no address of a controller.`,
      'Write a host name or an IP address, and a port: 10.0.0.5:7717.',
    ),
  );
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function properName(text: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}$/.test(text)) return text.toLowerCase();
  throw new RefusedError(refusal('usage', `"${text}" is no name of a host.`, 'Write a host name or an IP address.'));
}
