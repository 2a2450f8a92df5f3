import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { FileVaultStore, KeyRing, replaceClient, Secret, Vault } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import type { OnCall } from '../support/on-call.js';
import { eventually } from '../support/processes.js';
import { Operated, ZIP_PASSWORD } from '../support/operated.js';

const TYPED = { 'Password of the archive: ': ZIP_PASSWORD };
const NOTHING = /^\s*$/;
let operated: Operated;

beforeAll(async () => {
  operated = await Operated.start('alerts');
}, 240_000);

/** The next block of a section prints this. */
function expectRun(...[section, printed, circumstances]: Parameters<OnCall['run']>): Promise<string[]> {
  return operated.onCall.run(section, printed, circumstances);
}

/** A broker of its own, for what the others must not suffer from. */
function another(env: Record<string, string> = {}): Promise<RunningBroker> {
  return RunningBroker.start(operated.sandbox, { ADMIN_KEY: operated.adminKey, UPSTREAM_RETRIES: '0', ...env });
}

it('TokenNearDeath: what fails and why, and one replica replaced', async () => {
  const { onCall, sandbox, kubernetes } = operated;
  await sandbox.fault({ kind: 'status', status: 503, retry_after: 60, merchant_vat: 'DK11111111', times: 1 });
  expect((await operated.token('DK11111111')).status).toBe(503);
  await expectRun('TokenNearDeath', [
    /^\["acme","DK11111111","upstream_unavailable"\]$/m,
    /^\[\]$/m,
    /"merchant_vat": "DK90000028"/,
  ]);
  const before = kubernetes.processes;
  await expectRun('TokenNearDeath', [NOTHING, NOTHING, /pod "token-broker-\S+" deleted/, /successfully rolled out/]);
  await kubernetes.untilRolled();
  expect(readFileSync(join(onCall.folder, 'token-broker.log'), 'utf8')).toMatch(/^\[pod\/.*"event":"token_failed"/m);
  expect(kubernetes.processes.filter((each) => !before.includes(each))).toHaveLength(1);
}, 60_000);

it('CredentialsRejected: which client, what MobilePay says to each secret, and the newest zip', async () => {
  const { sandbox } = operated;
  await sandbox.register('acme-id', 'rotated-by-mobilepay');
  expect((await operated.token('DK22222222')).json).toMatchObject({ code: 'credentials_rejected' });
  await expectRun('CredentialsRejected', [
    /^ +\d+ acme$/m,
    /"production"[^]*"added_at"/,
    { code: 1, said: /^\w+ +no .*invalid_client/m },
  ]);
  await operated.zipComes('rotated-by-mobilepay');
  await expectRun('CredentialsRejected', [/^acme +production +acme-id +\w+/m], { typed: TYPED });
  expect((await operated.token('DK22222222')).status).toBe(200);
});

it('DuplicateRefreshes: which replicas see each other', async () => {
  await operated.untilSeen();
  const [names] = await expectRun('DuplicateRefreshes', [/^\S+-\d+$/m]);
  expect(names!.trim().split('\n')).toHaveLength(2);
});

it('RedisDegraded: why it takes no writes', async () => {
  await operated.onRedis('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
  await operated.onRedis('CONFIG', 'SET', 'maxmemory', '1');
  // Whoever has nothing to write does not notice.
  const cold = Promise.all(operated.kubernetes.processes.map(({ url }) => operated.token('DK55555555', url)));
  await operated.untilHealth('tokens', ({ reason }) => /OOM/.test(String(reason)));
  await expectRun('RedisDegraded', [
    /"reason": ".*OOM/,
    /^PONG$/m,
    /^role:master\s+connected_slaves:0/m,
    /^maxmemory_human:1B[^]*^maxmemory_policy:noeviction/m,
    /^rejected_connections:0[^]*^evicted_keys:0|^evicted_keys:0[^]*^rejected_connections:0/m,
    /\binfo\b/i,
  ]);
  await operated.onRedis('CONFIG', 'SET', 'maxmemory', '0');
  await operated.onRedis('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
  await operated.untilHealth('tokens', ({ reason }) => reason === undefined);
  expect((await cold).map(({ status }) => status)).toEqual([200, 200]);
}, 60_000);

it('VaultRedisDegraded: roll-outs wait until the vault is back', async () => {
  const { kubernetes } = operated;
  const isPaused = () => kubernetes.deployment.spec!['paused'] === true;
  await operated.redis.stop();
  await operated.untilHealth('vault', ({ reason }) => reason !== undefined);
  await expectRun('VaultRedisDegraded', [/"reason": "[^]*"store_up": false/]);
  await expectRun('VaultRedisDegraded', [/deployment.apps\/token-broker paused/]);
  expect(isPaused()).toBe(true);
  operated.redis = await operated.redis.startAgain();
  await operated.untilHealth('vault', ({ reason }) => reason === undefined);
  await expectRun('VaultRedisDegraded', [/deployment.apps\/token-broker resumed/]);
  expect(isPaused()).toBe(false);
}, 60_000);

it('BreakerOpen: it says so, and MobilePay is asked without the broker', async () => {
  const broker = await another();
  await broker.addClient('beta');
  const key = await broker.addCaller('till', ['token'], [{ client: '*', merchants: ['*'] }]);
  await broker.sandbox.fault({ kind: 'status', status: 503, client_id: 'beta-id' });
  for (let n = 1; n <= 5; n += 1) await broker.token(key, { client: 'beta', merchant_vat: `DK1234567${n}` });
  await expectRun('BreakerOpen', [/"state": "open"/, /^401 0\.\d+ \d\.\d+$/m], {
    values: { broker: broker.url },
  });
}, 60_000);

it('UpstreamFailing: what is wrong, in words', async () => {
  const { sandbox } = operated;
  await sandbox.fault({ kind: 'wrong_vat', merchant_vat: 'DK33333333', times: 1 });
  expect((await operated.token('DK33333333')).status).toBe(502);
  await sandbox.fault({ kind: 'status', status: 503, retry_after: 60, merchant_vat: 'DK44444444', times: 1 });
  expect((await operated.token('DK44444444')).status).toBe(503);
  await expectRun('UpstreamFailing', [
    /^ +\d+ upstream_unavailable: .*503/m,
    /"event":"token_failed".*"upstream_invalid"/,
  ]);
});

it('NoReplicaReady: the log names the setting, and the change is taken back', async () => {
  const { kubernetes } = operated;
  kubernetes.setEnvironment({ LOG_LEVEL: 'nonsense' });
  await kubernetes.untilRolled();
  await expectRun('NoReplicaReady', [
    /"status":"ok"[^]*^200$/m,
    /^token-broker-\S+ +0\/1 +CrashLoopBackOff/m,
    /setting LOG_LEVEL must be/,
    /setting LOG_LEVEL must be/,
    /^1 .*\s+^2 /m,
  ]);
  await expectRun('NoReplicaReady', [/rolled back/, /successfully rolled out/]);
  await kubernetes.untilRolled();
  expect(kubernetes.processes).toHaveLength(2);
  expect(kubernetes.api.list('pods').map(({ status }) => status!['phase'])).toEqual(['Running', 'Running']);
}, 60_000);

it('OldSecretInUse: the newer one is tested, the older one retired', async () => {
  const { sandbox, kubernetes } = operated;
  // All at one replica: the others hear of it a moment later.
  const { url } = kubernetes.processes[0]!;
  await operated.putClient('older-secret', url);
  await operated.admin('POST', '/v1/clients/acme/test', {}, url);
  await operated.admin('POST', '/v1/clients/acme/secrets', { client_secret: 'newer-secret' }, url);
  const [newer, older] = await operated.secretsOfAcme(2);
  expect([newer!.in_use, older!.in_use]).toEqual([false, true]);
  const [shown] = await expectRun('OldSecretInUse', [/^"acme"$/m]);
  expect(shown).toMatch(new RegExp(`${newer!.fingerprint}.*\n.*${older!.fingerprint}`));
  await sandbox.register('acme-id', 'newer-secret');
  await expectRun('OldSecretInUse', [/^\w+ +yes/m, NOTHING, /^name +acme$/m]);
  expect(await operated.secretsOfAcme(1)).toMatchObject([{ fingerprint: newer!.fingerprint, in_use: true }]);
});

it('AuditLinesLost: whether the disk is full, and what the trail says', async () => {
  const values = { audit: operated.audit };
  await expectRun('AuditLinesLost', [NOTHING, /Avail[^]*%/, /^fine: \d+ lines in \d+ chains/m], { values });
});

it('VaultRecordsLocked: how many, and the seals renewed when the key is back', async () => {
  const path = join(aFolder(), 'vault.json');
  const [old, next] = [KeyRing.generate('old'), KeyRing.generate('new')];
  for (const [keys, name] of [
    [old, 'acme'],
    [`${next},${old}`, 'beta'],
  ] as const) {
    const vault = await Vault.open(new FileVaultStore(path), KeyRing.parse(keys), Date.now);
    const client = { name, environment: 'production', clientId: `${name}-id`, clientSecret: new Secret('a') } as const;
    await vault.changeClient(name, (current, at) => replaceClient(current, client, at));
  }
  const ring = join(aFolder(), 'vault-keys');
  writeFileSync(ring, next);
  const broker = await another({ VAULT_PATH: path, VAULT_KEYS_FILE: ring });
  const values = { broker: broker.url };
  const health = (locked: number, outdated: number) => new RegExp(`"locked": ${locked},\\s+"outdated": ${outdated}\\b`);
  await expectRun('VaultRecordsLocked', [health(1, 0)], { values });
  writeFileSync(ring, `${next},${old}`);
  await eventually(() => broker.process.output().includes('settings_reloaded') || undefined);
  await expectRun('VaultRecordsLocked', [/^resealed +1$/m, NOTHING, health(0, 0)], { values });
}, 60_000);

it('VaultStale: how old the copy is', async () => {
  await expectRun('VaultStale', [/"store_up": true,\s+"age_seconds": \d+/]);
});

it('Mixed versions: who runs what, and whether somebody has paused it', async () => {
  operated.kubernetes.edit({ paused: true });
  await expectRun('Mixed versions', [/^\S+ 0\.\d+\.\d+$/m, /^token-broker-\S+ +1\/1 +Running/m, /^true$/m]);
  await expectRun('Mixed versions', [/^0$/m]);
});

it('every command of the page has been run', () => {
  expect(operated.onCall.left).toEqual([]);
});
