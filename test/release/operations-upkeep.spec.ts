import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Redis } from 'ioredis';

import { RunningBroker } from '../support/broker.js';
import { TestAuthority } from '../support/certificates.js';
import { RunningCluster } from '../support/cluster.js';
import { aFolder } from '../support/folder.js';
import { call } from '../support/http.js';
import { asData, mount } from '../support/kubernetes.js';
import { imageOf } from '../support/kubernetes-documents.js';
import type { OnCall } from '../support/on-call.js';
import { Operated, ZIP_PASSWORD } from '../support/operated.js';
import { eventually } from '../support/processes.js';
import { freePort, RunningRedis } from '../support/redis.js';
import { SentinelGroup } from '../support/sentinel.js';

const TYPED = { 'Password of the archive: ': ZIP_PASSWORD };
const LOOPBACK = 'IP:127.0.0.1';
const NOTHING = /^\s*$/;
const quiet = (count: number): RegExp[] => Array.from({ length: count }, () => NOTHING);
const ROLLED = /successfully rolled out/;
let operated: Operated;

beforeAll(async () => {
  operated = await Operated.start('upkeep');
}, 240_000);

/** The next block of a section prints this. */
function expectRun(...[section, printed, circumstances]: Parameters<OnCall['run']>): Promise<string[]> {
  return operated.onCall.run(section, printed, circumstances);
}

function inFolder(file: string): string {
  return readFileSync(join(operated.onCall.folder, file), 'utf8');
}

function imagesOfPods(): string[] {
  return operated.kubernetes.api.list('pods').map(({ spec }) => imageOf(spec));
}

