import 'reflect-metadata';

import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';

import { KeyRing } from '#vault';

import { TestAuthority } from '../support/certificates.js';
import { rendered, type Values } from '../support/chart/chart.js';
import { laidOut } from '../support/chart/laid-out.js';
import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { callTls } from '../support/https.js';
import { type RunningProcess, start } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { SERVER_NAME } from '../support/tls-broker.js';

type Files = Record<string, string>;

const vaultKeys = KeyRing.generate('first');
const adminKey = `admin-${randomBytes(16).toString('hex')}`;
let redis: RunningRedis;

beforeAll(async () => {
  redis = await RunningRedis.start();
  await rendered();
  // The first test of a new checkout fetches Go and builds the renderer.
}, 300_000);

/** Starts the broker as a pod of the chart would, but for its port and the folders that its files are in.
 *  @param files what the Secrets and ConfigMaps hold that the values name, besides the chart's own
 *  @param cwd where it is started */
async function startAs(values: Values, files: Record<string, Files> = {}, cwd = aFolder()): Promise<RunningProcess> {
  const own = { 'vault-keys': vaultKeys, 'admin-key': adminKey, 'redis-url': `${redis.url}\n` };
  const env = laidOut(await rendered(values), { 'token-broker': own, ...files }, aFolder());
  return start('broker', { ...env, PORT: '0' }, cwd);
}

it('a broker that is started as the chart has it gets ready, shares its vault, and writes no file', async () => {
  const folder = aFolder();
  const broker = await startAs({}, {}, folder);
  const ready = await call('GET', `${broker.url}/health/ready`);
  expect([ready.status, ready.json['status']]).toEqual([200, 'ok']);
  const caller = { roles: ['ops'] };
  expect((await callJson('PUT', `${broker.url}/v1/callers/shop`, caller, bearer(adminKey))).status).toBe(201);
  const other = await startAs({ settings: { SHUTDOWN_DELAY_MS: 0 } });
  const seen = await call('GET', `${other.url}/v1/callers/shop`, { headers: bearer(adminKey) });
  expect(seen.json).toMatchObject({ name: 'shop', ...caller });
  expect(await other.stop()).toBe(0);
  // The log is what the test itself has put there.
  expect(readdirSync(folder)).toEqual(['output.log']);
});

it('and so does one with TLS, JWTs, a vault of files, authorities of its own and settings', async () => {
  const authority = new TestAuthority();
  const { cert, key } = authority.issue({ names: [SERVER_NAME] });
  const values = {
    settings: { LOG_LEVEL: 'debug', RATE_LIMIT_PER_CALLER: 6_000_000, METRICS_OPEN: true, METRICS_CLIENTS: 7 },
    jwtIssuers: [
      {
        issuer: 'https://issuer.example',
        audience: 'token-broker',
        jwks_url: 'http://127.0.0.1:9/jwks',
        callers: [{ caller: 'till', subject: 'system:serviceaccount:shops:*', claims: { '/a/b': 'c < d & "e"' } }],
      },
    ],
    vaultSecret: 'clients',
    tls: { secret: 'tls', clientCa: 'ca.crt' },
    authorities: { configMap: 'authorities', files: { UPSTREAM_CA_FILE: 'upstream.pem' } },
  };
  const acme = { environment: 'sandbox', client_id: 'acme-id', client_secret: 'a-secret' };
  const broker = await startAs(values, {
    tls: { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.cert },
    clients: { 'acme.json': JSON.stringify(acme) },
    authorities: { 'upstream.pem': authority.cert },
  });
  const ask = (path: string, headers = {}) => callTls('GET', `${broker.url}${path}`, { ca: authority.cert, headers });
  expect((await ask('/health/ready')).status).toBe(200);
  expect((await ask('/metrics')).text).toContain('token_broker_ready 1');
  expect((await ask('/v1/clients', bearer(adminKey))).text).toContain('"acme"');
  expect(broker.output()).toContain('"level":"debug"');
});
