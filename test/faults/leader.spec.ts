import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { expectOneToken, lasting, merchant_vat, refreshUnderWay } from './refresh.js';
import { row } from './row.js';

const leaseMs = 3_000;
const upstreamLimitMs = 2_000;
let replicas: Replicas;

beforeAll(async () => {
  const [sandbox, redis] = await Promise.all([RunningSandbox.start(), RunningRedis.start()]);
  replicas = await Replicas.start(6, sandbox, {
    REDIS_URL: redis.url,
    LEASE_MS: String(leaseMs),
    LEASE_RENEW_MS: '1000',
    UPSTREAM_TIMEOUT_MS: String(upstreamLimitMs),
  });
}, 240_000);

row(1, '6 replicas × 100 cold callers', '1 call', async () => {
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'latency', latency_ms: 300 });
  const answers = await replicas.askAll(600, { client, merchant_vat });
  await answers.expectAlive(replicas.sandbox);
  expect(answers.tokenIds).toHaveLength(1);
  expect(await replicas.calls(client)).toBe(1);
  return { calls: 1, slowestMs: answers.slowestMs };
});

row(3, 'leader SIGSTOPped longer than its lease', '2 calls; the late commit loses; one token everywhere', async () => {
  const refresh = await refreshUnderWay(replicas, 500);
  const { child } = refresh.leader.process;
  child.kill('SIGSTOP');
  // The others' callers have their token only after the lease has run out.
  const others = replicas.askAll(
    50,
    refresh.wanted,
    replicas.alive.filter((each) => each !== refresh.leader),
  );
  const theirs = await others;
  await theirs.expectAlive(replicas.sandbox);
  await lasting(500);
  child.kill('SIGCONT');
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers.and(theirs), 2);
  expect(await replicas.metric(refresh.leader, 'token_broker_duplicate_tokens_total')).toBe(1);
  return { calls: 2, slowestMs: answers.without(refresh.leader).slowestMs, also: 'one token, one duplicate counted' };
});

row(4, 'leader SIGSTOPped shorter', '1', async () => {
  const refresh = await refreshUnderWay(replicas, 300);
  refresh.leader.process.child.kill('SIGSTOP');
  // Longer than the upstream's time limit, so that a timer is due when it goes on; shorter than the lease.
  await lasting(upstreamLimitMs + 300);
  refresh.leader.process.child.kill('SIGCONT');
  const answers = await refresh.asked();
  await expectOneToken(replicas, refresh, answers);
  return { calls: 1, slowestMs: answers.slowestMs };
});

row(2, 'leader kill -9 in its upstream call', '2 calls; nobody waits longer than lease + upstream', async () => {
  const refresh = await refreshUnderWay(replicas, 1_500);
  replicas.kill(refresh.leader);
  const answers = (await refresh.asked()).without(refresh.leader);
  await expectOneToken(replicas, refresh, answers, 2);
  expect(answers.slowestMs).toBeLessThanOrEqual(leaseMs + upstreamLimitMs);
  return { calls: 2, slowestMs: answers.slowestMs, also: `with a lease of ${leaseMs} ms and 1500 ms of upstream` };
});
