import type { HeldToken, TokenKey } from '#token';

import { systemClock } from '../config/system-clock.js';

/** What each PoS V10 call must carry if the token is bound to no merchant. */
const MERCHANT_HEADER = 'x-mobilepay-merchant-vat-number';
/** By how much the wall clock must have been set before `expires_at` is written anew, in ms. */
const STEP_MS = 1_000;

/** What stands behind `expires_in`, which is the same in each answer with a token. Not the token itself, of which there may
 *  be 100,000. */
let tails = new WeakMap<HeldToken, string>();
/** By how much the wall clock was ahead of ours when they were begun, in ms. */
let wallAheadMs = -Infinity;

/** The body of an answer to `POST /v1/tokens`, as JSON. */
export function tokenAnswer(key: TokenKey, held: HeldToken): string {
  const now = systemClock.now();
  return beginning(held, now) + tailOf(key, held, Date.now() - now);
}

/** The body of an answer to `POST /connect/token` (RFC 6749 §5.1), as JSON. */
export function oauthAnswer(held: HeldToken): string {
  const { scope } = held.token;
  const tail = scope === undefined ? '}' : `,"scope":${JSON.stringify(scope)}}`;
  return beginning(held, systemClock.now()) + tail;
}

function beginning({ token, expiresAtMs }: HeldToken, now: number): string {
  const leftS = Math.floor((expiresAtMs - now) / 1_000);
  return `{"access_token":${token.revealJson()},"token_type":"${token.tokenType}","expires_in":${leftS}`;
}

function tailOf(key: TokenKey, held: HeldToken, aheadMs: number): string {
  if (Math.abs(aheadMs - wallAheadMs) > STEP_MS) {
    wallAheadMs = aheadMs;
    tails = new WeakMap();
  }
  let tail = tails.get(held);
  if (tail === undefined) tails.set(held, (tail = write(key, held)));
  return tail;
}

function write({ subject }: TokenKey, { token, expiresAtMs }: HeldToken): string {
  const rest = JSON.stringify({
    expires_at: new Date(expiresAtMs + wallAheadMs).toISOString(),
    scope: token.scope,
    client: subject.client,
    ...(subject.merchantVat === undefined
      ? { merchant_vat_header: MERCHANT_HEADER }
      : { merchant_vat: subject.merchantVat }),
    token_id: token.tokenId,
  });
  // By way of a buffer, or V8 would keep the pieces that it has put together: 225 bytes in the place of 161.
  return Buffer.from(`,${rest.slice(1)}`).toString();
}
