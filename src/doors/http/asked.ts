import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { canonicalJson } from '../../base/canonical.ts';
import { parseDuration } from '../../base/duration.ts';
import { traceparentIn } from '../../base/traceparent.ts';
import type { Ask } from '../../engine/ask.ts';
import type * as contract from '../../wire/http.ts';
import { describePrincipal } from './principal.ts';

/**
 * What a request for clearance asks for.
 *
 * @param node as whom it is asked; undefined: as the controller's own
 * @param request what came with it: the key under which it can be asked again, and the trace it is part of
 */
export function askOf(body: contract.MutationAsk, node: string | undefined, request: FastifyRequest): Ask {
  const key = keyOf(request);
  const { traceparent: said } = request.headers;
  const traceparent = traceparentIn(typeof said === 'string' ? said : undefined);
  // The schema has let through only durations that parse.
  const ms = (text: string): number => {
    const parsed = parseDuration(text);
    return parsed.ok ? parsed.value : Number.NaN;
  };
  const { intent, datasets, mode, onExpiry } = body;
  return {
    intent,
    datasets,
    attached: body.attach ?? false,
    recursive: body.recursive ?? false,
    hold: body.hold ?? false,
    ...(body.allowMissing === undefined ? {} : { allowMissing: body.allowMissing }),
    ...(body.flush === undefined ? {} : { flushMs: ms(body.flush) }),
    ...(body.task === undefined ? {} : { task: body.task }),
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(node === undefined ? {} : { node }),
    ...(mode === undefined ? {} : { mode }),
    ...(onExpiry === undefined ? {} : { onExpiry }),
    ...(body.ttl === undefined ? {} : { ttlMs: ms(body.ttl) }),
    ...(body.wait === undefined ? {} : { waitMs: ms(body.wait) }),
    ...(key !== undefined
      ? {
          key,
          keyDigest: createHash('sha256')
            .update(canonicalJson({ ...body, node }))
            .digest('hex'),
        }
      : {}),
  };
}

/** Whoever is not the operator has its keys to itself: nobody uses up another's. */
function keyOf({ headers, principal }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (typeof key !== 'string' || principal === undefined || principal.kind === 'operator') return key?.toString();
  return `${describePrincipal(principal)} ${key}`;
}
