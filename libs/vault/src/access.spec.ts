import {
  callerKeyId,
  callerKeyMatches,
  CLIENT_PATTERN,
  type Grant,
  isCallerKey,
  isGranted,
  MERCHANT_PATTERN,
  newCallerKey,
} from '#vault';

describe('a caller key', () => {
  it('is recognised, carries its id, and matches its own hash alone', () => {
    const [one, other] = [newCallerKey(), newCallerKey()];
    const key = one.key.reveal();
    expect(key).toMatch(/^tbk_/);
    expect(isCallerKey(key)).toBe(true);
    expect(callerKeyId(key)).toBe(one.id);
    expect(callerKeyMatches(key, one.hash)).toBe(true);
    expect(callerKeyMatches(key, other.hash)).toBe(false);
  });

  it('with any character changed or missing is not one', () => {
    const key = newCallerKey().key.reveal();
    for (let at = 0; at < key.length; at += 1) {
      const changed = key.slice(0, at) + (key[at] === 'a' ? 'b' : 'a') + key.slice(at + 1);
      expect(isCallerKey(changed)).toBe(false);
      expect(isCallerKey(key.slice(0, at))).toBe(false);
    }
    expect(isCallerKey(`${key}0`)).toBe(false);
  });
});

describe('a grant', () => {
  const grant = (parts: Partial<Grant>): Grant[] => [{ client: 'acme', merchants: [], unrestricted: false, ...parts }];

  it.each<[Grant[], string, string | undefined, boolean]>([
    [[], 'acme', 'DK12345678', false],
    [grant({ merchants: ['DK12345678'] }), 'acme', 'DK12345678', true],
    [grant({ merchants: ['DK12345678'] }), 'acme', 'DK12345679', false],
    [grant({ merchants: ['DK12345678'] }), 'acme', undefined, false],
    [grant({ merchants: ['DK12345678'] }), 'other', 'DK12345678', false],
    [grant({ merchants: ['FI*'] }), 'acme', 'FI12345678', true],
    [grant({ merchants: ['FI*'] }), 'acme', 'DK12345678', false],
    [grant({ merchants: ['*'] }), 'acme', 'DK12345678', true],
    [grant({ merchants: ['*'] }), 'acme', undefined, false],
    [grant({ unrestricted: true }), 'acme', undefined, true],
    [grant({ unrestricted: true }), 'acme', 'DK12345678', false],
    [grant({ client: 'acme-*', merchants: ['*'] }), 'acme-shop', 'DK12345678', true],
    [grant({ client: 'acme-*', merchants: ['*'] }), 'acme', 'DK12345678', false],
    [grant({ client: '*', merchants: ['*'] }), 'anything', 'DK12345678', true],
    [
      [...grant({ client: 'a', unrestricted: true }), ...grant({ client: 'b', merchants: ['*'] })],
      'b',
      undefined,
      false,
    ],
  ])('%j on %s and %s: %s', (grants, client, merchantVat, expected) => {
    expect(isGranted(grants, client, merchantVat)).toBe(expected);
  });

  it.each(['*', 'acme', 'acme-*', 'a*'])('may name clients as %s', (pattern) => {
    expect(pattern).toMatch(CLIENT_PATTERN);
  });
  it.each(['', '**', '*a', 'a*b', '-a', 'A', 'a.b', 'a/b', 'a'.repeat(64)])(
    'may not name clients as "%s"',
    (pattern) => {
      expect(pattern).not.toMatch(CLIENT_PATTERN);
    },
  );
  it.each(['*', 'DK*', 'FI123*', 'DK12345678'])('may name merchants as %s', (pattern) => {
    expect(pattern).toMatch(MERCHANT_PATTERN);
  });
  it.each(['', 'SE*', 'DK', 'DK1234567', 'DK123456789', 'dk12345678', 'DK12345678*', 'D*'])(
    'may not name merchants as "%s"',
    (pattern) => {
      expect(pattern).not.toMatch(MERCHANT_PATTERN);
    },
  );
});
