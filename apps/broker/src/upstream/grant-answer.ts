import { decodeJwt } from 'jose';

import { AccessToken, type IssuedToken, IssuerError, type TokenSubject } from '#token';

/** For which merchant the grant was asked. */
type Asked = Pick<TokenSubject, 'merchantVat'>;

/** A failure that another attempt may cure. */
export class TransientError extends IssuerError {}

/** What came back from the token endpoint, no more than is needed. */
export interface GrantAnswer {
  readonly status: number;
  /** The headers `Date` and `Retry-After`. */
  readonly date: unknown;
  readonly retryAfter: unknown;
  readonly body: string;
}

/** A token, and whether it says anything that could be checked. */
export interface ReadGrant extends IssuedToken {
  readonly opaque: boolean;
}

/** The longest life that is believed, in seconds. */
const LONGEST_LIFE_SECONDS = 86_400;
/** What a bearer token is made of (RFC 6750 §2.1), and how long it may be to fit into a header. */
const TOKEN = /^[A-Za-z0-9._~+/-]{1,16384}=*$/;
const SCOPE = /^[\x20-\x21\x23-\x5b\x5d-\x7e]{0,1024}$/;
/** Error codes that speak of the credentials and not of the request (RFC 6749 §5.2). */
const CREDENTIAL_ERRORS = new Set(['invalid_client', 'unauthorized_client']);

/** @throws IssuerError the upstream refused, failed, or answered what cannot be used */
export function readGrantAnswer(answer: GrantAnswer, subject: Asked): ReadGrant {
  if (answer.status === 200) return readToken(answer, subject);
  throw refusal(answer, subject);
}

function refusal({ status, retryAfter, date, body }: GrantAnswer, { merchantVat }: Asked): IssuerError {
  const error = stringIn(parsed(body), 'error');
  const said = `the upstream answered ${status}${error && /^[a-z_]{1,40}$/.test(error) ? ` ${error}` : ''}`;
  const retryAfterMs = retryAfterMsOf(retryAfter, date);
  const hint = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (status === 429) return new IssuerError('upstream_unavailable', said, { scope: 'client', ...hint });
  if (status >= 500 || status === 408) {
    // A 4xx is not sent again; and told when to come back, we do not come sooner.
    const Kind = status >= 500 && retryAfterMs === undefined ? TransientError : IssuerError;
    return new Kind('upstream_unavailable', said, hint);
  }
  if (status === 401 || (status < 500 && status >= 400 && CREDENTIAL_ERRORS.has(error ?? ''))) {
    return new IssuerError('credentials_rejected', said, { scope: 'credentials' });
  }
  if (status === 400 && error === 'invalid_scope') return new IssuerError('scope_rejected', said);
  if (status === 400 || status === 403 || status === 422) {
    return new IssuerError(merchantVat === undefined ? 'credentials_rejected' : 'merchant_rejected', said);
  }
  return new IssuerError('upstream_invalid', said);
}

function readToken({ body, date }: GrantAnswer, { merchantVat }: Asked): ReadGrant {
  const answer = parsed(body);
  const value = stringIn(answer, 'access_token');
  if (value === undefined || !TOKEN.test(value)) throw malformed('holds no access_token that can be used');
  const type = stringIn(answer, 'token_type') ?? 'Bearer';
  if (type.toLowerCase() !== 'bearer') throw new IssuerError('upstream_invalid', 'the token is not a bearer token');
  const scope = stringIn(answer, 'scope');
  if (scope !== undefined && !SCOPE.test(scope)) throw malformed('holds a scope that RFC 6749 does not allow');

  const claims = claimsOf(value);
  if (claims && claims['merchant_vat'] !== merchantVat) {
    throw new IssuerError('upstream_invalid', 'the token is bound to another merchant than was asked for');
  }
  const lives = [statedLife(answer['expires_in']), claims && claimedLife(claims, date)].filter((s) => s !== undefined);
  if (lives.length === 0) throw malformed('does not say how long the token lives');
  const seconds = Math.min(...lives, LONGEST_LIFE_SECONDS);
  if (!(seconds > 0)) throw new IssuerError('upstream_invalid', 'the token has expired already');
  return { token: new AccessToken(value, 'Bearer', scope), lifeMs: seconds * 1_000, opaque: claims === undefined };
}

/** `expires_in`, in seconds. Some servers send it as a string of digits.
 *  @returns undefined if it is absent */
function statedLife(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const seconds = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds <= 0) {
    throw malformed('holds an expires_in that is not a positive number');
  }
  return seconds;
}

/** Life by the claim `exp`, in seconds, by the upstream's clock: ours may be wrong. */
function claimedLife({ exp, iat }: Claims, date: unknown): number | undefined {
  const sentAtMs = httpDate(date);
  const now = sentAtMs === undefined ? iat : sentAtMs / 1_000;
  return typeof exp === 'number' && typeof now === 'number' ? exp - now : undefined;
}

type Claims = Record<string, unknown>;

/** @returns undefined for an opaque token */
function claimsOf(token: string): Claims | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

/** `Retry-After` in ms: seconds, or an HTTP date by the upstream's clock (RFC 9110 §10.2.3). */
function retryAfterMsOf(value: unknown, date: unknown): number | undefined {
  if (typeof value !== 'string') return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const then = httpDate(value);
  return then === undefined ? undefined : Math.max(0, then - (httpDate(date) ?? Date.now()));
}

/** A date as HTTP writes it (RFC 9110 §5.6.7), in ms since 1970. `Date.parse` alone would take "-1" for one. */
function httpDate(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)/.test(value)) return undefined;
  const ms = Date.parse(value);
  return Number.isNaN(ms) ? undefined : ms;
}

function parsed(body: unknown): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(String(body));
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function stringIn(object: Record<string, unknown>, name: string): string | undefined {
  const value = object[name];
  return typeof value === 'string' ? value : undefined;
}

function malformed(how: string): TransientError {
  return new TransientError('upstream_invalid', `the upstream answered 200, but ${how}`);
}
