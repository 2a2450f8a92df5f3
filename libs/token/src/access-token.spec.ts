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

it.each(['aB3.-_~+/=', 'a "quoted" \\ one', 'with a \n line', 'ø'])('reveals %j as it is, and as JSON', (value) => {
  const token = new AccessToken(value, 'Bearer', undefined);
  expect([token.reveal(), token.revealJson()]).toEqual([value, JSON.stringify(value)]);
});
