import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { type ProxiedConnection, TcpProxy } from '../support/tcp-proxy.js';
import { expectOneToken, lasting, merchant_vat, refreshUnderWay, callOf } from './refresh.js';
import { row } from './row.js';

const leaseMs = 2_300;
/** Less than that is left of the lease: too little for a call. More, and the silent connection would be given up. */
const reserveMs = 1_400;
let replicas: Replicas;
let proxy: TcpProxy;

beforeAll(async () => {
  const [sandbox, redis] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  proxy = await TcpProxy.start(redis.port);
  replicas = await Replicas.start(3, sandbox, (index) => ({
    REDIS_URL: index === 0 ? proxy.url : redis.url,
    LEASE_MS: String(leaseMs),
    LEASE_RENEW_MS: '500',
    UPSTREAM_TIMEOUT_MS: '8000',
  }));
}, 240_000);

row(5, 'event loop blocked between grant and send', '1', async () => {
  let slowestMs = 0;
  const [leader, ...others] = replicas.brokers;
  if (!leader) throw new Error('no replica');
  // Shorter and longer than the lease, but both too long for the grant to be used.
  for (const [script, blockedMs] of [['acquire', leaseMs - reserveMs] as const, ['enter', leaseMs + 300] as const]) {
    const client = replicas.aClient();
    const isCall = callOf(script);
    const held = new Promise<ProxiedConnection>((resolve) => {
      proxy.onRequest = (text, connection) => {
        if (!isCall(text)) return;
        connection.holdReplies();
        resolve(connection);
      };
    });
    const asking = replicas.askAll(20, { client, merchant_vat }, [leader]);
    const connection = await held;
    proxy.onRequest = () => {};
    expect(await replicas.leaderOf({ client, merchant_vat }, others[0])).toBe(leader);
    leader.process.child.kill('SIGSTOP');
    connection.resume();
    const alsoAsking = replicas.askAll(40, { client, merchant_vat }, others);
    await lasting(blockedMs);
    expect(await replicas.calls(client)).toBe(blockedMs > leaseMs ? 1 : 0);
    leader.process.child.kill('SIGCONT');
    const answers = (await asking).and(await alsoAsking);
    await answers.expectAlive(replicas.sandbox);
    expect(answers.tokenIds).toHaveLength(1);
    expect(await replicas.calls(client)).toBe(1);
    expect(await replicas.metric(leader, 'token_broker_leases_lost_total')).toBeGreaterThan(0);
    slowestMs = Math.max(slowestMs, answers.slowestMs);
  }
  return {
    calls: 1,
    slowestMs,
    also: `blocked for ${leaseMs - reserveMs} ms of a lease of ${leaseMs} ms, and for longer than it`,
  };
});

row(6, 'upstream slower than the lease (time limits raised)', '1', async () => {
  const refresh = await refreshUnderWay(replicas, leaseMs + 1_000);
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  return { calls: 1, slowestMs: answers.slowestMs, also: `the lease was ${leaseMs} ms` };
});

row(27, 'commit’s reply lost', 'retry finds the same token; 1', async () => {
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'latency', latency_ms: 500 });
  const [leader, ...others] = replicas.brokers;
  if (!leader) throw new Error('no replica');
  const isCall = callOf('commit');
  let lost = 0;
  proxy.onRequest = (text, connection) => {
    if (!isCall(text)) return;
    lost += 1;
    connection.swallowReply();
  };
  const asking = replicas.askAll(20, { client, merchant_vat }, [leader]);
  await replicas.untilCalled(client);
  const answers = (await replicas.askAll(40, { client, merchant_vat }, others)).and(await asking);
  proxy.onRequest = () => {};
  expect(lost).toBe(1);
  await replicas.untilRedisIs('up');
  await answers.and(await replicas.askAll(3, { client, merchant_vat })).expectAlive(replicas.sandbox);
  expect(answers.tokenIds).toHaveLength(1);
  expect(await replicas.shared(client)).toMatchObject([{ state: 'fresh', token_id: answers.tokenIds[0] }]);
  expect(await replicas.calls(client)).toBe(1);
  return { calls: 1, slowestMs: answers.slowestMs, also: 'of which the upstream took 500 ms' };
});
