import type { NeedCode, Status, TimelineEvent } from '#cluster';

import type { RunningBroker } from '../support/broker.js';
import { Canaries } from '../support/canaries.js';
import { EventStream, statusOf } from '../support/event-stream.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';

const merchant_vat = 'DK12345678';
const canaries = new Canaries();
const seen: string[] = [];

let redis: RunningRedis;
let sandbox: RunningSandbox;
let replicas: Replicas;
let ops: string;

beforeAll(async () => {
  [redis, sandbox] = await Promise.all([RunningRedis.start(), RunningSandbox.start()]);
  replicas = await Replicas.start(3, sandbox, { REDIS_URL: redis.url, VAULT_STORE: 'redis', UPSTREAM_RETRIES: '0' });
  ops = await replicas.brokers[0]!.addCaller('ops', ['ops']);
  await eventually(async () => (await look(replicas.brokers[2])).replicas.length === 3 || undefined);
}, 60_000);

afterEach(() => expectNobodyHarmed());

async function look(broker = replicas.alive[0]!, key = broker.adminKey): Promise<Status> {
  const status = await statusOf(broker, key);
  seen.push(JSON.stringify(status));
  return status;
}

const nameOf = ({ process }: RunningBroker) => expect.stringMatching(new RegExp(`-${process.child.pid}$`)) as string;
const needs = (status: Pick<Status, 'needs'>, code: NeedCode) => status.needs.filter((each) => each.code === code);
const about = (events: readonly TimelineEvent[], broker: RunningBroker) =>
  events.filter(({ kind, replica }) => kind.startsWith('replica_') && replica.endsWith(`-${broker.process.child.pid}`));

/** Asks for a token, which becomes a canary. */
async function token(client: string, broker = replicas.alive[0]!, more = {}) {
  const answer = await broker.token(replicas.callerKey, { client, merchant_vat, ...more });
  if (answer.status === 200) canaries.add(`a token of ${client}`, String(answer.json['access_token']));
  return answer;
}

it('shows the same picture from each replica', async () => {
  const client = replicas.aClient();
  await token(client);
  const views = await eventually(async () => {
    const all = await Promise.all(replicas.alive.map((each) => look(each)));
    const isThere = all.every(({ events, keys, last_hour }) => {
      const isTold = events.some((each) => each.kind === 'refreshed' && each.client === client);
      return isTold && keys.fresh === 1 && last_hour.tokens_served === 1;
    });
    return isThere ? all : undefined;
  }, 10_000);
  const [first, ...others] = views as [Status, ...Status[]];
  const replicasIn = ({ replicas: all }: Status) =>
    all.map(({ name, version, state, keys }) => [name, version, state, keys]);
  for (const other of others) {
    expect(replicasIn(other)).toEqual(replicasIn(first));
    expect(other.events.map(({ id }) => id).toSorted()).toEqual(first.events.map(({ id }) => id).toSorted());
    expect(other.upstreams[0]).toMatchObject({ environment: 'sandbox', state: 'ok', breaker: { state: 'closed' } });
    expect([other.health, other.needs]).toEqual(['ok', []]);
  }
  expect(views.map(({ answered_by }) => answered_by)).toEqual(replicas.alive.map(nameOf));
  expect(first.replicas).toContainEqual({
    name: nameOf(replicas.alive[0]!),
    version: '0.1.0',
    started_at: expect.stringMatching(/^20.*Z$/),
    uptime_seconds: expect.any(Number),
    seen_seconds_ago: expect.any(Number),
    late: false,
    state: 'ready',
    redis_up: true,
    keys: 1,
    leading: [],
  });
  expect(first.stores).toEqual([
    { holds: 'tokens', kind: 'redis', up: true, latency_ms: expect.any(Number) },
    { holds: 'vault', kind: 'redis', up: true, latency_ms: null },
  ]);
  expect(first.vault).toMatchObject({ clients: 8, callers: 2, locked: 0 });
  expect(first.last_hour).toMatchObject({ tokens_served: 1, upstream_calls: 1, upstream_errors: 0, calls_saved: 0 });
  expect(first.last_hour.minutes).toHaveLength(60);
  expect(first.events.find(({ kind }) => kind === 'refreshed')).toMatchObject({
    replica: nameOf(replicas.alive[0]!),
    client,
    merchant_vat,
    environment: 'sandbox',
    cause: 'demand',
    token_id: expect.any(String),
  });
});

