import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { KeyRing, MemoryVaultStore, Secret, Vault } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { type Answer, basic, bearer, call, callJson } from '../support/http.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, anAsciiCanary, SecretWatch } from '../support/secret-watch.js';

const secret = aCanary('secret');
const next = aCanary('next');
const headerValue = anAsciiCanary('header');
const adminKey = anAsciiCanary('admin');
const [oldMaster, newMaster] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
const watch = new SecretWatch({ secret, next, headerValue, adminKey, oldMaster, newMaster });
/** No secret: it is there to be found. */
const clientId = aCanary('id');
const whole = {
  environment: 'sandbox',
  client_id: clientId,
  client_secret: secret,
  extra_headers: { 'x-key': headerValue },
};
const merchant_vat = 'DK12345678';

const folder = aFolder();
let sandbox: RunningSandbox;
let broker: RunningBroker;
let callerKey: string;
let backup: string;

type Headers = Record<string, string>;
const unseen = (method: string, path: string, body?: unknown, headers: Headers = {}): Promise<Answer> => {
  const all = { ...bearer(adminKey), ...headers };
  return body === undefined
    ? call(method, `${broker.url}${path}`, { headers: all })
    : callJson(method, `${broker.url}${path}`, body, all);
};
const send = async (...request: Parameters<typeof unseen>) => watch.saw(await unseen(...request));
const restore = async (name: string, file: string, fileName = 'vault.jwe') => {
  const body = new FormData();
  body.set(name, new Blob([file]), fileName);
  return watch.saw(await call('POST', `${broker.url}/v1/vault/restore`, { headers: bearer(adminKey), body }));
};
const token = async (client: string) =>
  watch.saw(await broker.token(callerKey, { client, merchant_vat }), 'access_token');

beforeAll(async () => {
  for (const each of [secret, next]) watch.canaries.add('Basic header', basic(clientId, each)['authorization']!);
  sandbox = await RunningSandbox.start();
  await sandbox.register(clientId, secret);
  const settings = {
    ADMIN_KEY: adminKey,
    LOG_LEVEL: 'trace',
    UPSTREAM_RETRIES: '0',
    UPSTREAM_TIMEOUT_MS: '300',
  };
  broker = await RunningBroker.start(sandbox, { ...settings, VAULT_KEYS: `old:${oldMaster}` }, folder);
  const grants = [{ client: '*', merchants: ['*'], unrestricted: true }];
  await send('PUT', '/v1/callers/shop', { roles: ['token'], grants });
  callerKey = String(watch.saw(await unseen('POST', '/v1/callers/shop/keys', {}), 'key').json['key']);
  await broker.process.stop();
  broker = await RunningBroker.start(sandbox, { ...settings, VAULT_KEYS: `new:${newMaster},old:${oldMaster}` }, folder);
}, 20_000);

it('the vault is sealed anew under the newer master key', async () => {
  expect((await send('POST', '/v1/vault/rekey')).json).toMatchObject({ resealed: 1, left: 0 });
});

it.each<[string, string, number, unknown?, Headers?]>([
  ['PUT', '/v1/clients/acme', 201, whole],
  ['PUT', '/v1/clients/acme', 200, { ...whole, basic_encoding: 'form' }],
  ['PUT', '/v1/clients/acme', 412, whole, { 'if-match': '"1"' }],
  ['GET', '/v1/clients', 200],
  ['GET', '/v1/clients/acme', 200],
  ['PATCH', '/v1/clients/acme', 200, { enabled: false }],
  ['PATCH', '/v1/clients/acme', 200, { enabled: true }],
  ['POST', '/v1/clients/acme/test', 200, {}],
  ['POST', '/v1/clients/acme/test', 200, { merchant_vat }],
  ['PUT', '/v1/clients/gone', 201, whole],
  ['DELETE', '/v1/clients/gone', 204],
  ['DELETE', '/v1/clients/gone', 404],
  ['PUT', '/v1/callers/gone', 201, { roles: ['ops'] }],
  ['GET', '/v1/callers', 200],
  ['GET', '/v1/callers/shop', 200],
  ['PATCH', '/v1/callers/shop', 200, { roles: ['token'] }],
  ['DELETE', '/v1/callers/gone', 204],
  ['GET', '/v1/tokens?limit=1', 200],
  ['GET', `/v1/tokens/explain?client=acme&merchant_vat=${merchant_vat}`, 200],
  ['GET', '/metrics', 200],
  ['GET', '/health/ready', 200],
  ['GET', '/v1/vault/backup', 200],
])('%s %s answers %d', async (method, path, status, ...sent) => {
  expect((await send(method, path, ...sent)).status).toBe(status);
});

it('GET /health shows each part', async () => {
  expect((await unseen('GET', '/health')).status).toBe(200);
});

