import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { RunningBroker } from '../support/broker.js';
import { type Answer, bearer, call, callJson } from '../support/http.js';
import { ReadMetrics } from '../support/metrics.js';
import { eventually, root } from '../support/processes.js';
import { promtool } from '../support/prometheus-binaries.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const MOST_CLIENTS = 2;
const CLIENTS = ['alpha', 'bravo', 'charlie', 'delta', 'echo'];
const EVERYTHING = [{ client: '*', merchants: ['*'], unrestricted: true }];

let sandbox: RunningSandbox;
let broker: RunningBroker;
let key: string;

async function start(env: Record<string, string> = {}) {
  const redis = await RunningRedis.start();
  const shared = { REDIS_URL: redis.url, VAULT_STORE: 'redis', UPSTREAM_RETRIES: '0', ...env };
  const started = await RunningBroker.start(sandbox, shared);
  return { started, redis, caller: await started.addCaller('shop', ['token'], EVERYTHING) };
}

async function read(from = broker): Promise<ReadMetrics> {
  const { status, text } = await call('GET', `${from.url}/metrics`, { headers: bearer(from.adminKey) });
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  return new ReadMetrics(text);
}

/** Waits until a metric is what it must be. */
function untilIs(name: string, wanted: number | undefined, labels = {}, from = broker): Promise<true> {
  return eventually(async () => (await read(from)).valueOf(`token_broker_${name}`, labels) === wanted || undefined);
}

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  ({ started: broker, caller: key } = await start({ METRICS_CLIENTS: String(MOST_CLIENTS) }));
  for (const name of CLIENTS) await broker.addClient(name);
});

it('promtool finds nothing to say against them', async () => {
  await broker.token(key, { client: 'alpha', merchant_vat: 'DK12345678' });
  const check = async (input: string) => spawnSync(await promtool(), ['check', 'metrics'], { input, encoding: 'utf8' });
  const { status, stdout, stderr } = await check((await read()).text);
  expect([status, stdout, stderr]).toEqual([0, '', '']);
  // It would, if there were something.
  expect((await check('# TYPE token_broker_bad_total gauge\ntoken_broker_bad_total 1\n')).status).not.toBe(0);
}, 240_000);

it('docs/metrics.md names every metric of ours with its type and its labels, and no other', async () => {
  await broker.token(key, { client: 'alpha', merchant_vat: 'DK12345678' });
  // Looked at in the background.
  await untilIs('breaker_open', 0, { environment: 'sandbox' });
  const { types, samples } = await read();
  const labelsOf = (name: string) => {
    const family = samples.filter(
      (each) => each.name.replace(/_(bucket|sum|count)$/, '') === name || each.name === name,
    );
    return [...new Set(family.flatMap(({ labels }) => Object.keys(labels)))].filter((label) => label !== 'le');
  };
  const told = [...types].filter(([name]) => name.startsWith('token_broker_'));
  const docs = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
  const rows = [...docs.matchAll(/^\| `(token_broker_\w+)` +\| (\w+) +\|([^|]*)\| (.*\S) +\|$/gm)];
  const documented = rows.map(([, name = '', type, labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label).toSorted(),
  }));
  const asTold = told.map(([name, type]) => ({ name, type, labels: labelsOf(name).toSorted() }));
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  expect(documented.toSorted(byName)).toEqual(asTold.toSorted(byName));
  expect(rows.every(([, , , , meaning = '']) => meaning.length > 10)).toBe(true);
});

it('tells how tokens were served, by where they came from', async () => {
  const merchant_vat = 'DK11111111';
  const served =
    (source: string, result = 'ok', client = 'bravo') =>
    ({ metrics }: { metrics: ReadMetrics }) =>
      metrics.valueOf('token_broker_tokens_served_total', { client, source, result }) ?? 0;
  const before = { metrics: await read() };
  for (let n = 0; n < 3; n += 1) await broker.token(key, { client: 'bravo', merchant_vat });
  await sandbox.fault({ kind: 'status', client_id: 'bravo-id', merchant_vat: 'DK22222222', times: 1 });
  await broker.token(key, { client: 'bravo', merchant_vat: 'DK22222222' });
  await broker.token(key, { client: 'echo', merchant_vat });
  const after = { metrics: await read() };
  const more = (count: ReturnType<typeof served>) => count(after) - count(before);
  expect(more(served('upstream'))).toBe(1);
  expect(more(served('memory'))).toBe(2);
  expect(more(served('none', 'upstream_unavailable'))).toBe(1);
  expect(more(served('upstream', 'ok', 'other'))).toBe(1);
  const { metrics } = after;
  expect(metrics.valueOf('token_broker_upstream_requests_total', { result: 'upstream_unavailable' })).toBe(1);
  expect(metrics.valueOf('token_broker_shortest_token_life_seconds', { environment: 'sandbox' })).toBeGreaterThan(200);
  expect(metrics.valueOf('token_broker_keys', { state: 'fresh' })).toBeGreaterThanOrEqual(2);
  expect(metrics.valueOf('token_broker_redis_command_duration_seconds_count', { holds: 'tokens' })).toBeGreaterThan(4);
  expect(metrics.valueOf('token_broker_refresh_duration_seconds_count', { cause: 'demand' })).toBeGreaterThan(2);
  expect(metrics.valueOf('token_broker_replicas')).toBe(1);
});

