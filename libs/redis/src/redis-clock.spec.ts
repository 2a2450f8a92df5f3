import { FakeClock } from '../../../test/support/fake-clock.js';
import { RedisClock } from './redis-clock.js';

const LIFE = 60_000;

/** A token that Redis stored, as it is told by Redis' clock. */
function setup() {
  const clock = new FakeClock();
  const watch = new RedisClock(clock);
  let offsetMs = 1e12;
  return {
    clock,
    step: (ms: number) => (offsetMs += ms),
    look: () => watch.notice(clock.now() + offsetMs, clock.now()),
    grant: () => ({ expiresAt: clock.now() + offsetMs + LIFE, reallyAt: clock.now() + LIFE }),
    leftOf: (token: { expiresAt: number }) => watch.leftOf(token.expiresAt - (clock.now() + offsetMs), LIFE),
    reallyLeft: (token: { reallyAt: number }) => token.reallyAt - clock.now(),
  };
}

it('takes Redis at its word as long as its clock runs', async () => {
  const { clock, look, grant, leftOf, reallyLeft } = setup();
  expect(look()).toBe(false);
  const token = grant();
  await clock.advance(10_000);
  expect(look()).toBe(false);
  expect(leftOf(token)).toBe(reallyLeft(token));
});

it.each([3_000, 10_000, 600_000])('never sees too much life after a step back by %d ms', async (backMs) => {
  const { clock, step, look, grant, leftOf, reallyLeft } = setup();
  look();
  const before = grant();
  await clock.advance(5_000);
  step(-backMs);
  expect(look()).toBe(true);
  expect(leftOf(before)).toBeLessThanOrEqual(reallyLeft(before));
  const after = grant();
  for (let i = 0; i < 12; i += 1) {
    await clock.advance(5_000);
    look();
    for (const token of [before, after]) expect(leftOf(token)).toBeLessThanOrEqual(reallyLeft(token));
  }
});

it('trusts tokens again that must be younger than the step', async () => {
  const { clock, step, look, grant, leftOf, reallyLeft } = setup();
  look();
  step(-5_000);
  look();
  await clock.advance(6_000);
  const token = grant();
  await clock.advance(1_000);
  expect(leftOf(token)).toBe(reallyLeft(token));
});

it('adds up several steps', async () => {
  const { clock, step, look, grant, leftOf, reallyLeft } = setup();
  look();
  const token = grant();
  for (let i = 0; i < 4; i += 1) {
    await clock.advance(1_000);
    step(-4_000);
    look();
    expect(leftOf(token)).toBeLessThanOrEqual(reallyLeft(token));
  }
});

it('a step forward makes tokens older, which is safe', async () => {
  const { clock, step, look, grant, leftOf, reallyLeft } = setup();
  look();
  const token = grant();
  await clock.advance(1_000);
  step(7_000);
  expect(look()).toBe(false);
  expect(leftOf(token)).toBe(reallyLeft(token) - 7_000);
});
