import fc from 'fast-check';

import { IssuerError, type TokenSubject } from '#token';

import { aKey } from '../../../../test/support/tokens.js';
import { type GrantAnswer, type ReadGrant, readGrantAnswer, TransientError } from './grant-answer.js';

const { subject } = aKey({ merchantVat: 'DK12345678' });
const unbound = aKey({ merchantVat: undefined }).subject;
const DATE = 'Tue, 24 Nov 2026 06:00:00 GMT';
const now = Date.parse(DATE) / 1_000;

function jwt(claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part({ alg: 'RS256' })}.${part(claims)}.c2lnbmF0dXJl`;
}

function answer(body: unknown, more: Partial<GrantAnswer> = {}): GrantAnswer {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status: 200, date: DATE, retryAfter: undefined, body: text, ...more };
}

function grant(members: object = {}, claims: object = {}): GrantAnswer {
  const access_token = jwt({ merchant_vat: 'DK12345678', exp: now + 3_700, ...claims });
  return answer({ access_token, expires_in: 3_700, token_type: 'Bearer', scope: 'integrator_scope', ...members });
}

/** @returns what comes of it; anything thrown but an IssuerError is a fault of ours */
function tryOut(read: () => ReadGrant): ReadGrant | IssuerError {
  try {
    return read();
  } catch (error) {
    if (error instanceof IssuerError) return error;
    throw error;
  }
}

function failure(given: GrantAnswer, of: TokenSubject = subject): IssuerError {
  const outcome = tryOut(() => readGrantAnswer(given, of));
  if (outcome instanceof IssuerError) return outcome;
  throw new Error('no failure');
}

describe('a grant', () => {
  it('is the token, its life, its type and its scope', () => {
    const { token, lifeMs, opaque } = readGrantAnswer(grant(), subject);
    expect(token).toMatchObject({ tokenType: 'Bearer', scope: 'integrator_scope' });
    expect([lifeMs, opaque]).toEqual([3_700_000, false]);
  });

  it.each([
    ['the shorter of both', { expires_in: 100 }, {}, 100],
    ['the shorter of both', { expires_in: 3_700 }, { exp: now + 50 }, 50],
    ['what the claim says if nothing else does', { expires_in: undefined }, {}, 3_700],
    ['what expires_in says if the claim is missing', {}, { exp: undefined }, 3_700],
    ['a number, even written as a string', { expires_in: '120' }, {}, 120],
    ['a day at most', { expires_in: 1e9 }, { exp: now + 1e9 }, 86_400],
  ])('lives for %s', (_, members, claims, seconds) => {
    expect(readGrantAnswer(grant(members, claims), subject).lifeMs).toBe(seconds * 1_000);
  });

  it('lives by the upstream’s clock, not by ours: its date, else its iat', () => {
    const long = { exp: now + 86_400 };
    expect(readGrantAnswer(grant({ expires_in: undefined }, long), subject).lifeMs).toBe(86_400_000);
    const dateless = { ...grant({ expires_in: undefined }, { iat: now + 10 }), date: undefined };
    expect(readGrantAnswer(dateless, subject).lifeMs).toBe(3_690_000);
  });

  it('may be opaque, which is noted', () => {
    for (const access_token of ['opaque', 'a.b.c', 'eyJhbGciOiJub25lIn0.bm90IGpzb24.x']) {
      expect(readGrantAnswer(grant({ access_token }), subject)).toMatchObject({ opaque: true, lifeMs: 3_700_000 });
    }
    expect(failure(grant({ access_token: 'opaque', expires_in: undefined })).code).toBe('upstream_invalid');
  });

  it('for another merchant than was asked for is refused, and so is one that is bound unasked', () => {
    for (const merchant_vat of ['DK99999999', 'dk12345678', '', 12_345_678, null, undefined, ['DK12345678']]) {
      expect(failure(grant({}, { merchant_vat }))).toMatchObject({ code: 'upstream_invalid', scope: 'key' });
    }
    expect(failure(grant(), unbound).code).toBe('upstream_invalid');
    expect(readGrantAnswer(grant({}, { merchant_vat: undefined }), unbound).opaque).toBe(false);
  });

  it.each([
    { expires_in: 0 },
    { expires_in: -5 },
    { expires_in: 'soon' },
    { expires_in: '1e3' },
    { expires_in: true },
    { expires_in: {} },
    { access_token: undefined },
    { access_token: '' },
    { access_token: 7 },
    { access_token: 'with space' },
    { access_token: 'line\r\nbreak' },
    { access_token: 'a'.repeat(16_385) },
    { scope: 'quote"' },
    { scope: 'line\nbreak' },
  ])('that says %j is malformed, which another attempt may cure', (members) => {
    const error = failure(grant(members));
    expect(error).toBeInstanceOf(TransientError);
    expect(error.code).toBe('upstream_invalid');
  });

  it.each([
    ['has expired already', grant({}, { exp: now - 1 })],
    ['is no bearer token', grant({ token_type: 'mac' })],
  ])('that %s is refused, and not asked for again', (_, given) => {
    const error = failure(given);
    expect(error).not.toBeInstanceOf(TransientError);
    expect(error.code).toBe('upstream_invalid');
  });
});

describe('a refusal', () => {
  it.each([
    [400, { error: 'invalid_client' }, 'credentials_rejected', 'credentials', false],
    [400, { error: 'unauthorized_client' }, 'credentials_rejected', 'credentials', false],
    [401, {}, 'credentials_rejected', 'credentials', false],
    [401, 'no JSON', 'credentials_rejected', 'credentials', false],
    [400, { error: 'invalid_scope' }, 'scope_rejected', 'key', false],
    [400, { error: 'invalid_request' }, 'merchant_rejected', 'key', false],
    [403, 'no JSON', 'merchant_rejected', 'key', false],
    [422, {}, 'merchant_rejected', 'key', false],
    [404, {}, 'upstream_invalid', 'key', false],
    [201, {}, 'upstream_invalid', 'key', false],
    [302, '', 'upstream_invalid', 'key', false],
    [408, '', 'upstream_unavailable', 'key', false],
    [429, '', 'upstream_unavailable', 'client', false],
    [500, '<html>', 'upstream_unavailable', 'key', true],
    [503, { error: 'invalid_client' }, 'upstream_unavailable', 'key', true],
  ])('%i %j is %s of scope %s', (status, body, code, scope, transient) => {
    const error = failure(answer(body, { status }));
    expect(error).toMatchObject({ code, scope });
    expect(error instanceof TransientError).toBe(transient);
  });

  it('of a token bound to no merchant speaks of the credentials', () => {
    expect(failure(answer({ error: 'invalid_request' }, { status: 400 }), unbound).code).toBe('credentials_rejected');
  });

  it.each([
    ['7', 7_000],
    ['0', 0],
    ['Tue, 24 Nov 2026 06:02:00 GMT', 120_000],
    ['Tue, 24 Nov 2026 05:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    [undefined, undefined],
  ])('with Retry-After %j asks to wait for %p ms', (retryAfter, ms) => {
    expect(failure(answer('', { status: 429, retryAfter })).retryAfterMs).toBe(ms);
    const unavailable = failure(answer('', { status: 503, retryAfter }));
    expect(unavailable.retryAfterMs).toBe(ms);
    expect(unavailable instanceof TransientError).toBe(ms === undefined);
  });
});

it('whatever comes back, it is a token or an IssuerError, and the error says nothing of the body', () => {
  const status = fc.oneof(fc.constant(200), fc.integer({ min: 100, max: 599 }));
  const member = fc.oneof(fc.jsonValue(), fc.constantFrom('canary', 'Bearer', 3_700, jwt({ merchant_vat: 'canary' })));
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .dictionary(fc.constantFrom('access_token', 'expires_in', 'token_type', 'scope', 'error'), member)
      .map((value) => JSON.stringify(value)),
  );
  const header = fc.oneof(fc.constant(undefined), fc.string(), fc.constant(DATE), fc.nat().map(String));
  let tokens = 0;
  fc.assert(
    fc.property(status, header, header, body, fc.boolean(), (code, date, retryAfter, text, bound) => {
      const given = { status: code, date, retryAfter, body: text };
      const outcome = tryOut(() => readGrantAnswer(given, bound ? subject : unbound));
      if (outcome instanceof IssuerError) return !JSON.stringify([outcome, outcome.message]).includes('eyJ');
      tokens += 1;
      const { token, lifeMs } = outcome;
      return /^[\w.~+/=-]+$/.test(token.reveal()) && lifeMs > 0 && lifeMs <= 86_400_000;
    }),
    { numRuns: 5_000 },
  );
  expect(tokens).toBeGreaterThan(5);
});
