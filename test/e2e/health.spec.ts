import { RunningBroker } from '../support/broker.js';
import { bearer, call } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
});

async function healthOf(broker: RunningBroker) {
  const { status, json } = await broker.admin('GET', '/health');
  return { status, details: json['details'] as Record<string, Record<string, unknown>> };
}

it('says of each part how it is, to operators alone', async () => {
  const broker = await RunningBroker.start(sandbox);
  await broker.addClient('acme');
  const { status, details } = await healthOf(broker);
  expect(status).toBe(200);
  expect(details).toMatchObject({
    traffic: { status: 'up' },
    tokens: { status: 'up', store: 'memory' },
    vault: { status: 'up', degraded: false, clients: 1, callers: 0, locked: 0, outdated: 0 },
  });
  expect((await call('GET', `${broker.url}/health`)).status).toBe(401);
});

it('tells when the Redis of the vault is away, and when it is back', async () => {
  const [tokens, vault] = [await RunningRedis.start(), await RunningRedis.start()];
  const at = ({ port }: RunningRedis) => `redis://127.0.0.1:${port}`;
  const settings = { VAULT_STORE: 'redis', REDIS_URL: at(tokens), VAULT_REDIS_URL: at(vault) };
  const broker = await RunningBroker.start(sandbox, settings);
  await broker.addClient('acme');
  const metrics = async () => (await call('GET', `${broker.url}/metrics`, { headers: bearer(broker.adminKey) })).text;
  const degraded = async () => (await healthOf(broker)).details['vault']!['degraded'];
  expect(await degraded()).toBe(false);
  await vault.stop('SIGKILL');
  await eventually(async () => (await degraded()) === true || undefined);
  expect((await healthOf(broker)).details).toMatchObject({ tokens: { degraded: false }, vault: { clients: 1 } });
  expect(await metrics()).toMatch(/^token_broker_vault_redis_up 0$/m);
  expect(await metrics()).toMatch(/^token_broker_redis_up 1$/m);
  await vault.startAgain();
  await eventually(async () => (await degraded()) === false || undefined);
});
