import { jest } from '@jest/globals';

import { type Line, Repeats } from './repeats.js';

jest.useFakeTimers();

function aLog() {
  const lines: Line[] = [];
  const repeats = new Repeats((level, line) => void lines.push({ level, ...line }));
  return { lines, repeats };
}

const failed = (more: object = {}): Line => ({
  room: 'token',
  event: 'token_failed',
  client: 'acme',
  code: 'upstream_unavailable',
  ...more,
});
const refreshed = { room: 'token', event: 'token_refreshed', client: 'acme' };

it('the first is written at once, and the last with how many there were when the minute is over', () => {
  const { lines, repeats } = aLog();
  for (let n = 0; n < 1_000; n += 1) {
    repeats.note('warn', failed({ merchant_vat: `DK${10_000_000 + n}`, took_ms: n }));
    jest.advanceTimersByTime(10);
  }
  const first = { level: 'warn', ...failed({ merchant_vat: 'DK10000000', took_ms: 0 }) };
  expect(lines).toEqual([first]);
  jest.advanceTimersByTime(60_000);
  const last = { level: 'warn', ...failed({ merchant_vat: 'DK10000999', took_ms: 999 }), repeated: 999 };
  expect(lines).toEqual([first, last]);
  jest.advanceTimersByTime(600_000);
  expect(lines).toHaveLength(2);
  repeats.note('warn', failed());
  expect(lines).toHaveLength(3);
});

it('one that is not repeated is not counted', () => {
  const { lines, repeats } = aLog();
  repeats.note('warn', failed());
  jest.advanceTimersByTime(60_000);
  repeats.flush();
  expect(lines).toEqual([{ level: 'warn', ...failed() }]);
});

it.each<[string, Line, Line]>([
  ['of another client', failed(), failed({ client: 'other' })],
  ['with another code', failed(), failed({ code: 'merchant_rejected' })],
  ['of another kind', failed(), failed({ event: 'token_lease_lost' })],
  ['of another record', { event: 'record_locked', record: 'client/a' }, { event: 'record_locked', record: 'client/b' }],
  ['for another reason', { event: 'redis_away', reason: 'OOM' }, { event: 'redis_away', reason: 'ECONNREFUSED' }],
  ['from elsewhere in the code', { event: 'x', error: new TypeError('a') }, { event: 'x', error: new TypeError('a') }],
  ['in other words', { msg: 'one' }, { msg: 'other' }],
])('another one is written as well: %s', (_, one, other) => {
  const { lines, repeats } = aLog();
  repeats.note('error', one);
  repeats.note('error', other);
  repeats.note('error', one);
  expect(lines).toEqual([one, other].map((line) => ({ level: 'error', ...line })));
});

it('the same error is one, whatever it says each time', () => {
  const { lines, repeats } = aLog();
  for (let n = 0; n < 50; n += 1) repeats.note('error', { event: 'internal_error', error: new Error(`no. ${n}`) });
  expect(lines).toHaveLength(1);
  repeats.flush();
  expect(lines[1]).toMatchObject({ event: 'internal_error', repeated: 49 });
});

it('the count is written when it is well again, and once only if it fails every other time', () => {
  const { lines, repeats } = aLog();
  for (let n = 0; n < 3; n += 1) repeats.note('warn', failed({ n }));
  repeats.hear({ ...refreshed, client: 'other' });
  expect(lines).toHaveLength(1);
  repeats.hear(refreshed);
  expect(lines[1]).toEqual({ level: 'warn', ...failed({ n: 2 }), repeated: 2 });
  for (let n = 0; n < 500; n += 1) {
    repeats.note('warn', failed());
    repeats.hear(refreshed);
  }
  expect(lines).toHaveLength(2);
  jest.advanceTimersByTime(60_000);
  expect(lines[2]).toMatchObject({ repeated: 500 });
  expect(lines).toHaveLength(3);
});

it('a Redis that is back ends the count of that one alone', () => {
  const { lines, repeats } = aLog();
  for (const holds of ['tokens', 'vault', 'tokens', 'vault']) repeats.note('error', { event: 'redis_away', holds });
  repeats.hear({ event: 'redis_back', holds: 'vault', away_ms: 5 });
  expect(lines.slice(2)).toEqual([{ level: 'error', event: 'redis_away', holds: 'vault', repeated: 1 }]);
});

it('ten thousand clients that fail fill neither the log nor the memory, and hide no other event', () => {
  const { lines, repeats } = aLog();
  const timersBefore = jest.getTimerCount();
  for (let n = 0; n < 10_000; n += 1) repeats.note('warn', failed({ client: `client-${n}` }));
  repeats.note('error', { room: 'http', event: 'internal_error', error: new Error('a fault') });
  expect(jest.getTimerCount() - timersBefore).toBeLessThan(105);
  expect(lines).toHaveLength(102);
  expect(lines.at(-1)).toMatchObject({ level: 'error', event: 'internal_error' });
  repeats.flush();
  expect(lines.slice(102)).toEqual([{ level: 'warn', room: 'token', event: 'token_failed', repeated: 9_899 }]);
  expect(jest.getTimerCount()).toBe(timersBefore);
});
