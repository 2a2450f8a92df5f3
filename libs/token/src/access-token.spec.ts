import { inspect } from 'node:util';

import { AccessToken, tokenIdOf } from '#token';

it('prints as its fingerprint however it is printed', () => {
  const token = new AccessToken('canary-token', 'Bearer', undefined);
  for (const text of [String(token), JSON.stringify({ token }), inspect({ token }, { showHidden: true, depth: 9 })]) {
    expect(text).toContain(tokenIdOf('canary-token'));
    expect(text).not.toContain('canary-token');
  }
  expect(token.reveal()).toBe('canary-token');
});

it.each(['aB3.-_~+/=', 'a "quoted" \\ one', 'with a \n line', 'ø', '€ 😀 \ud800', '', 'long '.repeat(10_000)])(
  'reveals %j as it is, and as JSON in ASCII',
  (value) => {
    const token = new AccessToken(value, 'Bearer', undefined);
    expect(token.reveal()).toBe(value);
    expect(JSON.parse(token.revealJson())).toBe(value);
    expect(token.revealJson()).toMatch(/^"[ -~]*"$/);
  },
);

it('keeps each of many tokens apart from those beside it', () => {
  const values = Array.from({ length: 1_000 }, (_, n) => `${n}-${'x'.repeat((n * 37) % 3_000)}`);
  const tokens = values.map((value) => new AccessToken(value, 'Bearer', undefined));
  expect(tokens.map((token) => token.reveal())).toEqual(values);
});
