import { setTimeout as sleep } from 'node:timers/promises';

import { bearer, callJson } from '../support/http.js';
import { Load, type Sent } from '../support/load.js';
import { RunningNginx } from '../support/nginx.js';
import { eventually } from '../support/processes.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { freePorts, RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const REPLICAS = 3;
const MOST_REPLICAS = 6;
const MERCHANTS = 40;
const REQUESTS_PER_SECOND = 500;
const MARGIN_SECONDS = 5;
/** A token of 24 s is renewed after 18 s, less a jitter of at most 2.4. */
const LIFE_SECONDS = 24;
const SHORTEST_CYCLE_MS = 15_000;

const settings = {
  SAFETY_MARGIN_SECONDS: String(MARGIN_SECONDS),
  // Longer than nginx leaves a replica alone that did not answer.
  SHUTDOWN_DELAY_MS: '1500',
  SHUTDOWN_TIMEOUT_MS: '5000',
};

let sandbox: RunningSandbox;
let ports: number[];
let replicas: Replicas;
let nginx: RunningNginx;
let client: string;
let load: Load;
let loadedSinceMs: number;
/** Of all requests, how many have been looked at. */
let judged = 0;

const vatOf = (n: number) => `DK${10_000_000 + (n % MERCHANTS)}`;
const bodyOf = (vat: string) => JSON.stringify({ client, merchant_vat: vat });
const ask = (body: string) => callJson('POST', `${nginx.url}/v1/tokens`, body, bearer(replicas.callerKey));
const headers = () => ({ ...bearer(replicas.callerKey), 'content-type': 'application/json' });

// What deploy/nginx and docker-compose.yml start, as processes.
beforeAll(async () => {
  ports = await freePorts(MOST_REPLICAS);
  const redis = await RunningRedis.start(['--appendonly', 'yes', '--maxmemory-policy', 'noeviction']);
  sandbox = await RunningSandbox.start({ SANDBOX_EXPIRES_IN: String(LIFE_SECONDS), SANDBOX_LATENCY_MS: '150' });
  const shared = { ...settings, REDIS_URL: redis.url, VAULT_STORE: 'redis' };
  replicas = await Replicas.start(REPLICAS, sandbox, (index) => ({ ...shared, PORT: String(ports[index]) }), 2);
  client = replicas.aClient();
  nginx = await RunningNginx.balance(ports.slice(0, REPLICAS));
  load = new Load(REQUESTS_PER_SECOND, `${nginx.url}/v1/tokens`, headers(), (n) => bodyOf(vatOf(n)));
  loadedSinceMs = performance.now();
  await sleep(2_000);
}, 60_000);

/** All that were answered since this was last asked. */
function answered(): Sent[] {
  const news = load.sent.slice(judged);
  judged = load.sent.length;
  return news;
}

/** Everybody who asked meanwhile got a token that is not dead. */
function expectTokensForAll(sent: readonly Sent[], least: number): void {
  expect(sent.filter(({ status }) => status !== 200)).toEqual([]);
  expect(sent.length).toBeGreaterThan(least);
  const lives = sent.map(({ body }) => Number((JSON.parse(body) as { expires_in: unknown }).expires_in));
  expect(Math.min(...lives)).toBeGreaterThanOrEqual(MARGIN_SECONDS);
}

/** No key was fetched twice within what its life makes a cycle. */
async function expectOneCallPerCycle(): Promise<void> {
  const { clients } = await sandbox.stats();
  const ours = clients.filter(({ client_id }) => client_id === `${client}-id`);
  expect(ours).toHaveLength(MERCHANTS);
  const pauses = ours.flatMap(({ times }) => {
    const sorted = times.toSorted((a, b) => a - b);
    return sorted.slice(1).map((atMs, i) => atMs - sorted[i]!);
  });
  expect(pauses.length).toBeGreaterThanOrEqual(MERCHANTS);
  expect(Math.min(...pauses)).toBeGreaterThan(SHORTEST_CYCLE_MS);
}

describe(`${REPLICAS} replicas behind nginx under ${REQUESTS_PER_SECOND} requests a second`, () => {
  it.each(['once', 'and once more'])(
    'restarted one after another, %s: no request fails',
    async () => {
      for (const broker of replicas.alive) expect(await replicas.restart(broker)).toBe(0);
      expectTokensForAll(answered(), 3 * 1_500 * (REQUESTS_PER_SECOND / 1_000));
    },
    60_000,
  );

  it('scaled to six and back to two: no request fails', async () => {
    await Promise.all(Array.from({ length: MOST_REPLICAS - REPLICAS }, () => replicas.add()));
    nginx.rebalance(ports);
    await sleep(2_000);
    const goodbye = replicas.alive.slice(2);
    nginx.rebalance(ports.slice(0, 2));
    await replicas.stop(goodbye);
    expect(goodbye.map(({ process }) => process.child.exitCode)).toEqual([0, 0, 0, 0]);
    expectTokensForAll(answered(), 4_000 * (REQUESTS_PER_SECOND / 1_000));
  }, 60_000);

  it('none of it cost a call more', async () => {
    await sleep(Math.max(0, loadedSinceMs + 2 * LIFE_SECONDS * 1_000 - performance.now()));
    await expectOneCallPerCycle();
  }, 60_000);

  it('one killed: at most what it was about to answer fails, and is answered when it is sent again', async () => {
    answered();
    const underWay = load.underWay;
    const killedAtMs = performance.now();
    replicas.kill(replicas.alive[0]!);
    await sleep(3_000);
    const all = answered();
    expect(all.length).toBeGreaterThan(2 * REQUESTS_PER_SECOND);
    const failed = all.filter(({ status }) => status !== 200);
    expect(failed.length).toBeLessThanOrEqual(underWay);
    expect(failed.filter(({ fromMs }) => fromMs > killedAtMs)).toEqual([]);
    const again = await Promise.all(failed.map(({ asked }) => ask(asked)));
    expect(again.filter(({ status }) => status !== 200)).toEqual([]);
    await expectOneCallPerCycle();
  }, 30_000);

  it('one killed in its call to MobilePay: nginx asks the other for those who waited, at the price of one call', async () => {
    await replicas.restart(replicas.brokers[0]!);
    // nginx has seen that it is back.
    const served = () => replicas.metric(replicas.brokers[0]!, 'token_broker_tokens_served_total');
    await eventually(async () => (await served()) > 0 || undefined);
    const cold = replicas.aClient();
    await replicas.fault(cold, { kind: 'latency', latency_ms: 1_500, times: 1 });
    const wanted = { client: cold, merchant_vat: vatOf(0) };
    const answers = Array.from({ length: 20 }, () => ask(JSON.stringify(wanted)));
    replicas.kill(await replicas.leaderOf(wanted));
    const all = await Promise.all(answers);
    expect(all.filter(({ status }) => status !== 200)).toEqual([]);
    expect(new Set(all.map(({ json }) => json['token_id'])).size).toBe(1);
    expect(await replicas.calls(cold)).toBe(2);
  }, 30_000);

  afterAll(async () => {
    await load.stop();
    expectNobodyHarmed();
  });
});