it('is for operators, and nothing that a cache may keep', async () => {
  const get = (key: string) => call('GET', `${replicas.alive[0]!.url}/v1/status`, { headers: bearer(key) });
  expect((await get(ops)).headers.get('cache-control')).toBe('no-store');
  expect((await get(ops)).status).toBe(200);
  expect((await get(replicas.callerKey)).status).toBe(403);
  expect((await get('tbk_nobody')).status).toBe(401);
});

it('tells who leads a refresh that takes its time, on every replica', async () => {
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'latency', latency_ms: 1_800, times: 1 });
  const answer = token(client, replicas.alive[1]);
  const leading = await eventually(async () => {
    const status = await look(replicas.alive[2]);
    return status.replicas.find((each) => each.leading.length > 0);
  });
  expect(leading).toMatchObject({ name: nameOf(replicas.alive[1]!), leading: [{ client, merchant_vat }] });
  await answer;
  await eventually(async () => (await look()).replicas.every((each) => each.leading.length === 0) || undefined);
});

it('shows an outage of MobilePay within 3 s on every replica, and its end as soon', async () => {
  const [client, other] = [replicas.aClient(), replicas.aClient()];
  const streams = await Promise.all(replicas.alive.map((each) => EventStream.open(each, ops)));
  await sandbox.fault({ kind: 'status', status: 503 });
  const within3s = (isIt: (status: Pick<Status, 'needs'>) => boolean) =>
    eventually(() => streams.every(({ now }) => now !== undefined && isIt(now)) || undefined, 3_000);
  expect((await token(client, replicas.alive[0])).status).toBe(503);
  await within3s((status) => needs(status, 'upstream_failing').length === 1);
  const [need] = needs(await look(replicas.alive[2]), 'upstream_failing');
  expect(need).toMatchObject({
    environment: 'sandbox',
    detail: expect.stringContaining('503'),
    runbook: 'docs/alerts.md#upstreamfailing',
    since: expect.stringMatching(/Z$/),
  });
  expect((await look()).upstreams).toMatchObject([
    { state: 'failing', last_failure: { code: 'upstream_unavailable' } },
  ]);
  await sandbox.clearFaults();
  expect((await token(other, replicas.alive[1])).status).toBe(200);
  await within3s((status) => status.needs.length === 0);
  for (const stream of streams) stream.close();
});

it('names a client that MobilePay refuses, until any replica is given a token for it', async () => {
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'error', error: 'invalid_client', status: 401 });
  expect((await token(client, replicas.alive[0])).status).toBe(502);
  const [need] = await eventually(async () => {
    const found = needs(await look(replicas.alive[1]), 'credentials_rejected');
    return found.length > 0 ? found : undefined;
  });
  expect(need).toMatchObject({ severity: 'critical', client, environment: 'sandbox' });
  expect((await look()).health).toBe('critical');
  await sandbox.clearFaults();
  const secret = 'another secret of the same client';
  canaries.add('the secret', secret);
  await replicas.alive[1]!.replaceClient(client, secret);
  await eventually(async () => (await look(replicas.alive[2])).needs.length === 0 || undefined);
  const rotated = await eventually(async () => {
    const found = (await look(replicas.alive[2])).events.filter(({ kind }) => kind === 'rotated');
    return found.length > 0 ? found : undefined;
  });
  expect(rotated).toMatchObject([
    { client, caller: '@admin', detail: 'replaced', replica: nameOf(replicas.alive[1]!) },
  ]);
});

