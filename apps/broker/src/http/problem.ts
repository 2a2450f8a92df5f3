/** The codes of our problem documents; the filter knows the status of each. */
export type ProblemCode =
  | 'invalid_request'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'rate_limited'
  | 'client_disabled'
  | 'credentials_rejected'
  | 'merchant_rejected'
  | 'scope_rejected'
  | 'upstream_invalid'
  | 'upstream_unavailable'
  | 'refresh_busy'
  | 'draining'
  | 'overloaded'
  | 'vault_unavailable'
  | 'store_unavailable'
  | 'internal_error';

/** Those that say who may not: they go into the audit trail. */
export const REFUSALS = ['unauthenticated', 'forbidden', 'rate_limited', 'client_disabled'] as const;
export type RefusalCode = (typeof REFUSALS)[number];

/** One field of a request, and what it must be. Never what it was. */
export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

/** A request that is refused, in the words that its sender reads. */
export class Problem extends Error {
  constructor(
    readonly code: ProblemCode,
    readonly detail: string,
    readonly more: { readonly errors?: readonly FieldError[]; readonly retryAfterMs?: number | undefined } = {},
  ) {
    super(detail);
    this.name = 'Problem';
  }
}

export function invalidRequest(errors: readonly FieldError[]): Problem {
  const fields = errors.map(({ field, detail }) => `${field} ${detail}`);
  return new Problem('invalid_request', fields.join('; '), { errors });
}

/** An error of the OAuth endpoint that has a code of its own there (RFC 6749 §5.2). */
export class OAuthProblem extends Error {
  constructor(
    readonly error:
      'invalid_request' | 'invalid_client' | 'unauthorized_client' | 'unsupported_grant_type' | 'invalid_scope',
    readonly description: string,
  ) {
    super(description);
    this.name = 'OAuthProblem';
  }
}
