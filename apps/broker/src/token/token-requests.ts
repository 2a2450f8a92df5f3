import { isMerchantVat, tokenIdOf } from '#token';
import { isName } from '#vault';

import { type FieldError, invalidRequest, OAuthProblem, Problem } from '../http/problem.js';

/** The most life that a caller may ask for, in seconds. */
export const MAX_VALIDITY_SECONDS = 600;
/** The longest access token that is read, in characters. */
const MAX_TOKEN_LENGTH = 16_384;
const TOKEN_ID = /^[A-Za-z0-9_-]{16}$/;
/** RFC 6749 §3.3. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}( [\x21\x23-\x5b\x5d-\x7e]{1,128}){0,19}$/;

const MUST = {
  client: 'must be a client name: 1 to 63 characters of a-z, 0-9 and -, not starting with -',
  merchant_vat: 'must be DK or FI and 8 digits',
  min_validity: `must be a whole number of seconds from 0 to ${MAX_VALIDITY_SECONDS}`,
  token_id: 'must be the token_id that came with the token: 16 characters',
  access_token: `must be the access token, at most ${MAX_TOKEN_LENGTH} characters`,
  scope: 'must be at most 20 scopes of visible ASCII, separated by one space',
} as const;

export interface TokenRequest {
  readonly client: string;
  readonly merchantVat: string | undefined;
  /** 0 if the caller has no wish of its own. */
  readonly minValidityMs: number;
}

/**
 * Reads the body of `POST /v1/tokens`. By hand, and without an object but its answer: this is the hot path.
 * @throws Problem naming every field that is wrong
 */
export function readTokenRequest(body: unknown): TokenRequest {
  const fields = jsonObject(body);
  const { client, merchant_vat: vat, min_validity: seconds } = fields;
  if (
    typeof client === 'string' &&
    isName(client) &&
    (vat === undefined || (typeof vat === 'string' && isMerchantVat(vat))) &&
    (seconds === undefined || isValidity(seconds)) &&
    hasOnly(fields, TOKEN_FIELDS)
  ) {
    return { client, merchantVat: vat, minValidityMs: seconds === undefined ? 0 : seconds * 1_000 };
  }
  throw invalidRequest([
    ...wrong('client', typeof client !== 'string' || !isName(client)),
    ...wrong('merchant_vat', isWrongVat(vat)),
    ...wrong('min_validity', seconds !== undefined && !isValidity(seconds)),
    ...unknownFields(fields, TOKEN_FIELDS),
  ]);
}

export interface InvalidationRequest {
  readonly client: string;
  readonly merchantVat: string | undefined;
  readonly tokenId: string;
}

/** Reads the body of `POST /v1/tokens/invalidate`.
 *  @throws Problem naming every field that is wrong */
export function readInvalidationRequest(body: unknown): InvalidationRequest {
  const fields = jsonObject(body);
  const errors = unknownFields(fields, INVALIDATION_FIELDS);
  const read = (field: keyof typeof MUST, holds: (text: string) => boolean): string | undefined => {
    const value = fields[field];
    if (value === undefined || (typeof value === 'string' && holds(value))) return value;
    errors.push({ field, detail: MUST[field] });
    return undefined;
  };
  const client = read('client', isName);
  const merchantVat = read('merchant_vat', isMerchantVat);
  const id = read('token_id', (text) => TOKEN_ID.test(text));
  const value = read('access_token', (text) => text.length > 0 && text.length <= MAX_TOKEN_LENGTH);
  if (fields['client'] === undefined) errors.push({ field: 'client', detail: MUST.client });
  if ((fields['token_id'] === undefined) === (fields['access_token'] === undefined)) {
    errors.push({ field: 'token_id', detail: 'must be given, or access_token in its place, and not both' });
  }
  if (errors.length > 0 || client === undefined) throw invalidRequest(errors);
  return { client, merchantVat, tokenId: id ?? tokenIdOf(value ?? '') };
}

export interface GrantRequest {
  readonly merchantVat: string | undefined;
  /** Each scope once, sorted: what is asked for in another order is the same. */
  readonly scope: string | undefined;
}

/** Reads the form of the OAuth token endpoint, whose client has been authenticated. An empty parameter counts as none,
 *  an unknown one is ignored (RFC 6749 §3.1).
 *  @throws OAuthProblem */
export function readGrantRequest(form: URLSearchParams): GrantRequest {
  for (const name of new Set(form.keys())) {
    if (form.getAll(name).length > 1) throw new OAuthProblem('invalid_request', 'a parameter is repeated');
  }
  const grantType = form.get('grant_type') ?? '';
  if (grantType === '') throw new OAuthProblem('invalid_request', 'grant_type is missing');
  if (grantType !== 'client_credentials') {
    throw new OAuthProblem('unsupported_grant_type', 'grant_type must be client_credentials');
  }
  const merchantVat = form.get('merchant_vat') || undefined;
  if (isWrongVat(merchantVat)) throw new OAuthProblem('invalid_request', `merchant_vat ${MUST.merchant_vat}`);
  const scope = form.get('scope') || undefined;
  if (scope !== undefined && !SCOPE.test(scope)) throw new OAuthProblem('invalid_scope', `scope ${MUST.scope}`);
  return { merchantVat, scope: scope && copyOf([...new Set(scope.split(' '))].toSorted().join(' ')) };
}

/** Part of a longer string would keep that one in memory, here the whole body, for as long as the key is remembered. */
function copyOf(ascii: string): string {
  return Buffer.from(ascii, 'latin1').toString('latin1');
}

const TOKEN_FIELDS = ['client', 'merchant_vat', 'min_validity'];
const INVALIDATION_FIELDS = ['client', 'merchant_vat', 'token_id', 'access_token'];

function jsonObject(body: unknown): Record<string, unknown> {
  if (body instanceof URLSearchParams) throw new Problem('unsupported_media_type', 'send application/json');
  if (!isRecord(body)) throw invalidRequest([{ field: 'body', detail: 'must be a JSON object' }]);
  return body;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isValidity(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_VALIDITY_SECONDS;
}

function isWrongVat(value: unknown): boolean {
  return value !== undefined && (typeof value !== 'string' || !isMerchantVat(value));
}

function hasOnly(fields: Record<string, unknown>, known: readonly string[]): boolean {
  for (const name in fields) if (!known.includes(name)) return false;
  return true;
}

function unknownFields(fields: Record<string, unknown>, known: readonly string[]): FieldError[] {
  return hasOnly(fields, known)
    ? []
    : [{ field: 'body', detail: `must have no other fields than ${known.join(', ')}` }];
}

function wrong(field: keyof typeof MUST, isWrong: boolean): FieldError[] {
  return isWrong ? [{ field, detail: MUST[field] }] : [];
}