describe('First look', () => {
  it('sets up a shell, in which the commands of all sections work', async () => {
    await expectRun('First look', [...quiet(7), /^Context "test" modified\.$/m, ...quiet(3)]);
    expect(inFolder('ops.header')).toBe(`Authorization: Bearer ${operated.adminKey}\n`);
  });

  it('makes a key that may do everything', async () => {
    await expectRun('First look', [/^roles +ops admin|^roles +\["ops","admin"\]/m, NOTHING]);
    const headers = { authorization: `Bearer ${inFolder('anna.key').trim()}` };
    await eventually(async () => {
      const { status } = await call('GET', `${operated.kubernetes.url}/v1/clients`, { headers });
      return status === 200 || undefined;
    });
  });

  it('looks, from the whole to the part', async () => {
    await operated.sandbox.fault({
      kind: 'status',
      status: 503,
      retry_after: 60,
      merchant_vat: 'DK11111111',
      times: 1,
    });
    await operated.token('DK11111111');
    await expectRun('First look', [
      /^"ok"|^"degraded"|^"critical"/m,
      /"redis_up": true[^]*"holds": "tokens"[^]*"breaker"[^]*"total": 2/,
      /"tokens"[^]*"vault"[^]*"audit"/,
      /"status":"ok"/,
      /"merchant_vat": "DK11111111"/,
      /"merchant_vat": "DK90000028"[^]*"shared"/,
      /^token-broker-\S+ +1\/1 +Running/m,
      /"event":"token_failed"/,
    ]);
  });

  it('asks one replica, through Kubernetes', async () => {
    await expectRun('First look', [NOTHING, /^\{"status":"ok"/m]);
  });
});

it('Sizing: how many keys there are, and what they take', async () => {
  await expectRun('Sizing', [/^2\n\[\n +"\S+",\n +\d+\n\]/m, /^used_memory_human:\d/m]);
});

describe('Redis', () => {
  it('one that may become master: without its replica it takes no writes; and it keeps the vault', async () => {
    const cwd = aFolder();
    const password = operated.redisPassword;
    const lines = ['bind 127.0.0.1', 'save ""', 'repl-diskless-sync-delay 0', `requirepass ${password}`];
    writeFileSync(join(cwd, 'redis.conf'), `${lines.join('\n')}\n`);
    const master = await RunningRedis.startWith({ args: ['redis.conf'], cwd });
    const replica = await RunningRedis.start([
      '--replicaof',
      '127.0.0.1',
      String(master.port),
      '--masterauth',
      password,
    ]);
    const client = new Redis(operated.withPassword(master));
    const values = { redis: master.url };
    await eventually(async () => (await client.info('replication')).includes('state=online') || undefined, 10_000);
    await expectRun('One Redis, or Sentinel', [/^OK$/m, /^OK$/m, /^OK$/m, /^OK$/m], { values });
    expect(await client.set('tb:written', '1')).toBe('OK');
    await expectRun('One Redis, or Sentinel', [/^OK$/m, /^OK$/m, /^aof_enabled:1[^]*^aof_last_write_status:ok/m], {
      values,
    });
    const kept = readFileSync(join(cwd, 'redis.conf'), 'utf8');
    for (const each of [/^min-(replicas|slaves)-to-write 1$/m, /^appendonly yes$/m]) expect(kept).toMatch(each);
    await replica.stop('SIGKILL');
    await eventually(async () => {
      const refused = await client.set('tb:written', '2').catch((error: unknown) => String(error));
      return refused.includes('NOREPLICAS') || undefined;
    });
    client.disconnect();
  }, 60_000);

  it('Sentinel: a planned failover', async () => {
    const group = await SentinelGroup.start();
    const values = { sentinel: group.sentinels[0]!.url, master: group.name };
    await expectRun(
      'One Redis, or Sentinel',
      [NOTHING, NOTHING, /^OK 3 usable Sentinels/m, new RegExp(`^${group.master.port}$`, 'm'), /^OK$/m],
      { values },
    );
    expect(await group.untilFailedOver()).not.toBe(group.master.port);
  }, 60_000);

  it('Cluster: whether every slot is served', async () => {
    const cluster = await RunningCluster.start();
    const values = { redis: cluster.masters[0]!.url };
    await expectRun('Cluster', [/^cluster_state:ok[^]*^cluster_slots_fail:0/m], { values });
  }, 60_000);

  it('a user who may do what the broker needs, and no more', async () => {
    const redis = await RunningRedis.start(['--requirepass', operated.redisPassword]);
    const values = { redis: redis.url };
    await expectRun('A user for the broker', [NOTHING, /^OK$/m, /^user broker on .*~tb:\*/m], { values });
    const password = inFolder('broker.password').trim();
    const url = `redis://broker:${password}@127.0.0.1:${redis.port}`;
    const broker = await RunningBroker.start(operated.sandbox, { REDIS_URL: url, VAULT_STORE: 'redis' });
    await broker.addClient('beta');
    const key = await broker.addCaller('till', ['token'], [{ client: '*', merchants: ['*'] }]);
    expect((await broker.token(key, { client: 'beta', merchant_vat: 'DK90000028' })).status).toBe(200);
    const client = new Redis(url);
    await expect(client.config('GET', 'maxmemory')).rejects.toThrow('NOPERM');
    await expect(client.get('other')).rejects.toThrow('NOPERM');
    client.disconnect();
    expect(broker.process.output()).not.toContain('redis_away');
  }, 60_000);
});

describe('Backup', () => {
  const backup = () => readdirSync(operated.onCall.folder).find((name) => /^vault-\d{4}-\d\d-\d\d\.jwe$/.test(name))!;

  it('is made', async () => {
    await expectRun('Backup', [/^vault-\d{4}-\d\d-\d\d\.jwe: \d+ bytes$/m]);
    expect(inFolder(backup())).toMatch(/^eyJ/);
  });

  it('is verified in a broker of its own, of which nothing is left', async () => {
    const { onCall } = operated;
    mkdirSync(join(onCall.folder, 'drill'));
    onCall.write('drill/vault-keys', operated.vaultKeys);
    const expected = [
      ...quiet(4),
      /"status":"ok"/,
      NOTHING,
      /^clients +1$/m,
      /^acme +production +acme-id/m,
      /^\w+ +yes/m,
      ...quiet(2),
    ];
    const port = String(await freePort());
    await expectRun('Backup', expected, { values: { backup: backup(), port } });
    expect(readdirSync(onCall.folder)).not.toContain('drill');
    await expect(call('GET', `http://127.0.0.1:${port}/health/live`)).rejects.toThrow('fetch failed');
  }, 60_000);

  it('is restored: what came later is gone', async () => {
    await operated.admin('PUT', '/v1/clients/later', { environment: 'sandbox', client_id: 'l', client_secret: 's' });
    const [, , clients] = await expectRun('Backup', [NOTHING, /^clients +1$/m, /^acme /m], {
      values: { backup: backup() },
    });
    expect(clients).not.toContain('later');
    await operated.untilServed();
  });
});

describe('Rotation', () => {
  it('of a client’s secret: the new one is used, the old one is gone, no token was fetched anew', async () => {
    const { sandbox } = operated;
    const { json } = await operated.token();
    await operated.zipComes('second-secret');
    await expectRun('Client secret', [/^acme .*acme-id/m, /^acme .*acme-id/m], { typed: TYPED });
    const [newer] = await operated.secretsOfAcme(2);
    await expectRun('Client secret', [/^\w+ +yes/m, /"in_use":true/, NOTHING, /^name +acme$/m]);
    expect(await operated.secretsOfAcme(1)).toMatchObject([{ fingerprint: newer!.fingerprint, in_use: true }]);
    expect((await operated.token()).json['token_id']).toBe(json['token_id']);
    await sandbox.register('acme-id', 'second-secret');
    expect((await operated.token('DK22222222')).status).toBe(200);
  }, 60_000);

  it('of a caller’s key: the new one works, the old one does not', async () => {
    const [, list] = await expectRun('Caller key', [NOTHING, /^shop +token +\* +(\w+ \(.*?\) ?){2}$/m]);
    const key = inFolder('shop.key').trim();
    const newId = key.split('_')[1]!.slice(0, 12);
    const ids = /^shop .*$/m.exec(list!)![0].match(/\b[0-9a-f]{12}\b/g)!;
    const old = ids.find((id) => id !== newId)!;
    await expectRun('Caller key', [NOTHING, /^key \w+ of shop is revoked$/m], { values: { old } });
    await eventually(async () => ((await operated.token()).status === 401 ? true : undefined));
    operated.shopKey = key;
    await operated.untilServed();
  });

  it('of the master keys: everything is sealed under the new one, opened without the old one, and nobody is restarted', async () => {
    const { kubernetes } = operated;
    const before = kubernetes.processes;
    const untilTaken = (ids: string[]) =>
      eventually(
        () => before.every((each) => each.output().includes(`"master_keys":${JSON.stringify(ids)}`)) || undefined,
        10_000,
      );
    const replaced = /secret\/token-broker replaced/;
    await expectRun('Master keys', [...quiet(3), replaced]);
    await untilTaken(['2026-06', '2026-12']);
    const [said] = await expectRun('Master keys', [/^\[pod\/.*"settings_reloaded"/m]);
    expect(said!.trim().split('\n')).toHaveLength(2);
    await expectRun('Master keys', [NOTHING, replaced]);
    await untilTaken(['2026-12', '2026-06']);
    const resealed = /^resealed +\d+\nleft +0/m;
    await expectRun('Master keys', [resealed, NOTHING, /"locked": 0,\s+"outdated": 0\b/, /rekeyed\.jwe: \d+ bytes/]);
    await expectRun('Master keys', [replaced]);
    await untilTaken(['2026-12']);
    expect(kubernetes.processes).toEqual(before);
    await operated.untilServed();
    await operated.untilHealth('vault', ({ locked, outdated }) => locked === 0 && outdated === 0);
  }, 60_000);

  it('of the built-in admin’s key: the old one is refused', async () => {
    const { onCall, kubernetes } = operated;
    const replaced = /secret\/token-broker replaced/;
    await expectRun('Admin key', [NOTHING, replaced, /restarted/, ROLLED, /^ready +ok$/m]);
    await kubernetes.untilRolled();
    expect((await operated.admin('GET', '/v1/clients')).status).toBe(401);
    operated.adminKey = inFolder('admin-key').trim();
    onCall.write('ops.key', operated.adminKey);
  }, 60_000);

  it('of a certificate: the one in the Secret is served, and what else is in it stays', async () => {
    const { onCall, kubernetes } = operated;
    const [authority, folder] = [new TestAuthority(), aFolder()];
    const [first, next] = [authority.issue({ names: [LOOPBACK] }), authority.issue({ names: [LOOPBACK] })];
    const files = { 'tls.crt': first.cert, 'tls.key': first.key, 'clients.crt': authority.cert };
    mount(kubernetes.api.put('secrets', { metadata: { name: 'token-broker-tls' }, data: asData(files) }), folder);
    const settings = { TLS_CERT_FILE: join(folder, 'tls.crt'), TLS_KEY_FILE: join(folder, 'tls.key') };
    const broker = await RunningBroker.start(operated.sandbox, settings);
    onCall.write('tls.crt', next.cert);
    onCall.write('tls.key', next.key);
    await expectRun('TLS certificates', [/secret\/token-broker-tls replaced/]);
    const secret = kubernetes.api.find('secrets', 'token-broker-tls')!;
    expect(secret.data).toEqual(asData({ ...files, 'tls.crt': next.cert, 'tls.key': next.key }));
    mount(secret, folder);
    await eventually(() => broker.process.output().includes('tls_reloaded') || undefined);
    const { host } = new URL(broker.url);
    const fingerprint = /Fingerprint=([0-9A-F:]+)/;
    const [, served, wanted] = await expectRun('TLS certificates', [NOTHING, /notAfter=/, fingerprint], {
      values: { host },
    });
    expect(fingerprint.exec(served!)![1]).toBe(fingerprint.exec(wanted!)![1]);
  }, 60_000);
});

it('Upgrade: every replica is new, and MobilePay was not called for it', async () => {
  const { kubernetes, sandbox } = operated;
  await operated.untilServed();
  const calls = await sandbox.calls('acme-id');
  const { json } = await operated.token();
  await expectRun('Upgrade', [/before-upgrade\.jwe: \d+ bytes/, /^ +"0\.\d+\.\d+",?$/m]);
  await expectRun('Upgrade', [NOTHING, /image updated/, ROLLED, /token-broker:0\.2\.0/]);
  await kubernetes.untilRolled();
  expect(imagesOfPods()).toEqual(['token-broker:0.2.0', 'token-broker:0.2.0']);
  await expectRun('Upgrade', [/^ +"0\.\d+\.\d+",?$/m, /^0$/m]);
  await operated.untilServed();
  expect((await operated.token()).json['token_id']).toBe(json['token_id']);
  expect(await sandbox.calls('acme-id')).toBe(calls);
}, 60_000);

it('Rollback: every replica is as before', async () => {
  const { kubernetes } = operated;
  await expectRun('Rollback', [/^REVISION/m, /rolled back/, ROLLED, /^ +"0\.\d+\.\d+",?$/m]);
  await kubernetes.untilRolled();
  expect(imagesOfPods()).toEqual(['token-broker:0.1.0', 'token-broker:0.1.0']);
  await operated.untilServed();
  await expectRun('Rollback', [/^OK$/m]);
}, 60_000);

it('every command of this part has been run', () => {
  expect(operated.onCall.left).toEqual([]);
});
