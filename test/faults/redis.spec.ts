import { call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { expectOneToken, lasting, merchant_vat, refreshUnderWay } from './refresh.js';
import { row } from './row.js';

let replicas: Replicas;
let redis: RunningRedis;

beforeAll(async () => {
  const [sandbox, started] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  redis = started;
  replicas = await Replicas.start(4, sandbox, { REDIS_URL: redis.url });
}, 240_000);

row(17, 'FLUSHALL', '≤ 1 more', async () => {
  const known = { client: replicas.aClient(), merchant_vat };
  const before = await replicas.askAll(20, known, replicas.alive.slice(0, 2));
  const refresh = await refreshUnderWay(replicas, 800);
  await redis.client.flushall();
  const answers = await refresh.asked();
  const after = await replicas.askAll(40, known);
  await answers.and(before).and(after).expectAlive(replicas.sandbox);
  const [calls, knownCalls] = [await refresh.calls(), await replicas.calls(known.client)];
  expect(calls).toBeLessThanOrEqual(2);
  expect(knownCalls).toBeLessThanOrEqual(2);
  const also = `${knownCalls - 1} more for a token that two of four replicas held`;
  return { calls: `${calls - 1} more for a refresh under way`, slowestMs: answers.and(after).slowestMs, also };
});

row(30, 'Redis out of memory (`maxmemory`, noeviction)', 'serving goes on, degraded, alarm raised', async () => {
  const warm = { client: replicas.aClient(), merchant_vat };
  const cold = { client: replicas.aClient(), merchant_vat };
  await replicas.askAll(40, warm);
  await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
  await redis.client.config('SET', 'maxmemory', '1000');
  const coldAnswers = replicas.askAll(40, cold);
  await replicas.untilRedisIs('away');
  const warmAnswers = await replicas.askAll(40, warm);
  const answers = await coldAnswers;
  await answers.and(warmAnswers).expectAlive(replicas.sandbox);
  for (const broker of replicas.alive) {
    const ready = () => call('GET', `${broker.url}/health/ready`);
    // Looked at once a second.
    await eventually(async () => (await ready()).json['status'] === 'degraded' || undefined);
    expect(await ready()).toMatchObject({
      status: 200,
      json: { info: { tokens: { status: 'degraded', reason: 'OOM' } } },
    });
    expect(broker.process.output()).toMatch(/"event":"redis_away","reason":"OOM"/);
    expect(await replicas.metric(broker, 'token_broker_redis_up ')).toBe(0);
  }
  expect(await replicas.calls(warm.client)).toBe(1);
  expect(await replicas.calls(cold.client)).toBeLessThanOrEqual(replicas.alive.length);
  expect(warmAnswers.slowestMs).toBeLessThan(300);
  await redis.client.config('SET', 'maxmemory', '0');
  await replicas.untilRedisIs('up');
  const calls = await replicas.calls(cold.client);
  return {
    calls: `0 more for a warm key, ${calls} for a cold one with 4 replicas`,
    slowestMs: answers.slowestMs,
    also: `warm ${warmAnswers.slowestMs} ms; degraded, redis_away, redis_up 0`,
  };
});

const known: { client: string; merchant_vat: string }[] = [];

row(12, 'Redis kill -9, empty restart after 1.2 s', '1, memory re-seeded', async () => {
  const warm = { client: replicas.aClient(), merchant_vat };
  const before = await replicas.askAll(40, warm);
  const refresh = await refreshUnderWay(replicas, 1_500);
  await redis.stop('SIGKILL');
  await lasting(1_200);
  redis = await redis.startAgain();
  const answers = await refresh.asked();
  await replicas.untilRedisIs('up');
  await expectOneToken(replicas, refresh, answers);
  const after = await replicas.askAll(40, warm);
  expect(after.tokenIds).toEqual(before.tokenIds);
  expect(await replicas.calls(warm.client)).toBe(1);
  for (const [{ client }, { tokenIds }] of [[warm, before] as const, [refresh.wanted, answers] as const]) {
    expect(await replicas.shared(client)).toMatchObject([{ state: 'fresh', token_id: tokenIds[0] }]);
  }
  known.push(warm, refresh.wanted);
  return { calls: 1, slowestMs: answers.slowestMs, also: 'both tokens back in Redis' };
});

row(13, 'new replica after row 12', '0 more', async () => {
  expect(known).toHaveLength(2);
  const added = await replicas.add();
  let slowestMs = 0;
  for (const wanted of known) {
    const answers = await replicas.askAll(20, wanted, [added]);
    await answers.expectAlive(replicas.sandbox);
    expect(await replicas.calls(wanted.client)).toBe(1);
    slowestMs = Math.max(slowestMs, answers.slowestMs);
  }
  return { calls: '0 more calls', slowestMs };
});
