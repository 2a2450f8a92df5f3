import { Answers } from '../../support/answers.js';
import { SteppedClock } from '../../support/faketime.js';
import { Replicas, type Wanted } from '../../support/replicas.js';
import { RunningRedis } from '../../support/redis.js';
import { RunningSandbox } from '../../support/sandbox.js';
import { lasting, merchant_vat, refreshUnderWay } from '../refresh.js';
import { row } from '../row.js';

const lifeSeconds = 12;
const marginSeconds = 2;
let replicas: Replicas;
let redis: RunningRedis;
let clock: SteppedClock;

beforeAll(async () => {
  clock = await SteppedClock.create();
  const [sandbox, started] = await Promise.all([
    RunningSandbox.start({ SANDBOX_EXPIRES_IN: String(lifeSeconds) }),
    RunningRedis.startWith({ env: clock.env }),
  ]);
  redis = started;
  replicas = await Replicas.start(4, sandbox, {
    REDIS_URL: redis.url,
    SAFETY_MARGIN_SECONDS: String(marginSeconds),
    REFRESH_JITTER_SECONDS: '0',
  });
}, 240_000);

/** Steps the clock, and sees that Redis has noticed. */
async function step(seconds: number): Promise<void> {
  clock.set(seconds);
  const [now] = (await redis.client.time()).map(Number);
  expect(Math.abs(now! - Date.now() / 1_000 - seconds)).toBeLessThan(2);
}

/** Asks on and on for longer than the token of that moment lives, and sees that no answer is a dead one. */
async function untilItHasDied(wanted: Wanted, among = replicas.alive): Promise<Answers> {
  let answers = new Answers([]);
  for (const endMs = performance.now() + (lifeSeconds + 2) * 1_000; performance.now() < endMs;) {
    const asked = await replicas.askAll(among.length, wanted, among);
    await asked.expectAlive(replicas.sandbox, marginSeconds);
    answers = answers.and(asked);
    await lasting(100);
  }
  return answers;
}

row(25, 'Redis clock stepped', 'forward ≤ 1 more; back: never a dead token', async () => {
  const [first, second] = replicas.alive;
  if (!first || !second) throw new Error('no replicas');

  // Forward, by more than any lease or token lives.
  const known = { client: replicas.aClient(), merchant_vat };
  await replicas.askAll(8, known, [first]);
  const refresh = await refreshUnderWay(replicas, 800);
  await step(3_600);
  const forward = (await refresh.asked()).and(await replicas.askAll(40, known));
  await forward.expectAlive(replicas.sandbox, marginSeconds);
  const calls = [await refresh.calls(), await replicas.calls(known.client)];
  expect(Math.max(...calls)).toBeLessThanOrEqual(2);

  // Back, to long before the token was got: nobody knows its age.
  const old = { client: replicas.aClient(), merchant_vat };
  await replicas.askAll(8, old, [first]);
  await step(0);
  const farBack = await untilItHasDied(old);

  // Back, by less than the token is old: Redis takes it for younger than it is. Somebody who did not know it asks at once.
  const aged = { client: replicas.aClient(), merchant_vat };
  await replicas.askAll(8, aged, [first]);
  await lasting(4_500);
  await step(-4);
  const nearBack = await untilItHasDied(aged, [second]);

  return {
    calls: `forward ${calls.map((each) => `${each - 1} more`).join(' and ')}`,
    slowestMs: forward.slowestMs,
    also: `back: ${farBack.and(nearBack).all.length} answers, none dead`,
  };
});
