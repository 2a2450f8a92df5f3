import { Type } from 'class-transformer';
import { ValidateBy, ValidateNested } from 'class-validator';

import { isName } from '#vault';

/** How JWTs may be signed: with a private key, never with a shared secret (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). */
export const JWT_ALGORITHMS: readonly string[] = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];

const TEXT = /^\P{Cc}+$/u;
const SUBJECT = /^(\*|[^*\p{Cc}]+\*?)$/u;
/** RFC 6901 §3, but for the one that points at all claims. */
const JSON_POINTER = /^(\/([^~/]|~[01])*)+$/;

/** A rule of `CALLER_JWT_ISSUERS_FILE`, as it is given. */
export class JwtCallerRuleShape {
  @Must('be the name of a caller', (value) => typeof value === 'string' && isName(value))
  caller!: string;

  @Must('be a subject, or the beginning of one with * behind it, and no other *', (value) => isText(value, SUBJECT))
  subject!: string;

  @Must('be an object of texts, each named by a JSON pointer such as /groups', isClaims)
  claims: Record<string, string> = {};
}

/** An issuer of `CALLER_JWT_ISSUERS_FILE`, as it is given. */
export class JwtIssuerShape {
  @Must('be text', (value) => isText(value))
  issuer!: string;

  @Must('be text, or a list of such', (value) => isText(value) || isListOf(value, (each) => isText(each)))
  audience!: string | string[];

  @Must('be an absolute https or http URL without user or fragment', isJwksUrl)
  jwks_url!: string;

  @Must('be the path of a file', isTextIfGiven)
  jwks_ca_file?: string;

  @Must('be the path of a file', isTextIfGiven)
  jwks_token_file?: string;

  @Must(`be a list of some of ${JWT_ALGORITHMS.join(', ')}`, (value) => isListOf(value, isAlgorithm))
  algorithms: string[] = [...JWT_ALGORITHMS];

  @Must('be a list of objects, one at least', (value) => isListOf(value, isObject))
  @ValidateNested({ each: true })
  @Type(() => JwtCallerRuleShape)
  callers!: JwtCallerRuleShape[];
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Says what is wrong under the name `must`, which no other rule has. */
function Must(must: string, holds: (value: unknown) => boolean): PropertyDecorator {
  return ValidateBy({ name: 'must', validator: { validate: holds, defaultMessage: () => `must ${must}` } });
}

function isText(value: unknown, pattern = TEXT): boolean {
  return typeof value === 'string' && pattern.test(value);
}

function isTextIfGiven(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isAlgorithm(value: unknown): boolean {
  return typeof value === 'string' && JWT_ALGORITHMS.includes(value);
}

function isListOf(value: unknown, holds: (each: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((each) => holds(each));
}

function isClaims(value: unknown): boolean {
  return isObject(value) && Object.entries(value).every(([name, text]) => isText(name, JSON_POINTER) && isText(text));
}

function isJwksUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return /^https?:$/.test(protocol) && `${username}${password}${hash}` === '';
}
