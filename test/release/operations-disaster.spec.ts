import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { Kubernetes } from '../support/kubernetes.js';
import type { OnCall } from '../support/on-call.js';
import { IMAGE, Operated, ZIP_PASSWORD } from '../support/operated.js';
import { eventually, isRunning } from '../support/processes.js';
import { freePort, RunningRedis } from '../support/redis.js';

const NOTHING = /^\s*$/;
const ROLLED = /successfully rolled out/;
const VAULT = 'tb:{vault}';
let operated: Operated;
let vault: RunningRedis;
let tokens: RunningRedis;

beforeAll(async () => {
  vault = await RunningRedis.start();
  operated = await Operated.start('disaster', { VAULT_REDIS_URL: vault.url });
}, 240_000);

/** The next block of a section prints this. */
function expectRun(...[section, printed, circumstances]: Parameters<OnCall['run']>): Promise<string[]> {
  return operated.onCall.run(section, printed, circumstances);
}

/** Of that Redis, from a folder as the Secret's. */
function secretFiles(redis: RunningRedis): void {
  operated.onCall.write('vault-keys', operated.vaultKeys);
  operated.onCall.write('admin-key', operated.adminKey);
  operated.onCall.write('redis-url', redis.url);
}

it('Redis lost: at its new address the replicas share tokens again', async () => {
  const { kubernetes, sandbox } = operated;
  await operated.redis.stop('SIGKILL');
  tokens = await RunningRedis.start();
  await expectRun(
    'Redis lost',
    [NOTHING, NOTHING, /replaced/, /restarted/, ROLLED, /"holds": "tokens",[^]*"up": true/],
    {
      values: { url: tokens.url },
    },
  );
  await kubernetes.untilRolled();
  const before = await sandbox.calls('acme-id');
  await operated.untilServed();
  expect((await sandbox.calls('acme-id')) - before).toBe(1);
}, 60_000);

describe('Vault lost', () => {
  it('with replicas that run: it is filled from the memory of one', async () => {
    const { kubernetes } = operated;
    await expectRun('Vault lost', [/paused/, /^rescue\.jwe: \d+ bytes$/m]);
    await vault.stop('SIGKILL');
    vault = await vault.startAgain();
    await operated.untilHealth('vault', ({ store_up }) => store_up === true);
    expect(await vault.client.exists(VAULT)).toBe(0);
    await expectRun('Vault lost', [/^clients +1$/m, /^acme +production/m, /resumed/]);
    expect(Object.keys(await vault.client.hgetall(VAULT)).toSorted()).toEqual(['caller/shop', 'client/acme']);
    expect(kubernetes.deployment.spec!['paused']).not.toBe(true);
    await operated.untilServed();
  }, 60_000);

  it('at another address: it is filled before a replica sees it', async () => {
    const other = await RunningRedis.start();
    secretFiles(other);
    const port = String(await freePort());
    const expected = [NOTHING, NOTHING, /"status":"ok"/, /^clients +1$/m, NOTHING];
    await expectRun('Vault lost', expected, { values: { port } });
    expect(Object.keys(await other.client.hgetall(VAULT)).toSorted()).toEqual(['caller/shop', 'client/acme']);
  }, 60_000);
});

it('Master key lost: which keys the Secret has, who is in the vault, and a new key', async () => {
  const { onCall } = operated;
  await expectRun('Master key lost', [/^2026-06$/m]);
  await expectRun('Master key lost', [NOTHING, NOTHING, NOTHING]);
  const read = (file: string) => readFileSync(join(onCall.folder, file), 'utf8');
  expect(JSON.parse(read('clients.json'))).toMatchObject({ items: [{ name: 'acme', client_id: 'acme-id' }] });
  expect(JSON.parse(read('callers.json'))).toMatchObject({ items: [{ name: 'shop', roles: ['token'] }] });
  expect(KeyRing.parse(read('vault-keys').trim()).ids).toEqual(['2026-12']);
});

it('Region lost: from a backup and the Secret’s files to a token', async () => {
  const redis = await RunningRedis.start();
  secretFiles(redis);
  const settings = { VAULT_STORE: 'redis', ...operated.upstream };
  const region = await Kubernetes.start({ replicas: 0, image: IMAGE, settings });
  const env = { KUBECONFIG: region.kubeconfig };
  await expectRun('Region lost', [/secret\/token-broker created/], { env });
  await redis.client.hset(VAULT, await vault.client.hgetall(VAULT));
  region.edit({ replicas: 1 });
  await region.untilRolled();
  const expected = [/^acme +production/m, /^\w+ +yes/m, /^allowed +yes$/m];
  await expectRun('Region lost', expected, { env, values: { broker: region.url } });
  expect((await operated.token('DK90000028', region.url)).status).toBe(200);
}, 60_000);

it('All replicas gone: one process on any machine, with the tokens that are in Redis', async () => {
  const { onCall, kubernetes, sandbox } = operated;
  await operated.untilServed();
  kubernetes.edit({ replicas: 0 });
  await kubernetes.untilRolled();
  expect(kubernetes.processes).toEqual([]);
  await tokens.client.hset(VAULT, await vault.client.hgetall(VAULT));
  secretFiles(tokens);
  const [port, calls] = [String(await freePort()), await sandbox.calls('acme-id')];
  await expectRun('All replicas gone', [NOTHING, NOTHING, NOTHING, /"status":"ok"/], { values: { port } });
  const pid = Number(readFileSync(join(onCall.folder, 'broker.pid'), 'utf8'));
  try {
    expect((await operated.token('DK90000028', `http://127.0.0.1:${port}`)).status).toBe(200);
    expect(await sandbox.calls('acme-id')).toBe(calls);
  } finally {
    process.kill(pid, 'SIGKILL');
    await eventually(() => !isRunning(pid) || undefined);
  }
  kubernetes.edit({ replicas: 2 });
  await kubernetes.untilRolled();
}, 60_000);

describe('MobilePay credentials leaked', () => {
  it('the new secret takes the place of the leaked one', async () => {
    await operated.zipComes('after-the-leak');
    await expectRun('MobilePay credentials leaked', [/^acme .*acme-id/m, /^\w+ +yes/m, NOTHING, /^name +acme$/m], {
      typed: { 'Password of the archive: ': ZIP_PASSWORD },
    });
    const [left] = await operated.secretsOfAcme(1);
    expect(left).toMatchObject({ in_use: true });
  });

  it('every token is fetched anew', async () => {
    const { json } = await operated.token();
    await expectRun('MobilePay credentials leaked', [/^enabled +no$/m, /^enabled +yes$/m]);
    await operated.untilServed();
    expect((await operated.token()).json['token_id']).not.toBe(json['token_id']);
  });
});

it('every command of this part has been run', () => {
  expect(operated.onCall.left).toEqual([]);
});
