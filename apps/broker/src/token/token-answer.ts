import type { HeldToken, TokenKey } from '#token';

import { systemClock } from '../config/system-clock.js';

/** What each PoS V10 call must carry if the token is bound to no merchant. */
const MERCHANT_HEADER = 'x-mobilepay-merchant-vat-number';
/** By how much the wall clock must have been set before `expires_at` is written anew, in ms. */
const STEP_MS = 1_000;

/** What is the same in each answer with a token: written once for each. Not the token itself, of which there may be
 *  100,000. */
interface Prepared {
  /** Whether the token is the same in JSON. */
  readonly isPlain: boolean;
  /** What stands behind `expires_in`. */
  readonly tail: string;
  /** When the token expires by the wall clock, in ms since 1970. */
  readonly expiresAtMs: number;
}

const prepared = new WeakMap<HeldToken, Prepared>();

/** The body of an answer to `POST /v1/tokens`, as JSON. */
export function tokenAnswer(key: TokenKey, held: HeldToken): string {
  const leftMs = held.expiresAtMs - systemClock.now();
  const answer = preparedFor(key, held, leftMs);
  return beginning(held, answer) + Math.floor(leftMs / 1_000) + answer.tail;
}

/** The body of an answer to `POST /connect/token` (RFC 6749 §5.1), as JSON. */
export function oauthAnswer(key: TokenKey, held: HeldToken): string {
  const leftMs = held.expiresAtMs - systemClock.now();
  const answer = preparedFor(key, held, leftMs);
  const { scope } = held.token;
  const tail = scope === undefined ? '}' : `,"scope":${JSON.stringify(scope)}}`;
  return beginning(held, answer) + Math.floor(leftMs / 1_000) + tail;
}

function beginning({ token }: HeldToken, { isPlain }: Prepared): string {
  const value = isPlain ? `"${token.reveal()}"` : JSON.stringify(token.reveal());
  return `{"access_token":${value},"token_type":"${token.tokenType}","expires_in":`;
}

function preparedFor(key: TokenKey, held: HeldToken, leftMs: number): Prepared {
  const expiresAtMs = Date.now() + leftMs;
  let answer = prepared.get(held);
  if (!answer || Math.abs(expiresAtMs - answer.expiresAtMs) > STEP_MS) {
    answer = prepare(key, held, expiresAtMs);
    prepared.set(held, answer);
  }
  return answer;
}

function prepare({ subject }: TokenKey, { token }: HeldToken, expiresAtMs: number): Prepared {
  const isPlain = JSON.stringify(token.reveal()) === `"${token.reveal()}"`;
  const rest = JSON.stringify({
    expires_at: new Date(expiresAtMs).toISOString(),
    scope: token.scope,
    client: subject.client,
    ...(subject.merchantVat === undefined
      ? { merchant_vat_header: MERCHANT_HEADER }
      : { merchant_vat: subject.merchantVat }),
    token_id: token.tokenId,
  });
  return { isPlain, tail: `,${rest.slice(1)}`, expiresAtMs };
}
