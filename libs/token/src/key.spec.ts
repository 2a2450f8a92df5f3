import fc from 'fast-check';

import { isMerchantVat, tokenKey, type TokenSubject } from '#token';

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

describe('a merchant’s VAT number', () => {
  const valid = fc.tuple(fc.constantFrom('DK', 'FI'), fc.nat(99_999_999)).map(([country, number]) => {
    return country + String(number).padStart(8, '0');
  });

  /** The same rule, written the long way. */
  function isVatTheLongWay(vat: string): boolean {
    const digits = vat.slice(2).split('');
    return ['DK', 'FI'].includes(vat.slice(0, 2)) && digits.length === 8 && digits.every((d) => d >= '0' && d <= '9');
  }

  it('is DK or FI and 8 digits', () => {
    fc.assert(fc.property(valid, (vat) => expect(isMerchantVat(vat)).toBe(true)));
  });

  it('is nothing else: one character changed, added or taken away', () => {
    const character = fc.oneof(
      fc.constantFrom('D', 'K', 'F', 'I', 'd', 'i', '0', '9', ' ', '\n', '\u0660', '-'),
      fc.string({ unit: 'binary', maxLength: 2 }),
    );
    fc.assert(
      fc.property(valid, fc.nat(10), fc.nat(2), character, (vat, at, taken, put) => {
        const changed = vat.slice(0, at) + put + vat.slice(at + taken);
        expect(isMerchantVat(changed)).toBe(isVatTheLongWay(changed));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    '',
    'DK1234567',
    'DK123456789',
    'SE12345678',
    'dk12345678',
    'DK 12345678',
    ' DK12345678',
    'DK12345678\n',
    'DK1234567٣',
  ])('%j is none', (other) => expect(isMerchantVat(other)).toBe(false));
});
