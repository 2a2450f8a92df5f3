import type { BrokerConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';
import { RateLimits } from './rate-limits.js';

const MINUTE_MS = 60_000;
const realNow = performance.now.bind(performance);
const shop: Caller = { name: 'shop', roles: ['token'], grants: [] };
const subject = { client: 'acme', merchantVat: 'DK12345678' };
let now = 0;

beforeEach(() => {
  now = 1_000;
  performance.now = () => now;
});
afterEach(() => {
  performance.now = realNow;
});

function limitsOf(perKey: number, perCaller: number): RateLimits {
  return new RateLimits({ limits: { perKey, perCaller } } as BrokerConfig);
}

/** How many of so many at once are let through. */
function letThrough(count: number, take: () => void): number {
  let passed = 0;
  const refused: unknown[] = [];
  for (let n = 0; n < count; n += 1) {
    try {
      take();
      passed += 1;
    } catch (error) {
      refused.push(error);
    }
  }
  const refusal = expect.objectContaining({ code: 'rate_limited', more: { retryAfterMs: expect.any(Number) } });
  expect(refused).toEqual(refused.map(() => refusal));
  return passed;
}

it('a burst is as large as a minute’s share, after however long a rest', () => {
  const limits = limitsOf(20, 1_000);
  const take = () => limits.takeForKey(shop, subject);
  expect(letThrough(1, take)).toBe(1);
  now += 10 * MINUTE_MS;
  expect(letThrough(80, take)).toBe(20);
  now += MINUTE_MS / 2;
  expect(letThrough(80, take)).toBe(10);
});

it.each([30, 1_000])('of a caller as well, with %i a minute, but for a few that are not timed', (perCaller) => {
  const limits = limitsOf(20, perCaller);
  const take = () => limits.take(shop);
  const burst = () => letThrough(3 * perCaller, take);
  expect(letThrough(10, take)).toBe(10);
  now += 10 * MINUTE_MS;
  const first = burst();
  expect(first).toBeGreaterThanOrEqual(perCaller);
  expect(first).toBeLessThanOrEqual(perCaller + 64);
  expect(burst()).toBe(0);
  now += MINUTE_MS;
  expect(burst()).toBe(perCaller);
});

it('a bucket that is in use outlives those that are idle, and is no fuller for it', () => {
  const limits = limitsOf(20, 1_000);
  const take = () => limits.takeForKey(shop, subject);
  expect(letThrough(80, take)).toBe(20);
  for (let minute = 1; minute <= 3; minute += 1) {
    now += MINUTE_MS / 2;
    limits.forgetIdle();
    expect(letThrough(80, take)).toBe(10);
  }
});

it('tells whether there is room without taking any', () => {
  const limits = limitsOf(20, 2);
  const looks = () => Array.from({ length: 5 }, () => limits.hasRoom(shop));
  expect(looks()).not.toContain(false);
  expect(letThrough(3, () => limits.take(shop))).toBe(2);
  expect(looks()).not.toContain(true);
  now += MINUTE_MS / 2;
  expect(looks()).not.toContain(false);
});

it.each([0, 10, 30, 59])('what was taken once fills up from then on (asked again after %i s)', (seconds) => {
  const limits = limitsOf(60, 1_000);
  const take = () => limits.takeForKey(shop, subject);
  expect(letThrough(1, take)).toBe(1);
  now += seconds * 1_000;
  limits.forgetIdle();
  expect(letThrough(200, take)).toBe(Math.min(60, 59 + seconds));
});

it('each caller, client and merchant has a bucket of its own; no scope has', () => {
  const limits = limitsOf(1, 1_000);
  const others = [{ client: 'other' }, { merchantVat: 'DK87654321' }, { merchantVat: undefined }];
  expect(letThrough(2, () => limits.takeForKey(shop, subject))).toBe(1);
  for (const other of others) expect(letThrough(2, () => limits.takeForKey(shop, { ...subject, ...other }))).toBe(1);
  expect(letThrough(2, () => limits.takeForKey({ ...shop, name: 'till' }, subject))).toBe(1);
  const scoped = { ...subject, scope: 'another' };
  expect(letThrough(2, () => limits.takeForKey(shop, scoped))).toBe(0);
});

it('a key that is known keeps what was taken from it, however many others come', () => {
  const limits = limitsOf(2, 1_000);
  const take = () => limits.takeForKey(shop, subject);
  expect(letThrough(3, take)).toBe(2);
  for (let n = 1; n < 100_000; n += 1) limits.takeForKey(shop, { client: `c${n}` });
  expect(letThrough(3, take)).toBe(0);
  limits.takeForKey(shop, { client: 'one more' });
  expect(letThrough(3, take)).toBe(0);
});

describe('other limits', () => {
  it.each([
    [20, 60, 19],
    [20, 5, 5],
    [100, 1, 1],
  ])('leave to whoever has asked once what was left (%i, then %i)', (perKey, then, left) => {
    const limits = limitsOf(perKey, 1_000);
    limits.takeForKey(shop, subject);
    limits.adopt({ perKey: then, perCaller: 1_000 } as BrokerConfig['limits']);
    expect(letThrough(100, () => limits.takeForKey(shop, subject))).toBe(left);
  });

  const other = (perKey: number, perCaller: number) => ({ perKey, perCaller }) as BrokerConfig['limits'];
  const takes = (limits: RateLimits) => [() => limits.take(shop), () => limits.takeForKey(shop, subject)];

  it.each([0, 1])('that are wider give nobody a new burst, and fill up at their pace (%i)', (which) => {
    const limits = limitsOf(20, 20);
    const take = takes(limits)[which]!;
    expect(letThrough(80, take)).toBe(20);
    limits.adopt(other(60, 60));
    expect(letThrough(80, take)).toBe(0);
    now += MINUTE_MS / 2;
    expect(letThrough(80, take)).toBe(30);
    now += 10 * MINUTE_MS;
    expect(letThrough(80, take)).toBe(60);
  });

  it.each([0, 1])('that are narrower count at once, for those who asked for nothing yet too (%i)', (which) => {
    const limits = limitsOf(100, 100);
    const take = takes(limits)[which]!;
    expect(letThrough(10, take)).toBe(10);
    limits.adopt(other(5, 5));
    expect(letThrough(80, take)).toBe(5);
    now += MINUTE_MS;
    expect(letThrough(80, take)).toBe(5);
    const untouched = limitsOf(100, 100);
    untouched.adopt(other(5, 5));
    expect(letThrough(80, takes(untouched)[which]!)).toBe(5);
  });

  it('however often they change, give no more than the widest of them', () => {
    const limits = limitsOf(20, 1_000);
    const [, take] = takes(limits);
    let passed = 0;
    for (let n = 0; n < 50; n += 1) {
      limits.adopt(other(n % 2 === 0 ? 5 : 20, 1_000));
      passed += letThrough(30, take!);
    }
    expect(passed).toBe(5);
  });

  it('count for a bucket that was idle as well', () => {
    const limits = limitsOf(20, 1_000);
    const [, take] = takes(limits);
    expect(letThrough(80, take!)).toBe(20);
    limits.forgetIdle();
    limits.adopt(other(60, 1_000));
    expect(letThrough(80, take!)).toBe(0);
  });
});
