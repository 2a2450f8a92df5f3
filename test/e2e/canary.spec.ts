import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { formsOf } from '../support/canaries.js';
import { aFolder } from '../support/folder.js';
import { basic, bearer, call, callForm, callJson } from '../support/http.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, anAsciiCanary, SecretWatch } from '../support/secret-watch.js';

const secret = aCanary('secret');
const zipPassword = aCanary('zip');
const adminKey = anAsciiCanary('admin');
const masterKey = randomBytes(32).toString('base64');
const client = 'acme';
const clientId = 'acme-id';

const watch = new SecretWatch({ secret, zipPassword, adminKey, masterKey });
const { canaries } = watch;
let folder: string;
let sandbox: RunningSandbox;
let broker: RunningBroker;
let callerKey: string;
let vats = 10_000_000;

const aVat = () => `DK${(vats += 1)}`;

const saw = watch.saw.bind(watch);
const admin = () => bearer(adminKey);
const token = async (body: object) => saw(await broker.token(callerKey, body), 'access_token');
const oauth = async (form: Record<string, string>) => saw(await broker.oauth(client, callerKey, form), 'access_token');

beforeAll(async () => {
  canaries.add('Basic header', basic(clientId, secret)['authorization']!);
  canaries.add('Basic header, form-encoded', basic(clientId, encodeURIComponent(secret))['authorization']!);
  sandbox = await RunningSandbox.start();
  folder = aFolder();
  const settings = {
    ADMIN_KEY: adminKey,
    VAULT_KEYS: `first:${masterKey}`,
    LOG_LEVEL: 'trace',
    UPSTREAM_RETRIES: '1',
    UPSTREAM_TIMEOUT_MS: '300',
    // Nobody listens there.
    UPSTREAM_PRODUCTION_URL: 'http://127.0.0.1:9/integrator-authentication',
  };
  broker = await RunningBroker.start(sandbox, settings, folder);
  await sandbox.register(clientId, secret);
  const zip = await lockedZip({ client_id: clientId, client_secret: secret }, zipPassword);
  const fields = { password: zipPassword, name: client };
  saw(await broker.import(zip, { ...fields, dry_run: 'true' }));
  saw(await broker.import(zip, fields));
  saw(await broker.import(zip, { ...fields, name: 'unreachable', environment: 'production' }));
  saw(await broker.import(zip, { ...fields, password: `${zipPassword}x` }));
  const roles = { roles: ['token'], grants: [{ client: '*', merchants: ['*'], unrestricted: true }] };
  saw(await callJson('PUT', `${broker.url}/v1/callers/shop`, roles, admin()));
  const made = saw(await callJson('POST', `${broker.url}/v1/callers/shop/keys`, {}, admin()), 'key');
  callerKey = String(made.json['key']);
  saw(await call('GET', `${broker.url}/v1/clients`, { headers: admin() }));
}, 20_000);

describe('the search', () => {
  it.each([...formsOf(secret).keys()])('finds a secret that is planted in a file: %s', (way) => {
    const planted = join(folder, 'data', 'planted');
    writeFileSync(planted, `before${formsOf(secret).get(way)}behind`);
    const found = canaries.inFiles(folder);
    rmSync(planted);
    expect(found).toContain(`${planted}: secret, ${way}`);
  });

  it('finds a header that is planted, and looks at the log and at the vault', () => {
    expect(canaries.in(`> Authorization: ${basic(clientId, secret)['authorization']}`)).toContain(
      'Basic header, plain',
    );
    expect(canaries.in(Buffer.from(`${clientId}:${secret}`).toString('base64'))).not.toHaveLength(0);
    expect(readFileSync(join(folder, 'data/vault.json'), 'utf8')).toContain('client/acme');
    expect(readFileSync(join(folder, 'output.log'), 'utf8')).toContain('"level":"debug"');
  });
});

