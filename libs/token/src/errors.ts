/** Everything the core throws on purpose. Branch on `code`, never on the message. */
export type TokenErrorCode = IssuerErrorCode | 'refresh_busy' | 'validity_unavailable' | 'draining' | 'store_away';

/** How the upstream may fail a grant; the HTTP status of each is the edge's business. */
export const ISSUER_ERROR_CODES = [
  'credentials_rejected',
  'merchant_rejected',
  'scope_rejected',
  'upstream_invalid',
  'upstream_unavailable',
] as const;
export type IssuerErrorCode = (typeof ISSUER_ERROR_CODES)[number];

/**
 * What a failure says something about, and so how far it is shared:
 * one key, every key of a credential generation, or every key of a client.
 */
export type FailureScope = 'key' | 'credentials' | 'client';

export class TokenError extends Error {
  constructor(
    readonly code: TokenErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The upstream refused or failed. Carries no header, body, token or secret. */
export class IssuerError extends TokenError {
  declare readonly code: IssuerErrorCode;
  readonly scope: FailureScope;
  /** How long nobody calls again, in ms. Before the failure is shared: what the upstream asked for, if it did. */
  readonly retryAfterMs: number | undefined;

  constructor(code: IssuerErrorCode, message: string, details: { scope?: FailureScope; retryAfterMs?: number } = {}) {
    super(code, message);
    this.scope = details.scope ?? 'key';
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** No token within the caller's time: another replica, or the upstream, did not finish. Worth another try. */
export class RefreshBusyError extends TokenError {
  constructor(waitedMs: number) {
    super('refresh_busy', `no token within ${waitedMs} ms; the refresh goes on`);
  }
}

/** The upstream's tokens do not live as long as the caller asks for. */
export class ValidityUnavailableError extends TokenError {
  constructor(readonly availableMs: number) {
    super('validity_unavailable', `the newest token has ${Math.floor(availableMs / 1000)} s of life left`);
  }
}

/** The shared store does not answer, or refuses to write. */
export class StoreAwayError extends TokenError {
  constructor(
    /** Since when, and when the last command was sent that found it so, on the replica's clock, in ms. */
    readonly sinceMs: number,
    readonly confirmedAtMs: number,
    /** Such as `ECONNREFUSED` or `OOM`. */
    readonly reason: string,
  ) {
    super('store_away', `the token store is away (${reason})`);
  }
}

/** The broker has been closed. */
export class DrainingError extends TokenError {
  constructor() {
    super('draining', 'the broker is shutting down');
  }
}
