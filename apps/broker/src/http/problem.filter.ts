import { STATUS_CODES } from 'node:http';

import {
  type ArgumentsHost,
  Catch,
  type ExceptionFilter,
  HttpException,
  Logger,
  ServiceUnavailableException,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { IssuerError, TokenError } from '#token';
import { VaultError } from '#vault';

import { OAuthProblem, Problem, type ProblemCode, type RefusalCode, REFUSALS } from './problem.js';
import type { Routes } from './routes.js';

/** The only map from an error's code to an HTTP status. */
export const STATUS: Readonly<Record<ProblemCode, number>> = {
  invalid_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  rate_limited: 429,
  client_disabled: 409,
  credentials_rejected: 502,
  merchant_rejected: 422,
  scope_rejected: 422,
  upstream_invalid: 502,
  upstream_unavailable: 503,
  refresh_busy: 503,
  draining: 503,
  overloaded: 503,
  vault_unavailable: 503,
  store_unavailable: 503,
  internal_error: 500,
};

export const TITLE: Readonly<Record<ProblemCode, string>> = {
  invalid_request: 'The request is not valid',
  unauthenticated: 'A valid caller key is needed',
  forbidden: 'The caller may not do this',
  not_found: 'There is no such thing',
  conflict: 'The request contradicts the present state',
  precondition_failed: 'It was changed since it was read',
  payload_too_large: 'The request is too large',
  unsupported_media_type: 'The body is of a kind that is not read here',
  rate_limited: 'The caller asks too often',
  client_disabled: 'The client is switched off',
  credentials_rejected: 'MobilePay refused the client’s credentials',
  merchant_rejected: 'MobilePay refused the merchant',
  scope_rejected: 'MobilePay refused the scope',
  upstream_invalid: 'MobilePay’s answer cannot be used',
  upstream_unavailable: 'MobilePay cannot be reached, or cannot answer now',
  refresh_busy: 'The token is still being refreshed',
  draining: 'This replica is shutting down',
  overloaded: 'This replica serves as many as it can',
  vault_unavailable: 'The vault cannot be written',
  store_unavailable: 'The shared token store is away',
  internal_error: 'Something went wrong that should not have',
};

/** The same for the OAuth endpoint: RFC 6749 §5.2, and §4.1.2.1 for what that section does not know. */
export const OAUTH_ERROR: Readonly<Record<ProblemCode, { error: string; status: number }>> = {
  invalid_request: { error: 'invalid_request', status: 400 },
  unauthenticated: { error: 'invalid_client', status: 401 },
  forbidden: { error: 'unauthorized_client', status: 400 },
  not_found: { error: 'invalid_client', status: 401 },
  conflict: { error: 'invalid_request', status: 400 },
  precondition_failed: { error: 'invalid_request', status: 400 },
  payload_too_large: { error: 'invalid_request', status: 413 },
  unsupported_media_type: { error: 'invalid_request', status: 415 },
  rate_limited: { error: 'temporarily_unavailable', status: 429 },
  client_disabled: { error: 'unauthorized_client', status: 400 },
  credentials_rejected: { error: 'server_error', status: 502 },
  merchant_rejected: { error: 'invalid_request', status: 400 },
  scope_rejected: { error: 'invalid_scope', status: 400 },
  upstream_invalid: { error: 'server_error', status: 502 },
  upstream_unavailable: { error: 'temporarily_unavailable', status: 503 },
  refresh_busy: { error: 'temporarily_unavailable', status: 503 },
  draining: { error: 'temporarily_unavailable', status: 503 },
  overloaded: { error: 'temporarily_unavailable', status: 503 },
  vault_unavailable: { error: 'server_error', status: 503 },
  store_unavailable: { error: 'temporarily_unavailable', status: 503 },
  internal_error: { error: 'server_error', status: 500 },
};

/** Turns whatever was thrown into a problem document (RFC 9457), or on an OAuth route into an OAuth error. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  readonly #log = new Logger('http');
  /** Hears of each request that is refused. Set by whoever listens. */
  onRefusal: (code: RefusalCode, request: FastifyRequest) => void = () => {};

  constructor(private readonly routes: Routes) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    if (reply.sent) return;
    void reply.header('Cache-Control', 'no-store');
    if (error instanceof ServiceUnavailableException) {
      // Terminus' report of what is down.
      void reply.code(503).send(error.getResponse());
      return;
    }
    this.send(error, request, reply);
  }

  /** The same for what happens before or beside Nest. */
  send(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = asProblem(error, request, this.routes);
    if (problem.code === 'internal_error') {
      this.#log.error({ event: 'internal_error', correlation_id: request.id, error });
    }
    const refusal = refusalOf(error, problem);
    if (refusal) this.onRefusal(refusal, request);
    const { retryAfterMs } = problem.more;
    const retryAfter = retryAfterMs === undefined ? undefined : Math.max(1, Math.ceil(retryAfterMs / 1_000));
    if (retryAfter !== undefined) void reply.header('Retry-After', String(retryAfter));
    if (request.routeOptions.config.oauth) sendOAuthError(error, problem, reply);
    else sendProblem(problem, retryAfter, request, reply);
  }
}

