import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { refusal, RefusedError } from '../base/refusal.ts';
import type { Identity } from './certificate.ts';
import { syncFolder, writeDurably } from './durable.ts';

/*
 * What a controller keeps of its mesh (what makes certificates is big, and loaded when one is made), in HAUKI_HOME/mesh:
 *
 *   mesh.json        id, names and addresses
 *   ca.key, ca.pem   the mesh's CA. Whoever has the key is the mesh.
 *   controller.key, controller.pem
 */

const DAY_MS = 24 * 3_600_000;
const CA_MS = 20 * 365 * DAY_MS;
const CONTROLLER_MS = 365 * DAY_MS;
/** A controller's certificate is made anew when less than this is left of it. */
const CONTROLLER_LEFT_MS = 120 * DAY_MS;

const description = z.object({
  mesh: z.string().regex(/^[0-9a-f]{16}$/),
  /** Host names and addresses by which nodes reach the controller, without ports. */
  names: z.array(z.string()),
  /** `host:port` as they stand in join tokens; without any, those it listens on. */
  addresses: z.array(z.string()),
});
export type MeshDescription = z.infer<typeof description>;

export interface MeshHome extends MeshDescription {
  readonly ca: Identity;
  readonly controller: Identity;
}

export function meshFolder(home: string): string {
  return join(home, 'mesh');
}

/** Makes the mesh: all of it is there, or nothing. @throws RefusedError `name_taken` when there is one already */
export async function createMesh(home: string, described: MeshDescription, now: number): Promise<MeshHome> {
  const folder = meshFolder(home);
  if (existsSync(folder)) throw alreadyThere(folder);
  const { issueController, newAuthority } = await import('./certificate.ts');
  const ca = await newAuthority(described.mesh, { now, expiresAt: now + CA_MS });
  const controller = await issueController(ca, { ...described, now, expiresAt: now + CONTROLLER_MS });
  const making = `${folder}.${process.pid}.new`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  writeDurably(join(making, 'ca.key'), ca.key, 0o600);
  writeDurably(join(making, 'ca.pem'), ca.certificate, 0o644);
  writeController(making, controller);
  writeDurably(join(making, 'mesh.json'), `${JSON.stringify(described, null, 2)}\n`, 0o644);
  try {
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    // Somebody else was faster.
    if (existsSync(folder)) throw alreadyThere(folder);
    throw error;
  }
  syncFolder(dirname(folder));
  return { ...described, ca, controller };
}

/** Undefined when there is no mesh here. @throws RefusedError `mesh_missing` when its files are not whole */
export function readMesh(home: string): MeshHome | undefined {
  const folder = meshFolder(home);
  if (!existsSync(folder)) return undefined;
  try {
    const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const described = description.parse(JSON.parse(text('mesh.json')));
    return {
      ...described,
      ca: { certificate: text('ca.pem'), key: text('ca.key') },
      controller: { certificate: text('controller.pem'), key: text('controller.key') },
    };
  } catch (error) {
    throw new RefusedError(
      refusal(
        'mesh_missing',
        `The mesh in ${folder} cannot be read: ${(error as Error).message}.`,
        'Restore the folder from a backup.',
      ),
    );
  }
}

/**
 * The controller's certificate, made anew when it runs out or does not name everything it is reached by.
 *
 * @param hosts it listens on, besides what the mesh names
 */
export async function freshController(
  home: string,
  mesh: MeshHome,
  hosts: readonly string[],
  now: number,
): Promise<Identity> {
  const certificate = new X509Certificate(mesh.controller.certificate);
  const names = [...new Set([...mesh.names, ...hosts])];
  const covers = names.every((name) => (isIP(name) ? certificate.checkIP(name) : certificate.checkHost(name)));
  // A crash between the two files leaves a key that is another's.
  const belongs = certificate.checkPrivateKey(createPrivateKey(mesh.controller.key));
  if (covers && belongs && Date.parse(certificate.validTo) - now > CONTROLLER_LEFT_MS) return mesh.controller;
  const { issueController } = await import('./certificate.ts');
  const controller = await issueController(mesh.ca, { mesh: mesh.mesh, names, now, expiresAt: now + CONTROLLER_MS });
  writeController(meshFolder(home), controller);
  return controller;
}

function writeController(folder: string, { certificate, key }: Identity): void {
  writeDurably(join(folder, 'controller.key'), key, 0o600);
  writeDurably(join(folder, 'controller.pem'), certificate, 0o644);
}

function alreadyThere(folder: string): RefusedError {
  return new RefusedError(
    refusal(
      'name_taken',
      `There is a mesh already: ${folder}.`,
      'Nothing was changed. A new mesh begins with another HAUKI_HOME.',
    ),
  );
}
