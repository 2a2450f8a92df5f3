import { AccessToken, type HeldToken } from '#token';

import { aKey } from '../../../../test/support/tokens.js';
import { systemClock } from '../config/system-clock.js';
import { tokenAnswer } from './token-answer.js';

const realNow = { wall: Date.now, monotonic: systemClock.now.bind(systemClock) };
let now = { wall: Date.parse('2026-01-02T03:04:05Z'), monotonic: 1_000 };

beforeEach(() => {
  now = { wall: Date.parse('2026-01-02T03:04:05Z'), monotonic: 1_000 };
  Date.now = () => now.wall;
  systemClock.now = () => now.monotonic;
});
afterEach(() => {
  Date.now = realNow.wall;
  systemClock.now = realNow.monotonic;
});

function held(value = 'a "quoted" token', scope: string | undefined = 'integrator_scope'): HeldToken {
  const times = { startedAtMs: 1_000, refreshAtMs: 31_000, expiresAtMs: 61_000 };
  return { token: new AccessToken(value, 'Bearer', scope), generation: 3, ...times, source: 'store' };
}

const said = (...args: Parameters<typeof tokenAnswer>) => JSON.parse(tokenAnswer(...args)) as Record<string, unknown>;

it('says what the contract says, in its order', () => {
  const token = held();
  expect(Object.entries(said(aKey(), token))).toEqual([
    ['access_token', 'a "quoted" token'],
    ['token_type', 'Bearer'],
    ['expires_in', 60],
    ['expires_at', '2026-01-02T03:05:05.000Z'],
    ['scope', 'integrator_scope'],
    ['client', 'acme'],
    ['merchant_vat', 'DK12345678'],
    ['token_id', token.token.tokenId],
  ]);
});

it('names the header of a token bound to no merchant, and no scope that there is not', () => {
  const answer = said(aKey({ merchantVat: undefined }), held('t', undefined));
  expect(answer).toMatchObject({ merchant_vat_header: 'x-mobilepay-merchant-vat-number' });
  expect(Object.keys(answer)).not.toEqual(expect.arrayContaining(['merchant_vat', 'scope']));
});

it('counts the seconds that are left anew each time; when it expires stays the same', () => {
  const [key, token] = [aKey(), held()];
  const seen = [0, 1, 999, 30_000].map((later) => {
    now.wall += later;
    now.monotonic += later;
    const { expires_in, expires_at } = said(key, token);
    return [expires_in, expires_at];
  });
  const at = '2026-01-02T03:05:05.000Z';
  expect(seen).toEqual([
    [60, at],
    [59, at],
    [59, at],
    [29, at],
  ]);
});

it('follows a wall clock that is set', () => {
  const [key, token] = [aKey(), held()];
  said(key, token);
  now.wall += 3_600_000;
  expect(said(key, token)).toMatchObject({ expires_in: 60, expires_at: '2026-01-02T04:05:05.000Z' });
});

it('tells two tokens of one key apart', () => {
  const key = aKey();
  expect([held('one'), held('two')].map((each) => said(key, each)['access_token'])).toEqual(['one', 'two']);
});
