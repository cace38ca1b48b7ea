import { createHash } from 'node:crypto';
import { refusal, type Refusal } from '../base/refusal.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Invitation, Member } from '../core/node/member.ts';
import type { NodePolicy } from '../core/policy/rules.ts';
import type { ApiToken, Scope } from '../core/token/token.ts';
import type { Authority } from '../ports/authority.ts';
import type { Clock } from '../ports/clock.ts';
import type { Engine } from './engine.ts';

export interface EnrolmentOptions {
  /** The controller's own name, which no node may have. */
  readonly node: string;
  /** The controller's public key (SPKI in DER as base64), for what it signs beside TLS. */
  readonly publicKey: string;
  readonly clock: Clock;
  /** Undefined while this controller has no mesh. Asked each time: a mesh can be made under a running controller. */
  readonly authority: () => Authority | undefined;
  /** A secret that nobody guesses: base64url of at least 128 random bits. */
  readonly newSecret: () => string;
}

/** What a node gets when it joins or rotates. */
export interface Certified {
  readonly node: string;
  readonly mesh: string;
  /** PEM, both. */
  readonly certificate: string;
  readonly ca: string;
  /** By what it knows the controller's lines on IRC. */
  readonly controller: { readonly name: string; readonly publicKey: string };
  readonly expiresAt: number;
}

const TOKEN_MS_DEFAULT = 24 * 3_600_000;
/** Short, because nobody asks a list of revoked certificates elsewhere; nodes renew theirs at two thirds of it. */
const CERTIFICATE_MS = 30 * 24 * 3_600_000;
/** Nodes and tokens recognise their own secrets by it, and so do those who find one in a log. */
const TOKEN_PREFIX = 'hauki_';

/** Who is let in: the uses that the doors offer for nodes and tokens. What is decided is decided in core; here keys and secrets are. */
export class Enrolment {
  readonly #engine: Engine;
  readonly #options: EnrolmentOptions;

  constructor(engine: Engine, options: EnrolmentOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  get now(): number {
    return Math.max(this.#options.clock.now(), this.#engine.state.counters.at);
  }

  /** @returns the join token, which is nowhere else */
  async invite(
    node: string,
    policy: NodePolicy,
    validMs = TOKEN_MS_DEFAULT,
  ): Promise<Result<{ readonly token: string; readonly expiresAt: number }, Refusal>> {
    const authority = this.#authority();
    if (!authority.ok) return authority;
    if (authority.value.addresses().length === 0) {
      return err(
        refusal(
          'mesh_missing',
          'No node could reach this controller: it listens nowhere for nodes.',
          'Start it with --listen 10.0.0.5:7717 (its own address), or write "listen" into config.yaml.',
        ),
      );
    }
    if (node === this.#options.node) {
      return err(refusal('name_taken', `${node} is the controller's own name.`));
    }
    const secret = this.#options.newSecret();
    const expiresAt = this.now + validMs;
    const invited = await this.#engine.submit({ type: 'invite', node, digest: digestOf(secret), expiresAt, policy });
    if (!invited.ok) return invited;
    return ok({ token: authority.value.token({ node, secret, expiresAt }), expiresAt });
  }

  /** Lets a node in by the secret of its token. Repeated with the same key it gives a certificate again. */
  async join(node: string, secret: string, request: string): Promise<Result<Certified, Refusal>> {
    return this.#certify(node, request, (key, expiresAt) =>
      this.#engine.submit({ type: 'join', node, digest: digestOf(secret), ...key, expiresAt }),
    );
  }

  /** @param from fingerprint of the key it asks with */
  async rotate(node: string, from: string, request: string): Promise<Result<Certified, Refusal>> {
    return this.#certify(node, request, (key, expiresAt) =>
      this.#engine.submit({ type: 'rotate', node, from, ...key, expiresAt }),
    );
  }

  async revoke(node: string): Promise<Result<unknown, Refusal>> {
    return this.#engine.submit({ type: 'revoke', node });
  }

  nodes(): { readonly members: readonly Member[]; readonly invitations: readonly Invitation[] } {
    const { nodes, invitations } = this.#engine.state;
    return { members: [...nodes.values()], invitations: [...invitations.values()] };
  }

  /** @returns the token, which is nowhere else */
  async issueToken(
    name: string,
    scopes: readonly Scope[],
    validMs?: number,
  ): Promise<Result<{ readonly token: string; readonly issued: ApiToken }, Refusal>> {
    const token = TOKEN_PREFIX + this.#options.newSecret();
    const digest = digestOf(token);
    const expiry = validMs === undefined ? {} : { expiresAt: this.now + validMs };
    const result = await this.#engine.submit({
      type: 'issue_token',
      name,
      digest,
      scopes: [...new Set(scopes)],
      ...expiry,
    });
    if (!result.ok) return result;
    const issued = this.#engine.state.tokens.get(digest);
    return issued === undefined
      ? err(refusal('token_revoked', `Token ${name} was revoked at once.`))
      : ok({ token, issued });
  }

  async revokeToken(name: string): Promise<Result<unknown, Refusal>> {
    return this.#engine.submit({ type: 'revoke_token', name });
  }

  tokens(): readonly ApiToken[] {
    return [...this.#engine.state.tokens.values()];
  }

  /** Recorded first, certified then: a crash between the two costs the node nothing but asking again. */
  async #certify(
    node: string,
    request: string,
    record: (key: { fingerprint: string; publicKey: string }, expiresAt: number) => Promise<Result<unknown, Refusal>>,
  ): Promise<Result<Certified, Refusal>> {
    const authority = this.#authority();
    if (!authority.ok) return authority;
    const key = await authority.value.read(request);
    if (!key.ok) return key;
    const recorded = await record(key.value, this.now + CERTIFICATE_MS);
    if (!recorded.ok) return recorded;
    const member = this.#engine.state.nodes.get(node);
    if (member === undefined || member.revokedAt !== undefined || member.fingerprint !== key.value.fingerprint) {
      return err(refusal('node_revoked', `Node ${node} was revoked or replaced at this very moment.`));
    }
    const { mesh, ca } = authority.value;
    const certificate = await authority.value.issue(request, node, member.expiresAt);
    const controller = { name: this.#options.node, publicKey: this.#options.publicKey };
    return ok({ node, mesh, ca, certificate, controller, expiresAt: member.expiresAt });
  }

  #authority(): Result<Authority, Refusal> {
    const authority = this.#options.authority();
    return authority === undefined ? err(refusal('mesh_missing', 'This controller has no mesh yet.')) : ok(authority);
  }
}

/** SHA-256 of a secret, lower-case hex. The secrets have 256 random bits, so a plain hash keeps them. */
export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
