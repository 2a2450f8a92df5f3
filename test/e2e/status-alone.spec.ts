import { RunningBroker } from '../support/broker.js';
import { EventStream, statusOf } from '../support/event-stream.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';

let sandbox: RunningSandbox;
let broker: RunningBroker;
let ops: string;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0', SHUTDOWN_DELAY_MS: '1500' });
  ops = await broker.addCaller('ops', ['ops']);
  await broker.addClient('acme');
  await broker.addClient('other');
});

it('a single replica without Redis tells of itself, at once and from then on', async () => {
  const shop = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
  for (let n = 0; n < 5; n += 1) await broker.token(shop, { client: 'acme' });
  const status = await eventually(async () => {
    const found = await statusOf(broker);
    return found.last_hour.tokens_served === 5 && found.keys.fresh === 1 ? found : undefined;
  }, 8_000);
  expect(status.replicas).toMatchObject([{ name: status.answered_by, redis_up: null, keys: 1, state: 'ready' }]);
  expect(status.stores).toEqual([
    { holds: 'tokens', kind: 'memory', up: true, latency_ms: null },
    { holds: 'vault', kind: 'file', up: true, latency_ms: null },
  ]);
  expect([status.health, status.needs]).toEqual(['ok', []]);
  expect(status.last_hour).toMatchObject({ upstream_calls: 1, calls_saved: 4 });
  expect(status.events.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['replica_came', 'client_changed', 'refreshed']),
  );
});

it('says that calls are paused when MobilePay has failed too often', async () => {
  const shop = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
  await sandbox.fault({ kind: 'status', status: 503, client_id: 'other-id' });
  for (let n = 1; n <= 5; n += 1) await broker.token(shop, { client: 'other', merchant_vat: `DK0000000${n}` });
  const status = await eventually(async () => {
    const found = await statusOf(broker);
    return found.needs.length > 1 ? found : undefined;
  });
  expect(status.health).toBe('critical');
  expect(status.needs.map(({ code, severity }) => [code, severity])).toEqual([
    ['upstream_failing', 'critical'],
    ['breaker_open', 'critical'],
  ]);
  expect(status.upstreams).toMatchObject([{ state: 'failing', breaker: { state: 'open', failures: 5 } }]);
});

it('serves so many streams and no more, and lets a new one in when one has gone', async () => {
  const streams = await Promise.all(Array.from({ length: 100 }, () => EventStream.open(broker, ops)));
  expect(streams.map(({ response }) => response.status)).toEqual(streams.map(() => 200));
  const refused = await call('GET', `${broker.url}/v1/status/stream`, { headers: bearer(ops) });
  expect([refused.status, refused.json['code'], refused.headers.get('retry-after')]).toEqual([503, 'overloaded', '5']);
  for (const stream of streams.splice(1)) stream.close();
  // HEAD has no body whose end could be waited for.
  for (let n = 0; n < 110; n += 1) {
    expect((await call('HEAD', `${broker.url}/v1/status/stream`, { headers: bearer(ops) })).status).toBe(200);
  }
  streams[0]!.close();
  const next = await eventually(async () => {
    const stream = await EventStream.open(broker, ops);
    return stream.response.status === 200 ? stream : undefined;
  });
  await eventually(() => next.now);
  for (const stream of [...streams, next]) stream.close();
});

it('ends its streams when it begins to drain, opens no other, and still answers', async () => {
  const stream = await EventStream.open(broker, ops);
  await eventually(() => stream.now);
  const stopped = broker.process.stop();
  await eventually(() => stream.hasEnded || undefined, 1_000);
  const refused = await call('GET', `${broker.url}/v1/status/stream`, { headers: bearer(ops) });
  expect([refused.status, refused.json['code'], refused.headers.get('retry-after')]).toEqual([503, 'draining', '1']);
  expect((await statusOf(broker, ops)).replicas).toMatchObject([{ state: 'draining' }]);
  expect(await stopped).toBe(0);
});
