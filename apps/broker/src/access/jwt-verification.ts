import { errors, type JWTPayload, jwtVerify, type JWTVerifyGetKey } from 'jose';

import type { JwtIssuerConfig } from '../config/broker-config.js';

/** How far apart the issuer's clock and ours may be, in seconds. */
const LEEWAY_SECONDS = 30;

/** A JWT that its issuer signed for us, and that counts now. */
export interface VerifiedJwt {
  readonly subject: string;
  readonly claims: Readonly<JWTPayload>;
  /** Until when it counts, in ms since 1970: its `exp` and the leeway. */
  readonly validUntilMs: number;
}

/** Verifies a JWT as RFC 7519 §7.2 and RFC 8725 §3 have it: signed with a key of the issuer's set, whatever keys it brings
 *  along; `iss`, `aud`, `exp` and `sub` there and right, `nbf` and `iat` right if there; and no extension under `crit`.
 *  @param key finds the issuer's key
 *  @param nowMs wall clock, ms since 1970
 *  @throws JOSEError it is not to be believed; a key of the set that cannot be used throws what Node throws for it */
export async function verifyJwt(
  token: string,
  { issuer, audiences, algorithms }: JwtIssuerConfig,
  key: JWTVerifyGetKey,
  nowMs: number,
): Promise<VerifiedJwt> {
  const { payload, protectedHeader } = await jwtVerify(token, key, {
    issuer,
    audience: [...audiences],
    algorithms: [...algorithms],
    clockTolerance: LEEWAY_SECONDS,
    currentDate: new Date(nowMs),
  });
  const { sub, exp, iat = 0 } = payload;
  // jose knows one extension, and takes it.
  if (protectedHeader.crit !== undefined) throw new errors.JOSENotSupported('no extension is supported');
  if (exp === undefined) throw new errors.JWTInvalid('it has no end');
  if (typeof sub !== 'string' || sub === '') throw new errors.JWTInvalid('it has no subject');
  if (iat > nowMs / 1_000 + LEEWAY_SECONDS) {
    throw new errors.JWTClaimValidationFailed('it was issued in the future', payload, 'iat', 'check_failed');
  }
  return { subject: sub, claims: payload, validUntilMs: (exp + LEEWAY_SECONDS) * 1_000 };
}
