import { AccessToken, type HeldToken } from '#token';

import { aKey } from '../../../../test/support/tokens.js';
import type { AuditLog } from '../audit/audit-log.js';
import { systemClock } from '../config/system-clock.js';
import { GivenTokens } from './given-tokens.js';

const key = aKey();

function held(value: string): HeldToken {
  const now = systemClock.now();
  const times = { startedAtMs: now, refreshAtMs: now + 1_000, expiresAtMs: now + 60_000 };
  return { token: new AccessToken(value, 'Bearer', undefined), generation: 3, ...times, source: 'store' };
}

const by = (name: string) => ({ caller: { name }, socket: { remoteAddress: '192.0.2.1' } });

function aTrail() {
  const lines: Record<string, unknown>[] = [];
  let recover = () => {};
  const log: Pick<AuditLog, 'write' | 'onRecovery'> = {
    write: (event, fields) => void lines.push({ event, ...fields }),
    onRecovery: (listener) => (recover = listener),
  };
  return { lines, given: new GivenTokens(log as AuditLog), recover: () => recover() };
}

it('writes one line for each caller and token, however often', () => {
  const { lines, given } = aTrail();
  const [one, two] = [held('one'), held('two')];
  for (let n = 0; n < 100; n += 1) {
    for (const token of [one, two]) for (const name of ['shop', 'till']) given.note(by(name), key, token, 'memory');
  }
  expect(lines).toHaveLength(4);
  expect(lines[0]).toEqual({
    event: 'token.given',
    caller: 'shop',
    client: 'acme',
    merchant_vat: 'DK12345678',
    scope: undefined,
    token_id: one.token.tokenId,
    generation: 3,
    source: 'memory',
    address: '192.0.2.1',
  });
});

it('writes one line for each of very many callers of a token', () => {
  const { lines, given } = aTrail();
  const one = held('one');
  const names = Array.from({ length: 50 }, (_, i) => `caller-${i}`);
  for (let n = 0; n < 3; n += 1) for (const name of names) given.note(by(name), key, one, 'memory');
  expect(lines.map(({ caller }) => caller)).toEqual(names);
});

it('remembers the holders of as many tokens as it can, those that are asked for longest', () => {
  const { lines, given } = aTrail();
  const first = held('first');
  given.note(by('shop'), key, first, 'memory');
  for (let i = 0; i < 250_000; i += 1) {
    const { token } = first;
    given.note(
      by('till'),
      key,
      { ...first, token: Object.assign(Object.create(token), { tokenId: `t${i}` }) },
      'memory',
    );
  }
  given.note(by('shop'), key, first, 'memory');
  expect(lines).toHaveLength(250_001);
});

it('knows a token that was read from the store once more', () => {
  const { lines, given } = aTrail();
  given.note(by('shop'), key, held('one'), 'store');
  given.note(by('shop'), key, held('one'), 'memory');
  given.note(by('till'), key, held('one'), 'memory');
  expect(lines).toMatchObject([
    { caller: 'shop', source: 'store' },
    { caller: 'till', source: 'memory' },
  ]);
});

it('writes everything once more after lines were lost: nobody knows which', () => {
  const { lines, given, recover } = aTrail();
  const one = held('one');
  given.note(by('shop'), key, one, 'upstream');
  recover();
  given.note(by('shop'), key, one, 'memory');
  given.note(by('shop'), key, one, 'memory');
  expect(lines).toHaveLength(2);
});
