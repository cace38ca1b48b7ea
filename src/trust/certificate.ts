// The library finds its parts by it, and wants it there first.
// oxlint-disable-next-line no-unassigned-import -- it is imported for what it does
import 'reflect-metadata';
import { createHash, createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import type { CertificateRequest } from '../ports/authority.ts';
import { authorityName, controllerName } from './controller-name.ts';
import { newKey } from './key.ts';

/*
 * Keys and certificates: ECDSA on P-256 with SHA-256, which every TLS speaks. The DER is made and read by @peculiar/x509; keys come
 * from node:crypto, and travel as PKCS #8 in PEM.
 */

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
/** Clocks of two machines differ: a certificate is valid from a while before it was made. */
const BACKDATED_MS = 3_600_000;

/** A certificate and the private key that belongs to it, both PEM. */
export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

export interface Validity {
  /** Wall clock, ms. */
  readonly now: number;
  readonly expiresAt: number;
}

/** A new CA, and its certificate signed by itself. It signs end certificates only, never another CA. */
export async function newAuthority(mesh: string, validity: Validity): Promise<Identity> {
  const key = newKey();
  const keys = await pairOf(key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [authorityName(mesh)] }],
    ...period(validity),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key };
}

/**
 * What a controller shows to those who connect.
 *
 * @param names host names and addresses it is reached by
 */
export async function issueController(
  ca: Identity,
  { mesh, names, ...validity }: { readonly mesh: string; readonly names: readonly string[] } & Validity,
): Promise<Identity> {
  const key = newKey();
  const known = [controllerName(mesh), ...names.filter((name) => name !== controllerName(mesh))];
  const alternatives = known.map((value): x509.JsonGeneralName => ({ type: isIP(value) ? 'ip' : 'dns', value }));
  const certificate = await issue(ca, (await pairOf(key)).publicKey, 'hauki controller', validity, [
    new x509.ExtendedKeyUsageExtension([SERVER_AUTH], true),
    new x509.SubjectAlternativeNameExtension(alternatives),
  ]);
  return { certificate, key };
}

/** A node asks for a certificate: PKCS #10, signed with its key, which stays where it is. */
export async function makeRequest(key: string, node: string): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [node] }],
    keys: await pairOf(key),
    signingAlgorithm: ALGORITHM,
  });
  return request.toString('pem');
}

/**
 * Only P-256 keys, and only of whoever has the private half. Whatever name it carries is not looked at.
 *
 * @returns what is wrong with it, where it cannot be read
 */
export async function readRequest(text: string): Promise<CertificateRequest | string> {
  try {
    const request = new x509.Pkcs10CertificateRequest(text);
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' });
    const isP256 = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
    if (!isP256) return 'is for a key that is not ECDSA on P-256';
    if (!(await request.verify())) return 'is not signed with its own key';
    return publicPart(key.export({ type: 'spki', format: 'der' }));
  } catch {
    return 'is no PKCS #10 in PEM';
  }
}

/** The certificate of a node, for a request that was read. */
export async function issueNode(ca: Identity, text: string, node: string, validity: Validity): Promise<string> {
  const request = new x509.Pkcs10CertificateRequest(text);
  const publicKey = (await request.publicKey.export()) as webcrypto.CryptoKey;
  return issue(ca, publicKey, node, validity, [new x509.ExtendedKeyUsageExtension([CLIENT_AUTH], true)]);
}

function publicPart(spki: Buffer): CertificateRequest {
  return { fingerprint: createHash('sha256').update(spki).digest('hex'), publicKey: spki.toString('base64') };
}

async function issue(
  ca: Identity,
  publicKey: webcrypto.CryptoKey,
  name: string,
  validity: Validity,
  extensions: readonly x509.Extension[],
): Promise<string> {
  const issuer = new x509.X509Certificate(ca.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: [name] }],
    issuer: issuer.subjectName.toJSON(),
    ...period(validity),
    signingAlgorithm: ALGORITHM,
    signingKey: (await pairOf(ca.key)).privateKey,
    publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      ...extensions,
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return certificate.toString('pem');
}

async function pairOf(key: string): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = createPrivateKey(key);
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, ALGORITHM, true, ['verify']),
  };
}

function period({ now, expiresAt }: Validity): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(expiresAt) };
}

function serial(): string {
  return randomBytes(16).toString('hex');
}
