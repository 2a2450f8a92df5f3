import { Replicas } from '../../support/replicas.js';
import { RunningRedis } from '../../support/redis.js';
import { RunningSandbox } from '../../support/sandbox.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { merchant_vat } from '../refresh.js';
import { row } from '../row.js';

const leaseMs = 3_000;
let replicas: Replicas;
let proxy: TcpProxy;

beforeAll(async () => {
  const [sandbox, redis] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  proxy = await TcpProxy.start(redis.port);
  replicas = await Replicas.start(4, sandbox, (index) => ({
    REDIS_URL: index === 0 ? proxy.url : redis.url,
    LEASE_MS: String(leaseMs),
    LEASE_RENEW_MS: '1000',
  }));
}, 240_000);

row(23, 'one replica cut off (stalling proxy, no RST)', '1 + 1', async () => {
  const [alone, ...others] = replicas.brokers;
  if (!alone) throw new Error('no replica');
  const warm = { client: replicas.aClient(), merchant_vat };
  const [cold, led] = [replicas.aClient(), replicas.aClient()];
  await replicas.askAll(40, warm);

  // Cut off in the middle of a refresh that it leads: the others wait for its lease to end.
  await replicas.fault(led, { kind: 'latency', latency_ms: 500 });
  const leading = replicas.askAll(10, { client: led, merchant_vat }, [alone]);
  await replicas.untilCalled(led);
  proxy.stall();
  const following = replicas.askAll(30, { client: led, merchant_vat }, others);
  const asking = replicas.askAll(40, { client: cold, merchant_vat });
  const warmAnswers = await replicas.askAll(40, warm);
  const ofOthers = await following;
  const answers = await asking;
  const ledAnswers = (await leading).and(ofOthers);
  await answers.and(ledAnswers).and(warmAnswers).expectAlive(replicas.sandbox);
  const connected = answers.without(alone);
  expect(connected.tokenIds).toHaveLength(1);
  expect(await replicas.calls(cold)).toBe(2);
  expect(await replicas.calls(led)).toBeLessThanOrEqual(2);
  expect(await replicas.calls(warm.client)).toBe(1);

  // Back again: nobody calls once more, and all agree.
  proxy.resume();
  await replicas.untilRedisIs('up');
  const later = await replicas.askAll(40, { client: cold, merchant_vat });
  await later.expectAlive(replicas.sandbox);
  expect(await replicas.calls(cold)).toBe(2);
  return {
    calls: '1 + 1 calls',
    slowestMs: answers.slowestMs,
    also: `the others ${connected.slowestMs} ms; cut off while leading: ${await replicas.calls(led)} calls`,
  };
});