it('a second secret comes, is tested and retired', async () => {
  const path = '/v1/clients/acme/secrets';
  expect((await send('POST', path, { client_secret: next })).status).toBe(201);
  expect((await send('POST', path, { client_secret: next })).status).toBe(409);
  const { json } = await send('POST', '/v1/clients/acme/test', {});
  expect(json).toMatchObject({ secrets: [{ accepted: false }, { accepted: true }] });
  expect((await send('DELETE', `${path}/${new Secret(secret).fingerprint}`)).status).toBe(409);
  expect((await send('DELETE', `${path}/${new Secret(next).fingerprint}`)).status).toBe(200);
});

it('a key is made, used and revoked', async () => {
  const { json } = watch.saw(await unseen('POST', '/v1/callers/shop/keys', { expires_in: 60 }), 'key');
  watch.saw(await broker.token(String(json['key']), { client: 'acme', merchant_vat }), 'access_token');
  expect((await send('DELETE', `/v1/callers/shop/keys/${String(json['id'])}`)).status).toBe(204);
  expect(watch.saw(await broker.token(String(json['key']), { client: 'acme' })).status).toBe(401);
});

it.each<[string, object, string | undefined]>([
  ['refuses with the secret for a reason', { kind: 'error', error: secret }, 'merchant_rejected'],
  ['repeats the secret in a refusal', { kind: 'status', status: 400, body: secret }, 'merchant_rejected'],
  ['repeats the secret while it is down', { kind: 'status', status: 500, body: secret }, 'upstream_unavailable'],
  ['repeats it in a header', { kind: 'status', status: 503, retry_after: headerValue }, 'upstream_unavailable'],
  ['answers other JSON', { kind: 'wrong_json', body: JSON.stringify({ access_token: [secret] }) }, 'upstream_invalid'],
  ['answers broken JSON', { kind: 'wrong_json', body: `{"access_token":"${secret}` }, 'upstream_invalid'],
  ['answers the secret', { kind: 'wrong_json', body: JSON.stringify({ access_token: secret }) }, 'upstream_invalid'],
  ['binds the token to the secret', { kind: 'wrong_vat', claim: secret }, 'upstream_invalid'],
  ['gives the secret for a life', { kind: 'expires_in', value: secret }, 'upstream_invalid'],
  ['hangs', { kind: 'hang' }, 'upstream_unavailable'],
  ['gives an opaque token', { kind: 'opaque' }, undefined],
])('a client is tested and its key shown while MobilePay %s', async (_, fault, code) => {
  const name = `client-${watch.count}`;
  await sandbox.register(`${name}-id`, secret);
  await send('PUT', `/v1/clients/${name}`, { ...whole, client_id: `${name}-id` });
  await sandbox.fault({ ...fault, client_id: `${name}-id` });
  const { json } = await send('POST', `/v1/clients/${name}/test`, { merchant_vat });
  expect(json).toMatchObject({ accepted: code === undefined, secrets: [code === undefined ? {} : { code }] });
  await token(name);
  const state = code === undefined ? 'fresh' : 'failing';
  expect((await send('GET', `/v1/tokens?client=${name}`)).json).toMatchObject({ items: [{ state }] });
  const explained = await send('GET', `/v1/tokens/explain?client=${name}&merchant_vat=${merchant_vat}`);
  expect(explained.json).toMatchObject({ next_answer: { from: code === undefined ? 'memory' : 'refusal' } });
});

it('the vault is restored; what is no backup of ours is refused', async () => {
  expect((await token('acme')).status).toBe(200);
  backup = (await send('GET', '/v1/vault/backup')).text;
  const ring = KeyRing.parse(KeyRing.generate('foreign'));
  const foreign = await (await Vault.open(new MemoryVaultStore(), ring, Date.now)).backup();
  for (const wrong of [foreign, backup.slice(0, -9), backup.replace(/.{9}$/, 'AAAAAAAAA'), secret, newMaster, '']) {
    expect((await restore('backup', wrong)).status).toBe(400);
  }
  expect((await restore('backup', backup)).json).toMatchObject({ callers: 1 });
});

/** What a person or a script may have put in the wrong place. */
const misplaced = () => [secret, headerValue, adminKey, callerKey, newMaster];
const bodyRoutes = [
  ['PUT', '/v1/clients/other'],
  ['PATCH', '/v1/clients/acme'],
  ['DELETE', '/v1/clients/nobody'],
  ['POST', '/v1/clients/acme/secrets'],
  ['POST', '/v1/clients/acme/test'],
  ['PATCH', '/v1/callers/shop'],
  ['DELETE', '/v1/callers/nobody'],
  ['POST', '/v1/vault/rekey'],
  ['POST', '/v1/vault/restore'],
] as const;
const retired = '/v1/clients/acme/secrets/0000000000000000';
const queried = ['/v1/tokens', '/v1/tokens/explain', '/v1/clients', '/v1/vault/backup', '/metrics', '/health'];

