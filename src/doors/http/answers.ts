import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { type Code, CODES } from '../../base/codes.ts';
import { refusal, type Refusal } from '../../base/refusal.ts';
import type { Problem } from '../../wire/http.ts';
import { deniedView } from '../../wire/view.ts';

/** A refusal as an answer: `{"status":"denied",code,message,hint}` with the code's HTTP status. */
export async function sendRefusal(reply: FastifyReply, reason: Refusal, mutation?: string): Promise<FastifyReply> {
  return reply
    .code(CODES[reason.code].http)
    .type('application/json')
    .send(JSON.stringify(deniedView(reason, mutation)));
}

/** What was asked, and of which mutation, in the fields of a log line. */
function aboutOf({ method, routeOptions: { url = '' }, params }: FastifyRequest): Readonly<Record<string, string>> {
  const { id } = params as { readonly id?: string };
  const isMutation = url.startsWith('/v1/mutations/') && id !== undefined;
  return { request: `${method} ${url}`, ...(isMutation ? { mutation: id } : {}) };
}

/** Requests that could not be understood, and defects: problem details (RFC 9457), never a stack trace. */
export function errorHandler(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const reason = reasonFor(error);
  const http = CODES[reason.code].http;
  if (http >= 500) request.log.error({ ...aboutOf(request), error: error.stack }, 'a request failed');
  sendProblem(reply, reason);
}

export function notFoundHandler(request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(reply, refusal('route_unknown', `There is no ${request.method} ${request.url.split('?')[0]} here.`));
}

function sendProblem(reply: FastifyReply, reason: Refusal): void {
  const problem = problemOf(reason);
  void reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

export function problemOf({ code, message, hint }: Refusal): Problem {
  const title = code.replaceAll('_', ' ');
  return { type: `urn:hauki:${code}`, title, status: CODES[code].http, detail: message, code, message, hint };
}

const BY_FASTIFY: Readonly<Record<string, Code>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
};

function reasonFor(error: FastifyError): Refusal {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const faults = error.validation.map(({ instancePath, message }) =>
      `${instancePath.replace(/^\//, '').replaceAll('/', '.')} ${message}`.trim(),
    );
    return refusal('body_invalid', `The request does not fit: ${faults.join('; ')}.`);
  }
  const known = BY_FASTIFY[error.code];
  if (known !== undefined) return refusal(known, error.message);
  if ((error.statusCode ?? 500) < 500) return refusal('body_invalid', error.message);
  return refusal('internal', 'The controller met an error it did not expect.');
}
