/** What the contenders are set up with, and the checks that any of them makes: who calls, and what it may have. */
import { hash, timingSafeEqual } from 'node:crypto';

/** One caller: `{ key_id, key_hash, grants }`; its token: `{ access_token, scope, token_id, expires_in }`. */
const { caller, token } = JSON.parse(process.env.BENCH_SETUP ?? '{}');
const callers = new Map([[caller.key_id, { grants: caller.grants, hash: Buffer.from(caller.key_hash, 'hex') }]]);
const expiresAtMs = performance.now() + token.expires_in * 1_000;

const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;
const CLIENT = /^[a-z0-9][a-z0-9-]{0,62}$/;
const VAT = /^(DK|FI)\d{8}$/;

/** @returns the caller, or undefined if its key is unknown or wrong */
export function authenticate(authorization = '') {
  const key = BEARER.exec(authorization)?.[1] ?? '';
  const known = callers.get(key.slice(4, 16));
  return known && timingSafeEqual(hash('sha256', key, 'buffer'), known.hash) ? known : undefined;
}

export function isTokenRequest(body) {
  if (typeof body !== 'object' || body === null) return false;
  const { client, merchant_vat: vat, min_validity: seconds, ...others } = body;
  return (
    typeof client === 'string' &&
    CLIENT.test(client) &&
    typeof vat === 'string' &&
    VAT.test(vat) &&
    (seconds === undefined || (Number.isInteger(seconds) && seconds >= 0 && seconds <= 600)) &&
    Object.keys(others).length === 0
  );
}

/** As in the product: a list of grants, each for a client and merchants, whose names may end in `*`. */
export function mayHave({ grants }, client, vat) {
  return grants.some((grant) => matches(grant.client, client) && grant.merchants.some((each) => matches(each, vat)));
}

/** What is answered: the one token, with the life that it has left. */
export function answer(client, vat) {
  const leftMs = expiresAtMs - performance.now();
  return {
    access_token: token.access_token,
    token_type: 'Bearer',
    expires_in: Math.floor(leftMs / 1_000),
    expires_at: new Date(Date.now() + leftMs).toISOString(),
    scope: token.scope,
    client,
    merchant_vat: vat,
    token_id: token.token_id,
  };
}

function matches(pattern, text) {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern;
}
