import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import fc from 'fast-check';

import { tokenIdOf } from '#token';

import { OAuthProblem, Problem } from '../http/problem.js';
import { readGrantRequest, readInvalidationRequest, readTokenRequest } from './token-requests.js';

function fieldsOf(read: () => unknown): (string | undefined)[] {
  try {
    read();
  } catch (error) {
    if (error instanceof Problem) return (error.more.errors ?? []).map(({ field }) => field);
    throw error;
  }
  return [];
}

describe('a token request', () => {
  it('is read whatever of it is given', () => {
    expect(readTokenRequest({ client: 'acme' })).toEqual({ client: 'acme', merchantVat: undefined, minValidityMs: 0 });
    const whole = { client: 'acme', merchant_vat: 'DK12345678', min_validity: 600 };
    expect(readTokenRequest(whole)).toEqual({ client: 'acme', merchantVat: 'DK12345678', minValidityMs: 600_000 });
  });

  it('of any other shape is refused, and nothing but a problem is ever thrown', () => {
    const near = (...likely: unknown[]) =>
      fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...likely) }, fc.jsonValue());
    const fields = {
      client: near('acme'),
      merchant_vat: near('DK12345678'),
      min_validity: near(0, 60, 600, 601, -1, 0.5),
    };
    const more = fc.option(fc.dictionary(fc.constantFrom('__proto__', 'toString', 'scope'), fc.jsonValue()), {
      freq: 2,
    });
    const object = fc
      .tuple(fc.record(fields, { requiredKeys: [] }), more)
      .map(([body, extra]) => ({ ...body, ...extra }));
    const body = fc.oneof({ weight: 4, arbitrary: object }, fc.jsonValue());
    let taken = 0;
    fc.assert(
      fc.property(body, (given) => {
        const wrong = fieldsOf(() => {
          const { client, merchantVat, minValidityMs } = readTokenRequest(given);
          taken += 1;
          expect(client).toMatch(/^[a-z0-9][a-z0-9-]{0,62}$/);
          expect(merchantVat ?? 'DK12345678').toMatch(/^(DK|FI)\d{8}$/);
          expect([0, 60_000, 600_000]).toContain(minValidityMs);
          expect(Object.keys(given as object)).not.toContain('scope');
        });
        expect(['client', 'merchant_vat', 'min_validity', 'body']).toEqual(expect.arrayContaining(wrong));
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('is told everything that is wrong with it at once, and not what it sent', () => {
    const body = { client: 'Canary', merchant_vat: 'canary', min_validity: 'canary', canary: 1 };
    expect(fieldsOf(() => readTokenRequest(body))).toEqual(['client', 'merchant_vat', 'min_validity', 'body']);
    expect(() => readTokenRequest(body)).toThrow(
      expect.objectContaining({ detail: expect.not.stringMatching(/canary/i) }),
    );
  });
});

describe('a report of a bad token', () => {
  it('names it by its fingerprint or shows it, and not both', () => {
    const token_id = tokenIdOf('a-token');
    const read = { client: 'acme', merchantVat: undefined, tokenId: token_id };
    expect(readInvalidationRequest({ client: 'acme', token_id })).toEqual(read);
    expect(readInvalidationRequest({ client: 'acme', access_token: 'a-token' })).toEqual(read);
    expect(fieldsOf(() => readInvalidationRequest({ client: 'acme' }))).toEqual(['token_id']);
    expect(fieldsOf(() => readInvalidationRequest({ client: 'acme', token_id, access_token: 'a-token' }))).toEqual([
      'token_id',
    ]);
    expect(fieldsOf(() => readInvalidationRequest({ client: 'acme', token_id: 'short' }))).toEqual(['token_id']);
    expect(fieldsOf(() => readInvalidationRequest({ client: 'acme', access_token: 'a'.repeat(16_385) }))).toEqual([
      'access_token',
    ]);
  });
});

describe('a grant request', () => {
  const grant_type = 'client_credentials';

  function errorOf(form: Record<string, string> | string): string | undefined {
    try {
      readGrantRequest(new URLSearchParams(form));
    } catch (error) {
      if (error instanceof OAuthProblem) return error.error;
      throw error;
    }
    return undefined;
  }

  it('holds no more of a long form than the scope', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const held: unknown[] = [];
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 500; n += 1) {
      const form = new URLSearchParams(
        `grant_type=${grant_type}&scope=one-of-very-many-${n}&junk=${'x'.repeat(60_000)}`,
      );
      held.push(readGrantRequest(form));
    }
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
    expect(held).toHaveLength(500);
  });

  it('asks for the same in whatever order its scopes are', () => {
    const one = readGrantRequest(new URLSearchParams({ grant_type, scope: 'b a b' }));
    expect(one).toEqual(readGrantRequest(new URLSearchParams({ grant_type, scope: 'a b' })));
  });

  it('may leave a parameter empty, and have ones that we do not know (RFC 6749 §3.1)', () => {
    const form = new URLSearchParams({ grant_type, scope: '', merchant_vat: '', resource: 'x' });
    expect(readGrantRequest(form)).toEqual({ merchantVat: undefined, scope: undefined });
  });

  it.each([
    ['', 'invalid_request'],
    [{ grant_type: '' }, 'invalid_request'],
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: 'Client_Credentials' }, 'unsupported_grant_type'],
    ['grant_type=client_credentials&grant_type=client_credentials', 'invalid_request'],
    ['grant_type=client_credentials&resource=a&resource=b', 'invalid_request'],
    [{ grant_type, merchant_vat: 'DK1234567' }, 'invalid_request'],
    [{ grant_type, scope: 'a  b' }, 'invalid_scope'],
    [{ grant_type, scope: 'a"b' }, 'invalid_scope'],
    [{ grant_type, scope: 'æ' }, 'invalid_scope'],
    [{ grant_type, scope: Array.from({ length: 21 }, (_, i) => `s${i}`).join(' ') }, 'invalid_scope'],
  ])('%j is refused as %s', (form, error) => {
    expect(errorOf(form)).toBe(error);
  });
});
