import fc from 'fast-check';

import { tokenKey, type TokenSubject } from '#token';

const text = fc.string({ unit: 'binary', maxLength: 6 });
const subject: fc.Arbitrary<TokenSubject> = fc.record(
  {
    environment: text,
    tokenUrl: text,
    client: text,
    credentialGeneration: fc.nat(),
    merchantVat: text,
    scope: text,
  },
  { requiredKeys: ['environment', 'tokenUrl', 'client', 'credentialGeneration'] },
);

function parts(s: TokenSubject): string {
  const { environment, tokenUrl, client, credentialGeneration, merchantVat, scope } = s;
  const codes = [environment, tokenUrl, client, merchantVat, scope].map((part) =>
    part === undefined ? null : Array.from({ length: part.length }, (_, i) => part.charCodeAt(i)),
  );
  return JSON.stringify([credentialGeneration, codes]);
}

describe('a token key', () => {
  it('is shared by two subjects if and only if they are the same', () => {
    fc.assert(
      fc.property(subject, subject, (a, b) => {
        expect(tokenKey(a).id === tokenKey(b).id).toBe(parts(a) === parts(b));
      }),
      { numRuns: 2_000 },
    );
  });

  it('moves when a character crosses from one part into the next', () => {
    fc.assert(
      fc.property(text, fc.string({ minLength: 1, maxLength: 6 }), text, (left, middle, right) => {
        const base = { tokenUrl: 'u', credentialGeneration: 1 };
        const a = tokenKey({ ...base, environment: left + middle, client: right });
        const b = tokenKey({ ...base, environment: left, client: middle + right });
        expect(a.id).not.toBe(b.id);
        const c = tokenKey({ ...base, environment: 'e', client: 'c', merchantVat: left + middle, scope: right });
        const d = tokenKey({ ...base, environment: 'e', client: 'c', merchantVat: left, scope: middle + right });
        expect(c.id).not.toBe(d.id);
      }),
    );
  });

  it('tells "no merchant" and "no scope" from empty ones', () => {
    const base = { environment: 'e', tokenUrl: 'u', client: 'c', credentialGeneration: 1 };
    const ids = [{}, { merchantVat: '' }, { scope: '' }, { merchantVat: '', scope: '' }, { merchantVat: 'none;' }];
    expect(new Set(ids.map((more) => tokenKey({ ...base, ...more }).id)).size).toBe(ids.length);
  });

  it('groups keys by credential generation and by client', () => {
    const base = { environment: 'e', tokenUrl: 'u', client: 'c' };
    const [first, second] = [1, 2].map((credentialGeneration) => tokenKey({ ...base, credentialGeneration }));
    const merchant = tokenKey({ ...base, credentialGeneration: 1, merchantVat: 'DK12345678' });
    expect(merchant.credentialsId).toBe(first!.credentialsId);
    expect(second!.credentialsId).not.toBe(first!.credentialsId);
    expect(second!.clientId).toBe(first!.clientId);
  });
});