it('tells what an administrator did, once, and what was invalidated', async () => {
  const client = replicas.aClient();
  const { json } = await token(client);
  await replicas.alive[2]!.invalidate(replicas.callerKey, { client, merchant_vat, token_id: json['token_id'] });
  await replicas.alive[1]!.admin('PATCH', `/v1/clients/${client}`, { enabled: false });
  const told = await eventually(async () => {
    const events = (await look()).events.filter((each) => each.client === client && each.detail !== 'imported');
    const kinds = new Set(events.map(({ kind }) => kind));
    return kinds.has('invalidated') && kinds.has('client_changed') ? events : undefined;
  });
  expect(told.map(({ kind }) => kind).filter((kind) => kind !== 'client_changed')).toEqual([
    'invalidated',
    'refreshed',
  ]);
  expect(told.filter(({ detail }) => detail === 'switched off')).toHaveLength(1);
});

describe('the stream', () => {
  it('begins with all that there is, and goes on with what changes', async () => {
    const client = replicas.aClient();
    const stream = await EventStream.open(replicas.alive[1]!, ops);
    expect(stream.response.status).toBe(200);
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(stream.response.headers.get('cache-control')).toBe('no-store');
    expect(stream.response.headers.get('x-accel-buffering')).toBe('no');
    await eventually(() => stream.now && (stream.events.length > 3 || undefined), 1_000);
    expect(stream.text.startsWith('retry: 1000\n\n')).toBe(true);
    await token(client, replicas.alive[0]);
    const isIt = (each: TimelineEvent) => each.client === client && each.kind === 'refreshed';
    const told = await eventually(() => stream.events.find(isIt), 2_000);
    expect(told).toMatchObject({ replica: nameOf(replicas.alive[0]!) });
    expect(stream.ids).toEqual(stream.events.map(({ id }) => id));
    expect(stream.events.filter(isIt)).toHaveLength(1);
    seen.push(stream.text);
    stream.close();
  });

  it('says nothing while nothing changes, but for a sign of life', async () => {
    const stream = await EventStream.open(replicas.alive[1]!, ops);
    await eventually(() => stream.now);
    const longest = await eventually(() => {
      const times = stream.statuses.map(({ at }) => Date.parse(at));
      const gaps = times.map((time, i) => time - (times[i - 1] ?? time));
      return gaps.find((gap) => gap > 4_000);
    }, 25_000);
    expect(longest).toBeLessThan(7_000);
    stream.close();
  }, 30_000);

  it('ends when its caller may not watch any more: a key that is revoked, one that runs out, a role that is taken away', async () => {
    const [broker] = replicas.alive as [RunningBroker];
    const [revoked, demoted] = [await broker.addCaller('revoked', ['ops']), await broker.addCaller('demoted', ['ops'])];
    const { json } = await broker.admin('POST', '/v1/callers/ops/keys', { expires_in: 3 });
    const streams = await Promise.all(
      [revoked, demoted, String(json['key'])].map((key) => EventStream.open(broker, key)),
    );
    const stays = await EventStream.open(broker, ops);
    await eventually(() => streams.every(({ now }) => now) || undefined);
    await broker.admin('DELETE', '/v1/callers/revoked');
    await broker.admin('PUT', '/v1/callers/demoted', { roles: ['token'], grants: [] });
    await eventually(() => streams.every(({ hasEnded }) => hasEnded) || undefined, 8_000);
    expect(stays.hasEnded).toBe(false);
    stays.close();
  });

  it('goes on where it was cut off, on any replica', async () => {
    const client = replicas.aClient();
    const first = await EventStream.open(replicas.alive[0]!, ops);
    const lastId = await eventually(() => (first.now ? first.ids.at(-1) : undefined));
    first.close();
    await token(client, replicas.alive[0]);
    for (const replica of replicas.alive) {
      await eventually(async () => (await look(replica)).events.some((each) => each.client === client) || undefined);
      const again = await EventStream.open(replica, ops, lastId);
      await eventually(() => again.events.length > 0 || undefined);
      expect(again.events.map((each) => [each.kind, each.client])).toEqual([['refreshed', client]]);
      again.close();
    }
  });
});

