import { SignInLimit } from './sign-in-limit.js';

const realNow = performance.now.bind(performance);
let now = 0;
let limit: SignInLimit;

beforeEach(() => {
  now = 1_000;
  performance.now = () => now;
  limit = new SignInLimit();
});
afterEach(() => {
  performance.now = realNow;
});

const isHeldBack = (address: string) => {
  try {
    limit.take(address);
    return false;
  } catch {
    return true;
  }
};

function failures(address: string, count: number): void {
  for (let n = 0; n < count; n += 1) limit.take(address);
}

it('holds an address back after ten failures, and says for how long', () => {
  failures('192.0.2.1', 10);
  expect(() => limit.take('192.0.2.1')).toThrow(
    expect.objectContaining({ code: 'rate_limited', more: { retryAfterMs: 6_000 } }),
  );
  now += 6_000;
  failures('192.0.2.1', 1);
  expect(() => limit.take('192.0.2.1')).toThrow('wrong keys');
});

it('holds nobody else back', () => {
  failures('192.0.2.1', 10);
  failures('192.0.2.2', 9);
  expect(isHeldBack('192.0.2.2')).toBe(false);
});

it('does not count what was forgiven, and saves nothing up', () => {
  for (let n = 0; n < 50; n += 1) {
    limit.take('192.0.2.1');
    limit.forgive('192.0.2.1');
  }
  failures('192.0.2.1', 10);
  expect(() => limit.take('192.0.2.1')).toThrow('wrong keys');
});

it('remembers a bounded number of addresses', () => {
  failures('192.0.2.1', 10);
  for (let n = 0; n < 10_000; n += 1) failures(`2001:db8::${n.toString(16)}`, 1);
  // It is forgotten, and with it what it did.
  expect(isHeldBack('192.0.2.1')).toBe(false);
});
