import { withClockWrongBy } from '../support/faketime.js';
import { call } from '../support/http.js';
import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { expectOneToken, merchant_vat, refreshUnderWay } from './refresh.js';
import { row } from './row.js';

const leaseMs = 2_000;
const wrongBySeconds = 600;
let replicas: Replicas;

beforeAll(async () => {
  const [sandbox, redis] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  const clocks = await Promise.all([wrongBySeconds, -wrongBySeconds].map(withClockWrongBy));
  replicas = await Replicas.start(4, sandbox, (index) => ({
    ...clocks[index % clocks.length],
    REDIS_URL: redis.url,
    LEASE_MS: String(leaseMs),
    LEASE_RENEW_MS: '500',
  }));
}, 240_000);

row(24, 'replicas’ clocks ±10 min', 'unchanged', async () => {
  for (const [index, { url }] of replicas.brokers.entries()) {
    const date = (await call('GET', `${url}/health/live`)).headers.get('date');
    const wrongMs = Date.parse(date ?? '') - Date.now();
    expect(Math.round(wrongMs / 60_000) * 60).toBe(index % 2 === 0 ? wrongBySeconds : -wrongBySeconds);
  }
  const cold = await refreshUnderWay(replicas, 300, 200);
  const answers = await cold.asked();
  await expectOneToken(replicas, cold, answers);

  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'status', status: 429, retry_after: 30 });
  expect((await replicas.askAll(40, { client, merchant_vat })).kinds).toHaveLength(1);
  expect((await replicas.askAll(40, { client, merchant_vat: 'FI12345678' })).statuses).toEqual([503]);
  expect(await replicas.calls(client)).toBe(1);

  const killed = await refreshUnderWay(replicas, 500);
  replicas.kill(killed.leader);
  const theirs = (await killed.asked()).without(killed.leader);
  await expectOneToken(replicas, killed, theirs, 2);
  expect(theirs.slowestMs).toBeLessThanOrEqual(leaseMs + 2_000);
  return {
    calls: 1,
    slowestMs: answers.slowestMs,
    also: `1 with 429, 2 with the leader killed (slowest ${theirs.slowestMs} ms)`,
  };
});