it('tokens are given, renewed and reported', async () => {
  const merchant_vat = aVat();
  const { json } = await token({ client, merchant_vat });
  expect((await oauth({ merchant_vat })).json['access_token']).toBe(json['access_token']);
  expect((await token({ client })).status).toBe(200);
  const inBody = { grant_type: 'client_credentials', client_id: client, client_secret: callerKey };
  expect(saw(await callForm(`${broker.url}/connect/token`, inBody), 'access_token').status).toBe(200);
  const { access_token } = json;
  expect(saw(await broker.invalidate(callerKey, { client, merchant_vat, access_token })).json).toEqual({
    invalidated: true,
  });
  expect((await token({ client, merchant_vat })).json['access_token']).not.toBe(access_token);
});

it.each<[string, object, number[]]>([
  ['refuses the credentials', { kind: 'error', status: 401 }, [502, 502]],
  ['refuses the client', { kind: 'error', error: 'unauthorized_client' }, [502, 502]],
  ['refuses the merchant', { kind: 'error', error: 'invalid_request' }, [422, 400]],
  ['refuses the scope', { kind: 'error', error: 'invalid_scope' }, [422, 400]],
  ['refuses with the secret for a reason', { kind: 'error', error: secret }, [422, 400]],
  ['repeats the secret in a refusal', { kind: 'status', status: 400, body: secret }, [422, 400]],
  ['repeats the secret while it is down', { kind: 'status', status: 500, body: secret }, [503, 503]],
  ['repeats a secret in a header', { kind: 'status', status: 503, retry_after: masterKey }, [503, 503]],
  ['redirects', { kind: 'status', status: 302 }, [502, 502]],
  ['is overloaded', { kind: 'status', status: 429, retry_after: 1 }, [503, 503]],
  ['hangs', { kind: 'hang' }, [503, 503]],
  ['is too slow', { kind: 'latency', latency_ms: 2_000 }, [503, 503]],
  ['resets the connection', { kind: 'reset' }, [503, 503]],
  ['cuts its answer short', { kind: 'truncated' }, [503, 503]],
  ['answers HTML', { kind: 'html' }, [502, 502]],
  ['answers other JSON', { kind: 'wrong_json', body: JSON.stringify({ access_token: [secret] }) }, [502, 502]],
  ['answers broken JSON', { kind: 'wrong_json', body: `{"access_token":"${secret}` }, [502, 502]],
  ['answers a token that is none', { kind: 'wrong_json', body: JSON.stringify({ access_token: secret }) }, [502, 502]],
  ['binds the token to another merchant', { kind: 'wrong_vat' }, [502, 502]],
  ['gives no life', { kind: 'expires_in', value: 0 }, [502, 502]],
  ['gives the secret for a life', { kind: 'expires_in', value: secret }, [502, 502]],
  ['gives an opaque token', { kind: 'opaque' }, [200, 200]],
])('MobilePay %s', async (_, fault, expected) => {
  // A client of its own, or one test’s failure would be remembered in the next.
  const name = `client-${vats}`;
  await sandbox.register(`${name}-id`, secret);
  const zip = await lockedZip({ client_id: `${name}-id`, client_secret: secret }, zipPassword);
  saw(await broker.import(zip, { password: zipPassword, name }));
  await sandbox.fault({ ...fault, client_id: `${name}-id` });
  const merchant_vat = aVat();
  const own = await token({ client: name, merchant_vat });
  const asOAuth = saw(await broker.oauth(name, callerKey, { merchant_vat }), 'access_token');
  expect([own.status, asOAuth.status]).toEqual(expected);
});

it('MobilePay cannot be reached', async () => {
  expect((await token({ client: 'unreachable', merchant_vat: aVat() })).status).toBe(503);
});