it('counts every refusal, not only those that the trail has a line for', async () => {
  const refused = async (code: string) => (await read()).valueOf('token_broker_callers_refused_total', { code })!;
  const before = [await refused('unauthenticated'), await refused('forbidden')];
  for (let n = 0; n < 7; n += 1) await broker.token('tbk_wrong', { client: 'alpha' });
  for (let n = 0; n < 5; n += 1) await broker.oauth('alpha', 'wrong');
  for (let n = 0; n < 3; n += 1) await call('GET', `${broker.url}/health`, { headers: bearer(key) });
  const after = [await refused('unauthenticated'), await refused('forbidden')];
  expect(after.map((count, n) => count - before[n]!)).toEqual([12, 3]);
});

it('holds no VAT number, token, key or name that was asked for, and grows no more with what is sent', async () => {
  const merchants = (from: number) => Array.from({ length: 10 }, (_, n) => `FI${from + n}`);
  const garbage = () => `garbage-${randomBytes(6).toString('hex')}`;
  const seen: string[] = [];
  const send = async (answer: Promise<Answer>) => {
    const { access_token: token } = (await answer).json;
    if (typeof token === 'string') seen.push(token);
  };
  const wave = async (vats: readonly string[]) => {
    for (const merchant_vat of vats) {
      for (const client of CLIENTS) await send(broker.token(key, { client, merchant_vat }));
      const name = garbage();
      seen.push(name);
      await send(broker.token(key, { client: name, merchant_vat }));
      await send(broker.token(key, { client: 'alpha', merchant_vat: name }));
      await send(broker.token(`tbk_${name}`, { client: 'alpha', merchant_vat }));
      await send(broker.oauth(name, key, { merchant_vat, scope: name }));
      await send(callJson('POST', `${broker.url}/v1/${name}`, {}, bearer(key)));
    }
  };
  await wave(merchants(20_000_000));
  const before = await read();
  await wave(merchants(30_000_000));
  const metrics = await read();
  expect(seen.filter((token) => token.startsWith('eyJ')).length).toBeGreaterThanOrEqual(2 * 10 * CLIENTS.length);
  expect([...seen, key, broker.adminKey].filter((each) => metrics.text.includes(each))).toEqual([]);
  expect(metrics.text).not.toMatch(/(DK|FI)\d{8}|tbk_|eyJ/);
  expect(metrics.valuesOf('client').toSorted()).toEqual([...CLIENTS.slice(0, MOST_CLIENTS), 'other']);
  const ours = ({ samples }: ReadMetrics) => samples.filter(({ name }) => name.startsWith('token_broker_')).length;
  expect(ours(metrics)).toBe(ours(before));
});

it('tells of clients whose credentials are refused, until they are replaced', async () => {
  await sandbox.fault({ kind: 'error', client_id: 'charlie-id', times: 1 });
  expect((await broker.token(key, { client: 'charlie', merchant_vat: 'DK33333333' })).status).toBe(502);
  await untilIs('clients_rejected', 1);
  await broker.replaceClient('charlie', 'another secret of charlie');
  await untilIs('clients_rejected', 0);
});

it('tells of clients whose old secret is still the one in use', async () => {
  await broker.admin('POST', '/v1/clients/delta/secrets', { client_secret: 'not known to MobilePay' });
  expect((await read()).valueOf('token_broker_clients_on_old_secret')).toBe(0);
  expect((await broker.token(key, { client: 'delta', merchant_vat: 'DK44444444' })).status).toBe(200);
  await untilIs('clients_on_old_secret', 1);
  await broker.admin('PATCH', '/v1/clients/delta', { enabled: false });
  await untilIs('clients_on_old_secret', 0);
});

it('tells of the breaker, and nothing of it while Redis is away', async () => {
  const { started, redis, caller } = await start();
  await started.addClient('golf');
  await untilIs('breaker_open', 0, { environment: 'sandbox' }, started);
  await sandbox.fault({ kind: 'status', client_id: 'golf-id' });
  for (let n = 1; n <= 5; n += 1) await started.token(caller, { client: 'golf', merchant_vat: `DK5555555${n}` });
  await untilIs('breaker_open', 1, { environment: 'sandbox' }, started);
  const { details } = (await started.admin('GET', '/health')).json as { details: Record<string, unknown> };
  expect(details['upstream']).toMatchObject({
    status: 'degraded',
    reason: 'sandbox: the breaker is open',
    sandbox: { breaker: 'open', last_failure: { code: 'upstream_unavailable' } },
  });
  await redis.stop('SIGKILL');
  await untilIs('breaker_open', undefined, { environment: 'sandbox' }, started);
  expect((await read(started)).valueOf('token_broker_redis_up')).toBe(0);
});

it('are for operators, or for everybody where that is set', async () => {
  expect((await call('GET', `${broker.url}/metrics`)).status).toBe(401);
  const { started } = await start({ METRICS_OPEN: 'true' });
  const open = await call('GET', `${started.url}/metrics`);
  expect([open.status, open.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain;/)]);
  expect(open.text).toContain('token_broker_ready 1');
  expect((await call('GET', `${started.url}/health`)).status).toBe(401);
});