function refusalOf(thrown: unknown, { code }: Problem): RefusalCode | undefined {
  if (!(thrown instanceof OAuthProblem)) return REFUSALS.find((each) => each === code);
  if (thrown.error === 'invalid_client') return 'unauthenticated';
  return thrown.error === 'unauthorized_client' ? 'forbidden' : undefined;
}

function sendProblem(
  problem: Problem,
  retryAfter: number | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { code, detail, more } = problem;
  if (code === 'unauthenticated') void reply.header('WWW-Authenticate', 'Bearer realm="token-broker"');
  const document = {
    type: `urn:token-broker:problem:${code}`,
    title: TITLE[code],
    status: STATUS[code],
    detail,
    code,
    retry_after: retryAfter,
    errors: more.errors,
    correlation_id: request.id,
  };
  void reply.code(STATUS[code]).type('application/problem+json; charset=utf-8').send(JSON.stringify(document));
}

function sendOAuthError(thrown: unknown, problem: Problem, reply: FastifyReply): void {
  const known = OAUTH_ERROR[problem.code];
  const { error, status } =
    thrown instanceof OAuthProblem
      ? { error: thrown.error, status: thrown.error === 'invalid_client' ? 401 : 400 }
      : known;
  if (status === 401) void reply.header('WWW-Authenticate', 'Basic realm="token-broker", charset="UTF-8"');
  void reply
    .code(status)
    .header('Pragma', 'no-cache')
    .type('application/json; charset=utf-8')
    .send(
      JSON.stringify({ error, error_description: problem.detail.replaceAll(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, "'") }),
    );
}

function asProblem(error: unknown, request: FastifyRequest, routes: Routes): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof OAuthProblem) return new Problem('invalid_request', error.description);
  if (error instanceof TokenError) return tokenProblem(error);
  if (error instanceof VaultError) return vaultProblem(error);
  if (error instanceof HttpException) return httpProblem(error, request, routes);
  // The sender hung up in the middle of its body: no mistake of ours, and nobody reads the answer.
  if (request.raw.destroyed && !request.raw.complete) return unreadable('ended before its length');
  return new Problem('internal_error', `the log says more under ${request.id}`);
}

function tokenProblem(error: TokenError): Problem {
  switch (error.code) {
    case 'validity_unavailable':
      return new Problem('invalid_request', error.message, {
        errors: [{ field: 'min_validity', detail: `must be less: ${error.message}` }],
      });
    case 'refresh_busy':
    case 'draining':
      return new Problem(error.code, error.message, { retryAfterMs: 1_000 });
    case 'store_away':
      return new Problem('store_unavailable', error.message, { retryAfterMs: 1_000 });
    case 'credentials_rejected':
    case 'merchant_rejected':
    case 'scope_rejected':
    case 'upstream_invalid':
    case 'upstream_unavailable':
      return new Problem(error.code, error.message, {
        retryAfterMs: error instanceof IssuerError ? error.retryAfterMs : undefined,
      });
    default:
      return error.code satisfies never;
  }
}

function vaultProblem({ code, message, field }: VaultError): Problem {
  switch (code) {
    case 'invalid':
      return new Problem('invalid_request', message, {
        ...(field !== undefined && { errors: [{ field, detail: behind(field, message) }] }),
      });
    case 'archive':
    case 'backup':
      return new Problem('invalid_request', message, { errors: [{ field: code, detail: behind(code, message) }] });
    case 'not_found':
    case 'conflict':
      return new Problem(code, message);
    case 'newer':
    case 'read_only':
      return new Problem('conflict', message);
    case 'precondition':
      return new Problem('precondition_failed', message);
    case 'unreadable':
    case 'unwritable':
    case 'wrong_key':
    case 'damaged':
      return new Problem('vault_unavailable', message);
    default:
      return code satisfies never;
  }
}

/** What is said of a field, without its name at the beginning. */
function behind(field: string, message: string): string {
  return message.startsWith(`${field} `) ? message.slice(field.length + 1) : message;
}

/** What Nest and Fastify refuse before a controller sees it. */
function httpProblem(error: HttpException, request: FastifyRequest, routes: Routes): Problem {
  const status = error.getStatus();
  switch (status) {
    case 404: {
      const [path = ''] = request.url.split('?', 1);
      const methods = routes.methodsOf(path).join(', ');
      const detail =
        methods === '' ? 'there is nothing under this path' : `this path takes ${methods}, not this method`;
      return new Problem('not_found', detail);
    }
    case 413:
      return new Problem('payload_too_large', error.message);
    case 415:
      return new Problem('unsupported_media_type', 'the content type is missing or not one that this path takes');
    default:
      // Behind the dash stands the name of a form's field, as it was sent.
      return status < 500
        ? unreadable(error.message.split(' - ', 1).join() || (STATUS_CODES[status] ?? 'not valid'))
        : new Problem('internal_error', `the log says more under ${request.id}`);
  }
}

function unreadable(how: string): Problem {
  return new Problem('invalid_request', how, { errors: [{ field: 'body', detail: how }] });
}
