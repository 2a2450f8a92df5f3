import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
});

interface Health {
  readonly status: string;
  readonly info: object;
  readonly error: object;
  readonly details: Record<string, Record<string, unknown>>;
}

async function healthOf(broker: RunningBroker) {
  const { status, json } = await broker.admin('GET', '/health');
  return { code: status, ...(json as unknown as Health) };
}

async function readinessOf(broker: RunningBroker) {
  const { status, json } = await call('GET', `${broker.url}/health/ready`);
  return { code: status, ...(json as unknown as Health) };
}

/** Looked at once a second. */
function untilPartIs(broker: RunningBroker, part: string, status: 'up' | 'degraded'): Promise<Health> {
  return eventually(async () => {
    const health = await healthOf(broker);
    return health.details[part]?.['status'] === status ? health : undefined;
  }, 10_000);
}

it('says of each part how it is, right from its first answer, to operators alone', async () => {
  const broker = await RunningBroker.start(sandbox);
  expect(await healthOf(broker)).toMatchObject({
    code: 200,
    status: 'ok',
    info: { traffic: { status: 'up' }, tokens: { status: 'up', store: 'memory' } },
    error: {},
    details: {
      traffic: { status: 'up' },
      tokens: { status: 'up', store: 'memory' },
      vault: { status: 'up', store: 'file', store_up: true, clients: 0, callers: 0, locked: 0, newer: 0, outdated: 0 },
      upstream: { status: 'up' },
      audit: { status: 'up', lines: 1, lost: 0 },
    },
  });
  await broker.addClient('acme');
  const { details } = await eventually(async () => {
    const health = await healthOf(broker);
    return health.details['vault']?.['clients'] === 1 ? health : undefined;
  });
  expect(details['vault']!['age_seconds']).toBeLessThan(30);
  expect(details['upstream']).toEqual({ status: 'up', sandbox: { breaker: 'closed', failures_in_a_row: 0 } });
  expect((await call('GET', `${broker.url}/health`)).status).toBe(401);
});

it('tells of the last success and the last failure of MobilePay', async () => {
  const broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0' });
  await broker.addClient('bravo');
  const key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
  await broker.token(key, { client: 'bravo', merchant_vat: 'DK12345678' });
  await sandbox.fault({ kind: 'status', client_id: 'bravo-id', times: 1 });
  await broker.token(key, { client: 'bravo', merchant_vat: 'DK87654321' });
  const { details } = await untilPartIs(broker, 'upstream', 'degraded');
  expect(details['upstream']).toEqual({
    status: 'degraded',
    reason: 'sandbox: upstream_unavailable',
    sandbox: {
      breaker: 'closed',
      failures_in_a_row: 1,
      last_success_at: expect.stringMatching(/^\d{4}-.*Z$/),
      last_failure: { at: expect.any(String), code: 'upstream_unavailable', detail: expect.stringContaining('503') },
    },
  });
  expect(await readinessOf(broker)).toMatchObject({ code: 200, status: 'ok' });
  await broker.token(key, { client: 'bravo', merchant_vat: 'DK11223344' });
  await untilPartIs(broker, 'upstream', 'up');
});

it('stays ready without Redis, says degraded, and is well again when Redis is back', async () => {
  const redis = await RunningRedis.start();
  const broker = await RunningBroker.start(sandbox, { REDIS_URL: redis.url });
  expect(await readinessOf(broker)).toMatchObject({ code: 200, status: 'ok', info: { tokens: { store: 'redis' } } });
  await redis.stop('SIGKILL');
  await untilPartIs(broker, 'tokens', 'degraded');
  expect(await readinessOf(broker)).toMatchObject({
    code: 200,
    status: 'degraded',
    info: { traffic: { status: 'up' }, tokens: { status: 'degraded', store: 'redis', reason: expect.any(String) } },
    error: {},
  });
  expect((await call('GET', `${broker.url}/health/live`)).json).toEqual({
    status: 'ok',
    info: {},
    error: {},
    details: {},
  });
  await redis.startAgain();
  await untilPartIs(broker, 'tokens', 'up');
  expect(await readinessOf(broker)).toMatchObject({ code: 200, status: 'ok' });
});

it('tells when the Redis of the vault is away, and when it is back', async () => {
  const [tokens, vault] = [await RunningRedis.start(), await RunningRedis.start()];
  const settings = { VAULT_STORE: 'redis', REDIS_URL: tokens.url, VAULT_REDIS_URL: vault.url };
  const broker = await RunningBroker.start(sandbox, settings);
  await broker.addClient('acme');
  const metrics = async () => (await call('GET', `${broker.url}/metrics`, { headers: bearer(broker.adminKey) })).text;
  await untilPartIs(broker, 'vault', 'up');
  await vault.stop('SIGKILL');
  const { details } = await untilPartIs(broker, 'vault', 'degraded');
  expect(details).toMatchObject({ tokens: { status: 'up' }, vault: { clients: 1, store: 'redis', store_up: false } });
  expect(await metrics()).toMatch(/^token_broker_vault_redis_up 0$/m);
  expect(await metrics()).toMatch(/^token_broker_redis_up 1$/m);
  await vault.startAgain();
  await untilPartIs(broker, 'vault', 'up');
});

it('tells when the vault’s files cannot be read any more, and serves what it holds', async () => {
  const folder = aFolder();
  const write = (content: object) => writeFile(join(folder, 'acme.json'), JSON.stringify(content));
  const record = { environment: 'sandbox', client_id: 'acme-id', client_secret: 'a secret of acme' };
  await write(record);
  const broker = await RunningBroker.start(sandbox, { VAULT_STORE: 'directory', VAULT_PATH: folder });
  await write({});
  const { status, details } = await untilPartIs(broker, 'vault', 'degraded');
  expect([status, details['vault']]).toEqual([
    'degraded',
    expect.objectContaining({ store: 'directory', store_up: false, reason: expect.any(String), clients: 1 }),
  ]);
  expect((await readinessOf(broker)).code).toBe(200);
  await write(record);
  await untilPartIs(broker, 'vault', 'up');
});