it('secrets are sent in every field of every endpoint', async () => {
  const { json } = await token({ client, merchant_vat: aVat() });
  const zip = Uint8Array.from(await lockedZip({ client_id: clientId, client_secret: secret }, zipPassword));
  const before = watch.count;
  for (const canary of [secret, zipPassword, adminKey, callerKey, masterKey, String(json['access_token'])]) {
    const bodies: unknown[] = [canary, [canary], `{"client":"${canary}`, { [canary]: 1 }];
    for (const field of ['client', 'merchant_vat', 'min_validity', 'token_id', 'roles', 'grants', 'expires_in', 'x']) {
      bodies.push({ [field]: canary }, { [field]: [canary] }, { [field]: { [canary]: canary } });
    }
    for (const field of ['client', 'merchants', 'unrestricted', canary]) {
      const grant = { client, merchants: ['*'], unrestricted: false };
      bodies.push({ roles: ['token'], grants: [{ ...grant, [field]: canary }] }, { roles: [canary], grants: [canary] });
    }
    for (const body of bodies) {
      saw(await broker.token(callerKey, body));
      saw(await broker.invalidate(callerKey, body));
      saw(await callJson('PUT', `${broker.url}/v1/callers/other`, body, admin()));
      saw(await callJson('POST', `${broker.url}/v1/callers/shop/keys`, body, admin()));
    }
    for (const field of ['password', 'name', 'environment', 'dry_run', 'archive', canary]) {
      saw(await broker.import(zip, { password: zipPassword, name: 'other', [field]: canary, dry_run: canary }));
    }
    saw(await broker.import(Uint8Array.from(Buffer.from(canary)), { password: canary }));
    const form = new FormData();
    form.set(canary, new Blob([zip]), canary);
    saw(await call('POST', `${broker.url}/v1/clients/import`, { headers: admin(), body: form }));

    for (const field of ['grant_type', 'merchant_vat', 'scope', 'client_id', 'client_secret']) {
      saw(await broker.oauth(client, callerKey, { [field]: canary }));
    }
    saw(await broker.oauth(client, encodeURIComponent(canary)), 'access_token');
    saw(await broker.oauth(encodeURIComponent(canary), callerKey));
    saw(await callForm(`${broker.url}/connect/token`, { client_id: canary, client_secret: canary, [canary]: canary }));

    const encoded = encodeURIComponent(canary).slice(0, 3_000);
    for (const path of [
      `/v1/callers/${encoded}`,
      `/v1/callers/${encoded}/keys`,
      `/${encoded}?x=${encoded}`,
      `/%zz${encoded}`,
    ]) {
      const headers = { ...admin(), 'content-type': 'application/json' };
      for (const method of ['GET', 'PUT', 'POST']) saw(await rawRequest(method, broker.url, path, headers, '{}'));
    }
    const latin1 = Buffer.from(canary.slice(0, 200)).toString('latin1');
    for (const name of ['content-type', 'accept', 'expect', 'cookie']) {
      saw(await rawRequest('POST', broker.url, '/v1/tokens', { ...bearer(callerKey), [name]: latin1 }, '{}'));
    }
    for (const authorization of [`Bearer ${encoded}`, `Basic ${encoded}`, `Bearer x ${encoded}`, encoded]) {
      saw(await callJson('POST', `${broker.url}/v1/tokens`, {}, { authorization }));
      saw(await callForm(`${broker.url}/connect/token`, { grant_type: 'client_credentials' }, { authorization }));
    }
  }
  expect(watch.count - before).toBeGreaterThan(1_000);
}, 60_000);

it('none of them stands in any answer, in the output, or in any file', async () => {
  expect(await broker.process.stop()).toBe(0);
  expect([...watch.statuses]).toEqual(expect.arrayContaining([200, 201, 400, 401, 404, 415, 422, 502, 503]));
  expect(watch.statuses.has(500)).toBe(false);
  expect(watch.told()).toEqual([]);
  expect(canaries.in(broker.process.output())).toEqual([]);
  expect(canaries.inFiles(folder)).toEqual([]);
  expect(broker.process.output()).not.toContain('internal_error');
});
