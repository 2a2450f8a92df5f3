import {
  callerKeyId,
  callerKeyMatches,
  CLIENT_PATTERN,
  decide,
  type Grant,
  isCallerKey,
  MERCHANT_PATTERN,
  newCallerKey,
  type Refusal,
  type Role,
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
  const many = Array.from({ length: 5_000 }, (_, i) => `DK${10_000_000 + i}`);

  it.each<[Grant[], string, string | undefined, 'allowed' | Refusal]>([
    [[], 'acme', 'DK12345678', 'client'],
    [[], 'acme', undefined, 'client'],
    [grant({}), 'acme', 'DK12345678', 'merchant'],
    [grant({}), 'acme', undefined, 'unrestricted'],
    [grant({ merchants: ['DK12345678'] }), 'acme', 'DK12345678', 'allowed'],
    [grant({ merchants: ['DK12345678'] }), 'acme', 'DK12345679', 'merchant'],
    [grant({ merchants: ['DK12345678'] }), 'acme', 'FI12345678', 'merchant'],
    [grant({ merchants: ['DK12345678'] }), 'acme', undefined, 'unrestricted'],
    [grant({ merchants: ['DK12345678'] }), 'other', 'DK12345678', 'client'],
    [grant({ merchants: ['DK12345678'] }), 'acme-shop', 'DK12345678', 'client'],
    [grant({ merchants: ['DK12345678'] }), 'acm', 'DK12345678', 'client'],
    [grant({ merchants: ['FI*'] }), 'acme', 'FI12345678', 'allowed'],
    [grant({ merchants: ['FI*'] }), 'acme', 'DK12345678', 'merchant'],
    [grant({ merchants: ['DK123*', 'FI9*'] }), 'acme', 'DK12399999', 'allowed'],
    [grant({ merchants: ['DK123*', 'FI9*'] }), 'acme', 'DK12499999', 'merchant'],
    [grant({ merchants: ['*'] }), 'acme', 'DK12345678', 'allowed'],
    [grant({ merchants: ['*'] }), 'acme', undefined, 'unrestricted'],
    [grant({ merchants: many }), 'acme', 'DK10004999', 'allowed'],
    [grant({ merchants: many }), 'acme', 'DK10005000', 'merchant'],
    [grant({ unrestricted: true }), 'acme', undefined, 'allowed'],
    [grant({ unrestricted: true }), 'acme', 'DK12345678', 'merchant'],
    [grant({ client: 'acme-*', merchants: ['*'] }), 'acme-shop', 'DK12345678', 'allowed'],
    [grant({ client: 'acme-*', merchants: ['*'] }), 'acme', 'DK12345678', 'client'],
    [grant({ client: '*', merchants: ['*'] }), 'anything', 'DK12345678', 'allowed'],
    // What one grant allows of one client is not allowed of the other's.
    [[...grant({ unrestricted: true }), ...grant({ client: 'b', merchants: ['*'] })], 'b', undefined, 'unrestricted'],
    [[...grant({ unrestricted: true }), ...grant({ client: 'b', merchants: ['*'] })], 'acme', 'DK12345678', 'merchant'],
    [[...grant({}), ...grant({ merchants: ['*'] })], 'acme', 'DK12345678', 'allowed'],
  ])('%j on %s and %s: %s', (grants, client, merchantVat, expected) => {
    const decision = decide({ roles: ['token'], grants }, client, merchantVat);
    expect(typeof decision === 'string' ? decision : grants.includes(decision) && 'allowed').toBe(expected);
  });

  it.each<[Role[]]>([[[]], [['ops']], [['admin']], [['ops', 'admin']]])('is of no use to the roles %j', (roles) => {
    const grants = grant({ merchants: ['*'], unrestricted: true });
    expect(decide({ roles, grants }, 'acme', 'DK12345678')).toBe('role');
    expect(decide({ roles, grants }, 'acme', undefined)).toBe('role');
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
