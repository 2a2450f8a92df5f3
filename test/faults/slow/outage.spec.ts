import { eventually } from '../../support/processes.js';
import { Replicas } from '../../support/replicas.js';
import { RunningRedis } from '../../support/redis.js';
import { RunningSandbox } from '../../support/sandbox.js';
import { expectOneToken, lasting, merchant_vat, refreshUnderWay } from '../refresh.js';
import { row } from '../row.js';

const graceMs = 3_500;
/** Nobody who waits for Redis even once is that quick: the limit of one command is 400 ms. */
const QUICK_MS = 300;
let replicas: Replicas;
let redis: RunningRedis;

beforeAll(async () => {
  const [sandbox, started] = await Promise.all([
    RunningSandbox.start(),
    RunningRedis.start(['--enable-debug-command', 'yes']),
  ]);
  redis = started;
  replicas = await Replicas.start(4, sandbox, { REDIS_URL: redis.url, REDIS_GRACE_MS: String(graceMs) }, 12);
}, 240_000);

row(14, 'Redis stalled shorter than the grace (SIGSTOP, CLIENT PAUSE, DEBUG SLEEP)', '1', async () => {
  const stallMs = 2_000;
  const stalls: Record<string, () => unknown> = {
    SIGSTOP: () => redis.stall(),
    'CLIENT PAUSE': () => redis.client.call('CLIENT', 'PAUSE', stallMs, 'ALL'),
    'DEBUG SLEEP': () => void redis.client.call('DEBUG', 'SLEEP', stallMs / 1_000),
  };
  const slowest: string[] = [];
  let slowestMs = 0;
  for (const [name, stall] of Object.entries(stalls)) {
    await replicas.untilRedisIs('up');
    const cold = { client: replicas.aClient(), merchant_vat };
    const refresh = await refreshUnderWay(replicas, 600);
    await stall();
    const asking = replicas.askAll(40, cold);
    await lasting(stallMs);
    redis.resume();
    const [answers, coldAnswers] = [await refresh.asked(), await asking];
    await expectOneToken(replicas, refresh, answers);
    await coldAnswers.expectAlive(replicas.sandbox);
    expect(coldAnswers.tokenIds).toHaveLength(1);
    expect(await replicas.calls(cold.client)).toBe(1);
    slowestMs = Math.max(slowestMs, answers.slowestMs, coldAnswers.slowestMs);
    slowest.push(`${name} ${answers.slowestMs} ms and cold ${coldAnswers.slowestMs} ms`);
  }
  return { calls: 1, slowestMs, also: `stalled for ${stallMs} ms: ${slowest.join(', ')}` };
});

row(15, 'Redis stalled longer, cold key', '≤ N; the next key is fast (breaker)', async () => {
  await replicas.untilRedisIs('up');
  const [cold, next] = [replicas.aClient(), replicas.aClient()].map((client) => ({ client, merchant_vat }));
  redis.stall();
  const answers = await replicas.askAll(40, cold!);
  const nextAnswers = await replicas.askAll(40, next!);
  await answers.and(nextAnswers).expectAlive(replicas.sandbox);
  const count = async () => [await replicas.calls(cold!.client), await replicas.calls(next!.client)];
  const calls = await count();
  expect(Math.max(...calls)).toBeLessThanOrEqual(replicas.alive.length);
  expect(nextAnswers.slowestMs).toBeLessThan(QUICK_MS);
  redis.resume();
  await replicas.untilRedisIs('up');
  // No burst afterwards: what was got alone is put back.
  await eventually(async () => (await replicas.shared(cold!.client))[0]?.token_id);
  await replicas.askAll(40, cold!);
  await replicas.askAll(40, next!);
  expect(await count()).toEqual(calls);
  const also = `the next key ${nextAnswers.slowestMs} ms; none more when Redis was back`;
  return { calls: `${calls.join(' and ')} calls for two keys with 4 replicas`, slowestMs: answers.slowestMs, also };
});

row(16, 'the same, warm key', '0; not slower', async () => {
  await replicas.untilRedisIs('up');
  const warm = { client: replicas.aClient(), merchant_vat };
  const cold = { client: replicas.aClient(), merchant_vat };
  await replicas.askAll(40, warm);
  const before = await replicas.askAll(40, warm);
  redis.stall();
  const coldAsking = replicas.askAll(4, cold);
  let during = await replicas.askAll(40, warm);
  for (const endMs = performance.now() + graceMs + 1_500; performance.now() < endMs;) {
    during = during.and(await replicas.askAll(8, warm));
    await lasting(50);
  }
  await coldAsking;
  redis.resume();
  await during.expectAlive(replicas.sandbox);
  expect(during.tokenIds).toEqual(before.tokenIds);
  expect(await replicas.calls(warm.client)).toBe(1);
  expect(during.slowestMs).toBeLessThan(QUICK_MS);
  return { calls: '0 more calls', slowestMs: during.slowestMs, also: `${before.slowestMs} ms before` };
});
