import { createHmac } from 'node:crypto';

import { aSigningKey, type RunningIssuer, signed } from './jwt-issuer.js';

/** Stands in every bad JWT: in no answer, and in no log. */
export const JWT_CANARY = 'canary-of-the-jwts-0123456789';

const encoded = (part: unknown) =>
  Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url');

/** What nobody may believe, by what is wrong with it.
 *  @param nowSeconds since 1970, where the clock of whoever looks at them stands */
export function badJwts(issuer: RunningIssuer, nowSeconds = Math.floor(Date.now() / 1_000)): [string, string][] {
  const other = aSigningKey();
  const claims = issuer.claims({ canary: JWT_CANARY }, nowSeconds);
  const header = { ...issuer.header, canary: JWT_CANARY };
  const good = signed(header, claims, issuer.key);
  const [head = '', body = '', signature = ''] = good.split('.');
  const without = (name: string) => signed(header, { ...claims, [name]: undefined }, issuer.key);
  const withClaims = (more: object) => signed(header, { ...claims, ...more }, issuer.key);
  const withHeader = (more: object, key = issuer.key) => signed({ ...header, ...more }, claims, key);
  const withPayload = (payload: string) => signed(header, payload, issuer.key);
  const hmac = (secret: string | Buffer) => {
    const data = `${encoded({ ...header, alg: 'HS256' })}.${body}`;
    return `${data}.${createHmac('sha256', secret).update(data).digest('base64url')}`;
  };
  const embedded = { ...other.publicKey.export({ format: 'jwk' }), kid: other.kid };
  const flipped = Buffer.from(signature, 'base64url');
  flipped[100]! ^= 1;
  return [
    ['alg none', `${encoded({ ...header, alg: 'none' })}.${body}.`],
    ['alg None, with a signature', `${encoded({ ...header, alg: 'None' })}.${body}.${signature}`],
    ['no alg', withHeader({ alg: undefined })],
    ['an alg that is no text', withHeader({ alg: ['RS256'] })],
    ['another alg than that of its key', withHeader({ alg: 'PS256' })],
    ['HS256 with the public key in PEM', hmac(issuer.key.publicKey.export({ format: 'pem', type: 'spki' }))],
    ['HS256 with the public key in DER', hmac(issuer.key.publicKey.export({ format: 'der', type: 'spki' }))],
    ['HS256 with the key set', hmac(issuer.keySet)],
    ['ES256 with a signature of zeros', `${encoded({ ...header, alg: 'ES256' })}.${body}.${'A'.repeat(86)}`],
    ['another issuer', withClaims({ iss: 'https://elsewhere.example' })],
    ['a slash behind the issuer', withClaims({ iss: `${issuer.name}/` })],
    ['a list of issuers', withClaims({ iss: [issuer.name] })],
    ['no issuer', without('iss')],
    ['another audience', withClaims({ aud: ['https://kubernetes.default.svc'] })],
    ['a longer audience', withClaims({ aud: 'token-broker-2' })],
    ['no audience', without('aud')],
    ['expired', withClaims({ exp: nowSeconds - 40 })],
    ['no exp', without('exp')],
    ['an exp that is text', withClaims({ exp: `${nowSeconds + 600}` })],
    ['not yet valid', withClaims({ nbf: nowSeconds + 40 })],
    ['an nbf that is text', withClaims({ nbf: 'now' })],
    ['issued in the future', withClaims({ iat: nowSeconds + 40 })],
    ['no sub', without('sub')],
    ['an empty sub', withClaims({ sub: '' })],
    ['a sub that is a list', withClaims({ sub: [claims.sub] })],
    ['an unknown kid', withHeader({ kid: 'elsewhere' }, other)],
    ['a kid that is no text', withHeader({ kid: { [JWT_CANARY]: 1 } })],
    ['a known kid, signed with another key', withHeader({}, other)],
    ['no kid, signed with another key', withHeader({ kid: undefined }, other)],
    ['its key in jwk', withHeader({ kid: other.kid, jwk: embedded }, other)],
    ['its key in jwk, under a known kid', withHeader({ jwk: embedded }, other)],
    ['its key behind jku and x5u', withHeader({ kid: other.kid, jku: issuer.url, x5u: issuer.url }, other)],
    ['a certificate in x5c', withHeader({ x5c: [encoded('no certificate')] }, other)],
    ['crit of an unknown extension', withHeader({ crit: ['canary'] })],
    ['crit of a known extension', withHeader({ crit: ['b64'], b64: true })],
    ['crit that is no list', withHeader({ crit: 'exp' })],
    ['a signature cut short', good.slice(0, -10)],
    ['no signature', `${head}.${body}.`],
    ['claims cut short', `${head}.${body.slice(0, -10)}.${signature}`],
    ['one part', head],
    ['two parts', `${head}.${body}`],
    ['five parts, as if it were encrypted', `${good}.${body}.${signature}`],
    ['a bit of the signature flipped', `${head}.${body}.${flipped.toString('base64url')}`],
    ['other claims than were signed', `${head}.${encoded({ ...claims, jti: 'other' })}.${signature}`],
    ['another JWT for claims', withPayload(good)],
    ['a list for claims', withPayload('[]')],
    ['null for claims', withPayload('null')],
    ['claims that are no JSON', withPayload(`{"iss":"${issuer.name}",`)],
    ['claims nested 2,500 deep', withPayload(`{"iss":"${issuer.name}","x":${'['.repeat(2_500)}${']'.repeat(2_500)}}`)],
    ['claims that are no UTF-8', `${head}.${Buffer.from([0xc3, 0x28, 0xff]).toString('base64url')}.${signature}`],
    ['a header that is no JSON', `eyJ${JWT_CANARY}.${body}.${signature}`],
    ['dots alone behind a header', `${head}..`],
    ['too long', signed(header, { ...claims, filler: 'x'.repeat(6_000) }, issuer.key)],
  ];
}
