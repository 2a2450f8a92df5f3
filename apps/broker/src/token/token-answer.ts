import type { HeldToken, TokenKey } from '#token';

import { systemClock } from '../config/system-clock.js';

/** What each PoS V10 call must carry if the token is bound to no merchant. */
const UNBOUND = '"merchant_vat_header":"x-mobilepay-merchant-vat-number"';
/** By how much the wall clock must have been set before `expires_at` changes, in ms. */
const STEP_MS = 1_000;
const DAY_MS = 86_400_000;

/** By how much the wall clock is ahead of ours, in ms. */
let wallAheadMs = -Infinity;
/** Midnight of the day that was written last, and how it is written. */
let day = { startMs: Number.NaN, text: '' };

/** The body of an answer to `POST /v1/tokens`, as JSON in ASCII. Written anew each time: kept for each of 100,000 tokens,
 *  what follows `expires_in` takes 250 bytes. */
export function tokenAnswer({ subject: { client, merchantVat } }: TokenKey, held: HeldToken): string {
  const { token, expiresAtMs } = held;
  const now = systemClock.now();
  const aheadMs = Date.now() - now;
  if (Math.abs(aheadMs - wallAheadMs) > STEP_MS) wallAheadMs = aheadMs;
  const merchant = merchantVat === undefined ? UNBOUND : `"merchant_vat":"${merchantVat}"`;
  return (
    `${beginning(held, now)},"expires_at":"${isoTime(Math.trunc(expiresAtMs + wallAheadMs))}"${scopeOf(held)}` +
    `,"client":"${client}",${merchant},"token_id":"${token.tokenId}"}`
  );
}

/** The body of an answer to `POST /connect/token` (RFC 6749 §5.1), as JSON in ASCII. */
export function oauthAnswer(held: HeldToken): string {
  return `${beginning(held, systemClock.now())}${scopeOf(held)}}`;
}

function beginning({ token, expiresAtMs }: HeldToken, now: number): string {
  const leftS = Math.floor((expiresAtMs - now) / 1_000);
  return `{"access_token":${token.revealJson()},"token_type":"${token.tokenType}","expires_in":${leftS}`;
}

function scopeOf({ token: { scope } }: HeldToken): string {
  return scope === undefined ? '' : `,"scope":${JSON.stringify(scope)}`;
}

/** As `toISOString` has it, in a tenth of its time: most instants are of the same day.
 *  @param ms since 1970, whole */
function isoTime(ms: number): string {
  const sinceMs = ms - day.startMs;
  if (!(sinceMs >= 0 && sinceMs < DAY_MS)) {
    const startMs = Math.floor(ms / DAY_MS) * DAY_MS;
    day = { startMs, text: new Date(startMs).toISOString().slice(0, 'YYYY-MM-DDT'.length) };
    return isoTime(ms);
  }
  const s = Math.floor(sinceMs / 1_000);
  const m = Math.floor(s / 60);
  return `${day.text}${twoDigits(Math.floor(m / 60))}:${twoDigits(m % 60)}:${twoDigits(s % 60)}.${String(1_000 + (sinceMs % 1_000)).slice(1)}Z`;
}

function twoDigits(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
