import { randomUUID } from 'node:crypto';

import { exportJWK, generateKeyPair, type JSONWebKeySet, type JWTPayload, jwtVerify, SignJWT } from 'jose';

const ALGORITHM = 'RS256';

/** Signs access tokens with a key of its own, new at each start: tokens of an earlier start are not accepted. */
export class Signing {
  private constructor(
    private readonly keys: Awaited<ReturnType<typeof generateKeyPair>>,
    private readonly keyId: string,
    readonly jwks: JSONWebKeySet,
  ) {}

  static async create(): Promise<Signing> {
    const keys = await generateKeyPair(ALGORITHM);
    const kid = randomUUID();
    const jwk = await exportJWK(keys.publicKey);
    return new Signing(keys, kid, { keys: [{ ...jwk, kid, alg: ALGORITHM, use: 'sig' }] });
  }

  async sign(claims: JWTPayload, expiresInSeconds: number): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    return new SignJWT({ ...claims, nbf: now, iat: now, exp: now + expiresInSeconds, jti: randomUUID() })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.keyId, typ: 'at+jwt' })
      .sign(this.keys.privateKey);
  }

  /** @returns the claims; undefined if the token is not ours, was changed or has run out */
  async verify(token: string): Promise<JWTPayload | undefined> {
    try {
      return (await jwtVerify(token, this.keys.publicKey, { algorithms: [ALGORITHM] })).payload;
    } catch {
      return undefined;
    }
  }
}