describe('secrets are sent', () => {
  it.each(bodyRoutes)('in every field of %s %s', async (method, path) => {
    const before = watch.count;
    for (const canary of misplaced()) {
      const bodies: unknown[] = [canary, [canary], `{"client_secret":"${canary}`, { [canary]: 1 }];
      const fields = ['environment', 'client_secret', 'extra_headers', 'basic_encoding', 'enabled', 'roles', 'grants'];
      for (const field of [...fields, 'merchant_vat', 'x', canary]) {
        for (const value of [canary, [canary], { [canary]: canary }, { x: `${canary}ü` }]) {
          bodies.push({ [field]: value }, { ...whole, [field]: value });
        }
      }
      // The colon keeps it from being stored: a client id may be seen.
      bodies.push({ ...whole, client_id: `${canary}:` }, { ...whole, client_secret: `${canary}\n` });
      for (const field of ['client', 'merchants', 'unrestricted', canary]) {
        bodies.push({ grants: [{ client: 'acme', merchants: ['*'], [field]: canary }] });
      }
      for (const body of bodies) await send(method, path, body);
    }
    expect(watch.told(before)).toEqual([]);
  });

  it.each([
    '/v1/clients/{}',
    '/v1/clients/{}/secrets',
    '/v1/clients/{}/secrets/{}',
    '/v1/clients/{}/test',
    '/v1/callers/{}',
    '/v1/callers/{}/keys/{}',
    '/v1/vault/{}',
    '/v1/tokens/{}',
    '/health/{}',
    '/{}',
  ])('in the path %s', async (path) => {
    const before = watch.count;
    for (const canary of misplaced()) {
      const filled = path.replaceAll('{}', encodeURIComponent(canary));
      for (const method of ['PUT', 'POST', 'PATCH']) await send(method, filled, whole);
      for (const method of ['GET', 'DELETE']) await send(method, filled);
    }
    expect(watch.told(before)).toEqual([]);
  });

  it.each(['/v1/clients/acme/secrets', '/v1/callers/shop/keys'])('behind DELETE %s', async (path) => {
    for (const canary of misplaced()) {
      const { text } = await unseen('DELETE', `${path}/${encodeURIComponent(canary)}`);
      expect(watch.canaries.in(text)).toEqual([]);
    }
  });

  it.each([...queried, retired])('in the query of %s', async (path) => {
    const method = path === retired ? 'DELETE' : 'GET';
    const before = watch.count;
    for (const canary of misplaced().map(encodeURIComponent)) {
      for (const field of ['client', 'merchant_vat', 'state', 'limit', 'cursor', 'force', 'x', canary]) {
        await send(method, `${path}?${field}=${canary}`);
        await send(method, `${path}?client=acme&${field}=${canary}&${field}=${canary}`);
      }
    }
    expect(watch.told(before)).toEqual([]);
  });

  it.each([
    ['PATCH', '/v1/clients/acme', '{"enabled":true}'],
    ['DELETE', '/v1/callers/nobody', ''],
    ['POST', '/v1/vault/restore', '{}'],
    ['GET', '/v1/tokens', ''],
    ['GET', '/metrics', ''],
  ])('in every header of %s %s', async (method, path, body) => {
    const before = watch.count;
    const type = { 'content-type': 'application/json' };
    for (const canary of misplaced()) {
      const latin1 = Buffer.from(canary).toString('latin1');
      for (const name of ['if-match', 'if-none-match', 'content-type', 'accept', 'expect', 'cookie', 'x-key']) {
        for (const value of [latin1, `"${latin1}"`]) {
          const headers = { ...bearer(adminKey), ...(body && type), [name]: value };
          watch.saw(await rawRequest(method, broker.url, path, headers, body));
        }
      }
      await send(method, path, undefined, { authorization: `Bearer ${encodeURIComponent(canary)}` });
    }
    expect(watch.told(before)).toEqual([]);
  });

  it('as a backup, its name, its field and its file', async () => {
    const before = watch.count;
    for (const canary of misplaced()) {
      for (const file of [canary, `${canary}.${canary}..${canary}.`, backup.replace(/^[^.]*/, canary)]) {
        await restore('backup', file, canary);
        await restore(canary, file);
      }
    }
    expect(watch.told(before)).toEqual([]);
  });
});

describe('the search', () => {
  const shown = new SecretWatch({ clientId });

  it('finds what was shown on purpose, in the same answers', () => {
    expect(shown.canaries.in(watch.heard)).not.toEqual([]);
    expect(watch.count).toBeGreaterThan(5_000);
  });

  it('finds what is planted, in the same files', () => {
    const planted = join(folder, 'data/planted');
    writeFileSync(planted, `x${headerValue}x`);
    expect(watch.canaries.inFiles(folder)).toContain(`${planted}: headerValue, plain`);
    rmSync(planted);
    expect(readFileSync(join(folder, 'data/vault.json'), 'utf8')).toContain('client/acme');
  });
});

it('none of them stands in any answer, in the output, or in any file', async () => {
  expect(await broker.process.stop()).toBe(0);
  expect(watch.statuses).toEqual(new Set([200, 201, 204, 400, 401, 403, 404, 409, 412, 415, 417, 422, 502, 503]));
  expect(watch.told()).toEqual([]);
  expect(watch.heard).not.toMatch(/eyJ[\w-]+\.eyJ/);
  expect(watch.canaries.in(broker.process.output())).toEqual([]);
  expect(watch.canaries.inFiles(folder)).toEqual([]);
  expect(broker.process.output()).not.toContain('internal_error');
});
