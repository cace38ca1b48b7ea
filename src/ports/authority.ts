import type { Refusal } from '../base/refusal.ts';
import type { Result } from '../base/result.ts';

/** What a request for a certificate says; that its sender has the private key is proven by its signature. */
export interface CertificateRequest {
  /** See Member. */
  readonly fingerprint: string;
  readonly publicKey: string;
}

/** Who makes a mesh's certificates and tokens: holds the key of its CA. */
export interface Authority {
  /** The mesh's id, and its CA's certificate (PEM). */
  readonly mesh: string;
  readonly ca: string;
  /** Where nodes find the controller, `host:port`, for a join token. */
  readonly addresses: () => readonly string[];
  /** Reads a PKCS #10 request (PEM). Refused: `body_invalid`. */
  readonly read: (request: string) => Promise<Result<CertificateRequest, Refusal>>;
  /** A client certificate (PEM) for the key of a request that was read. */
  readonly issue: (request: string, node: string, expiresAt: number) => Promise<string>;
  /** The one line that invites a node. */
  readonly token: (invitation: {
    readonly node: string;
    readonly secret: string;
    readonly expiresAt: number;
  }) => string;
}