it('a replica that stops says goodbye, and ends its streams at once', async () => {
  const leaving = await replicas.add();
  await eventually(async () => (await look()).replicas.length === 4 || undefined);
  const stream = await EventStream.open(leaving, ops);
  await eventually(() => stream.now);
  const before = performance.now();
  await replicas.stop([leaving]);
  expect(performance.now() - before).toBeLessThan(8_000);
  expect(stream.hasEnded).toBe(true);
  const events = await eventually(async () => {
    const status = await look();
    const told = about(status.events, leaving);
    return status.replicas.length === 3 && told.length > 1 ? told : undefined;
  }, 2_000);
  expect(events).toMatchObject([
    { kind: 'replica_went', detail: 'it said goodbye' },
    { kind: 'replica_came', detail: 'version 0.1.0' },
  ]);
});

it('a replica that is killed is gone within its time to live, which is told once', async () => {
  const killed = await replicas.add();
  await eventually(async () => (await look()).replicas.length === 4 || undefined);
  replicas.kill(killed);
  const views = await eventually(async () => {
    const all = await Promise.all(replicas.alive.map((each) => look(each)));
    return all.every((each) => each.replicas.length === 3 && about(each.events, killed).length > 1) ? all : undefined;
  }, 8_000);
  for (const { events } of views) {
    expect(about(events, killed)).toMatchObject([
      { kind: 'replica_went', detail: 'it did not say goodbye' },
      { kind: 'replica_came' },
    ]);
  }
});

it('without Redis each replica tells what it knows and what it saw, and what it could not say is said afterwards', async () => {
  const port = redis.port;
  const [one] = replicas.alive as [RunningBroker];
  await redis.stop('SIGKILL');
  const status = await eventually(async () => {
    const found = await look(one);
    return needs(found, 'redis_away').length > 0 ? found : undefined;
  }, 3_000);
  expect(status.health).toBe('degraded');
  expect(needs(status, 'vault_redis_away')).toHaveLength(1);
  expect(status.stores).toMatchObject([
    { holds: 'tokens', up: false, reason: expect.any(String) },
    { holds: 'vault', up: false },
  ]);
  await eventually(async () => {
    const { replicas: all, answered_by } = await look(one);
    return all.some(({ name, redis_up }) => name === answered_by && redis_up === false) || undefined;
  });
  expect(status.replicas).toHaveLength(3);
  expect(status.events.length).toBeGreaterThan(3);
  const stream = await EventStream.open(one, ops);
  await eventually(() => stream.now?.needs.some(({ code }) => code === 'redis_away'));
  // Got alone, and told where the others cannot read it.
  const client = 'client-1';
  await eventually(
    async () => (await token(client, one, { merchant_vat: 'DK00000009' })).status === 200 || undefined,
    15_000,
  );
  const alone = await eventually(() => stream.events.find((each) => each.merchant_vat === 'DK00000009'), 3_000);
  redis = await RunningRedis.start([], port);
  await replicas.untilRedisIs('up');
  const late = await eventually(async () => {
    const found = await look(replicas.alive[2]);
    return found.needs.length === 0 ? found.events.find(({ id }) => id === alone.id) : undefined;
  }, 10_000);
  expect(Math.abs(Date.parse(late.at) - Date.parse(alone.at))).toBeLessThan(1_500);
  stream.close();
}, 60_000);

it('tells no token and no secret', async () => {
  expect(seen.length).toBeGreaterThan(20);
  expect(canaries.in(seen.join('\n'))).toEqual([]);
  const text = await Promise.all(
    (await redis.client.keys('*{cluster}*')).map(async (key) =>
      (await redis.client.type(key)) === 'hash'
        ? JSON.stringify(await redis.client.hgetall(key))
        : JSON.stringify(await redis.client.xrange(key, '-', '+')),
    ),
  );
  expect(text.join('\n')).toContain('replica_came');
  expect(canaries.in(text.join('\n'))).toEqual([]);
});
