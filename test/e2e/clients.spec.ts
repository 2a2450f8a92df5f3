import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';

const vat = 'DK12345678';
let sandbox: RunningSandbox;
let broker: RunningBroker;
let key: string;
let made = 0;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0' });
  key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
});
afterEach(() => sandbox.clearFaults());

type Headers = Record<string, string>;
const send = (method: string, path: string, body?: unknown, headers: Headers = {}) =>
  body === undefined
    ? call(method, `${broker.url}${path}`, { headers: { ...bearer(broker.adminKey), ...headers } })
    : callJson(method, `${broker.url}${path}`, body, { ...bearer(broker.adminKey), ...headers });

const aSecret = () => randomBytes(12).toString('base64');

/** A client as it is sent; the sandbox knows it. */
async function aBody(name: string, secret = aSecret()) {
  await sandbox.register(`${name}-id`, secret);
  return { environment: 'sandbox', client_id: `${name}-id`, client_secret: secret };
}

async function aClient(secret = aSecret()): Promise<string> {
  const name = `client-${(made += 1)}`;
  const { status } = await send('PUT', `/v1/clients/${name}`, await aBody(name, secret));
  expect(status).toBe(201);
  return name;
}

describe('a client', () => {
  it('is created, shown, replaced and deleted; its secret comes out nowhere', async () => {
    const secret = aSecret();
    const body = { ...(await aBody('whole', secret)), extra_headers: { 'x-ibm-client-id': 'old' } };
    const created = await send('PUT', '/v1/clients/whole', body);
    expect(created.status).toBe(201);
    expect(created.headers.get('etag')).toMatch(/^"\d+"$/);
    expect(created.json).toMatchObject({
      name: 'whole',
      environment: 'sandbox',
      client_id: 'whole-id',
      secrets: [{ fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/), in_use: true }],
      extra_headers: ['x-ibm-client-id'],
      basic_encoding: 'plain',
      enabled: true,
    });
    const shown = await send('GET', '/v1/clients/whole');
    expect(shown.json).toEqual(created.json);
    const replaced = await send('PUT', '/v1/clients/whole', await aBody('whole'));
    expect(replaced.status).toBe(200);
    expect(replaced.json['extra_headers']).toEqual([]);
    expect(replaced.json['generation']).toBeGreaterThan(Number(created.json['generation']));
    for (const { text } of [created, shown, replaced, await send('GET', '/v1/clients')])
      expect(text).not.toContain(secret);
    expect((await send('DELETE', '/v1/clients/whole')).status).toBe(204);
    expect((await send('GET', '/v1/clients/whole')).json['code']).toBe('not_found');
    expect((await send('DELETE', '/v1/clients/whole')).json['code']).toBe('not_found');
  });

  it('that is switched off, or deleted, gives no token from that moment on', async () => {
    const name = await aClient();
    expect((await broker.token(key, { client: name })).status).toBe(200);
    expect((await send('PATCH', `/v1/clients/${name}`, { enabled: false })).json['enabled']).toBe(false);
    expect((await broker.token(key, { client: name })).json['code']).toBe('client_disabled');
    await send('PATCH', `/v1/clients/${name}`, { enabled: true });
    expect((await broker.token(key, { client: name })).status).toBe(200);
    expect(await sandbox.calls(`${name}-id`)).toBe(2);
    await send('DELETE', `/v1/clients/${name}`);
    expect((await broker.token(key, { client: name })).status).toBe(404);
  });

  it.each([
    ['If-Match', '"7"', 412, 'precondition_failed'],
    ['If-Match', 'its ETag', 200, undefined],
    ['If-Match', '*', 200, undefined],
    ['If-None-Match', '*', 412, 'precondition_failed'],
    ['If-Match', 'W/"1"', 400, 'invalid_request'],
    ['If-Match', '1', 400, 'invalid_request'],
    ['If-None-Match', '"1"', 400, 'invalid_request'],
  ])('with %s: %s is changed or not: %d', async (header, value, status, code) => {
    const name = await aClient();
    const etag = (await send('GET', `/v1/clients/${name}`)).headers.get('etag');
    const sent = value === 'its ETag' ? String(etag) : value;
    const answer = await send('PUT', `/v1/clients/${name}`, await aBody(name), { [header]: sent });
    expect([answer.status, answer.json['code']]).toEqual([status, code]);
  });

  it('that two operators change at once is changed by one of them', async () => {
    const name = await aClient();
    const headers = { 'If-Match': String((await send('GET', `/v1/clients/${name}`)).headers.get('etag')) };
    const answers = await Promise.all(
      [true, false, true, false].map((enabled, i) =>
        i % 2
          ? send('PATCH', `/v1/clients/${name}`, { enabled }, headers)
          : send('POST', `/v1/clients/${name}/secrets`, { client_secret: aSecret() }, headers),
      ),
    );
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(3);
  });
});

describe('two live secrets', () => {
  it('bring every token through a rotation, whenever MobilePay makes it', async () => {
    const [old, next] = [aSecret(), aSecret()];
    const name = await aClient(old);
    expect((await broker.token(key, { client: name, merchant_vat: vat })).status).toBe(200);
    const added = await send('POST', `/v1/clients/${name}/secrets`, { client_secret: next });
    expect(added.status).toBe(201);
    // MobilePay still knows the old one alone.
    expect((await broker.token(key, { client: name, merchant_vat: 'DK00000001' })).status).toBe(200);
    const inUse = () =>
      eventually(async () => {
        const { json } = await send('GET', `/v1/clients/${name}`);
        const secrets = json['secrets'] as { in_use: boolean; accepted_at?: string; rejected_at?: string }[];
        return secrets.some(({ rejected_at }) => rejected_at !== undefined) ? secrets : undefined;
      });
    expect(await inUse()).toMatchObject([{ in_use: false }, { in_use: true }]);
    // Tokens that live are not fetched anew.
    expect((await broker.token(key, { client: name, merchant_vat: vat })).status).toBe(200);
    await sandbox.register(`${name}-id`, next);
    expect((await broker.token(key, { client: name, merchant_vat: 'DK00000002' })).status).toBe(200);
    await eventually(async () => (await inUse())[0]?.in_use || undefined);
    expect(await inUse()).toMatchObject([{ accepted_at: expect.any(String) }, { rejected_at: expect.any(String) }]);
  });

  it.each([
    ['is down', { kind: 'status', status: 503 }],
    ['does not answer in time', { kind: 'hang' }],
    ['cuts the connection', { kind: 'reset' }],
  ])('are not confused by an upstream that %s', async (_, fault) => {
    const name = await aClient();
    await send('POST', `/v1/clients/${name}/secrets`, { client_secret: aSecret() });
    await sandbox.fault({ ...fault, client_id: `${name}-id` });
    expect((await broker.token(key, { client: name })).json['code']).toBe('upstream_unavailable');
    expect(await sandbox.calls(`${name}-id`)).toBe(1);
  });

  it('are retired by fingerprint; the last that is known to work only by force', async () => {
    const [old, next] = [aSecret(), aSecret()];
    const name = await aClient(old);
    await send('POST', `/v1/clients/${name}/secrets`, { client_secret: next });
    const fingerprints = async () =>
      ((await send('GET', `/v1/clients/${name}`)).json['secrets'] as { fingerprint: string }[]).map(
        (s) => s.fingerprint,
      );
    const [ofNext, ofOld] = await fingerprints();
    const refused = await send('DELETE', `/v1/clients/${name}/secrets/${ofOld}`);
    expect([refused.status, refused.json['code']]).toEqual([409, 'conflict']);
    await sandbox.register(`${name}-id`, next);
    expect((await send('POST', `/v1/clients/${name}/test`, {})).json).toMatchObject({ accepted: true });
    expect((await send('DELETE', `/v1/clients/${name}/secrets/${ofOld}`)).status).toBe(200);
    expect(await fingerprints()).toEqual([ofNext]);
    expect((await send('DELETE', `/v1/clients/${name}/secrets/${ofNext}?force=true`)).status).toBe(409);
    expect((await send('DELETE', `/v1/clients/${name}/secrets/0000000000000000`)).status).toBe(404);
  });

  it('are two at the most, and different', async () => {
    const secret = aSecret();
    const name = await aClient(secret);
    const add = (client_secret: string) => send('POST', `/v1/clients/${name}/secrets`, { client_secret });
    expect((await add(secret)).status).toBe(409);
    expect((await add(aSecret())).status).toBe(201);
    expect((await add(aSecret())).status).toBe(409);
  });

  it('that came in time let tokens flow again at once after a refusal', async () => {
    const name = await aClient();
    const next = aSecret();
    await sandbox.register(`${name}-id`, next);
    expect((await broker.token(key, { client: name })).json['code']).toBe('credentials_rejected');
    await send('POST', `/v1/clients/${name}/secrets`, { client_secret: next });
    expect((await broker.token(key, { client: name })).status).toBe(200);
  });
});

describe('a test of a client', () => {
  it('makes one grant with each secret, shows what it found, and touches no cached token', async () => {
    const name = await aClient();
    const before = (await broker.token(key, { client: name, merchant_vat: vat })).json['token_id'];
    const { status, json, text } = await send('POST', `/v1/clients/${name}/test`, { merchant_vat: vat });
    expect(status).toBe(200);
    expect(json).toMatchObject({
      accepted: true,
      secrets: [{ accepted: true, took_ms: expect.any(Number), expires_in: 3_700, claims: { merchant_vat: vat } }],
    });
    expect(text).not.toMatch(/eyJ/);
    expect((await broker.token(key, { client: name, merchant_vat: vat })).json['token_id']).toBe(before);
    expect(await sandbox.calls(`${name}-id`)).toBe(2);
  });

  it('that fails says how, and one that passes ends the cooling', async () => {
    const secret = aSecret();
    const name = await aClient(secret);
    await sandbox.register(`${name}-id`, 'changed by MobilePay');
    expect((await broker.token(key, { client: name })).json['code']).toBe('credentials_rejected');
    expect((await send('POST', `/v1/clients/${name}/test`, {})).json).toMatchObject({
      accepted: false,
      secrets: [{ accepted: false, code: 'credentials_rejected' }],
    });
    await sandbox.register(`${name}-id`, secret);
    expect((await send('POST', `/v1/clients/${name}/test`, {})).json).toMatchObject({ accepted: true });
    expect((await broker.token(key, { client: name })).status).toBe(200);
  });
});

describe('an import', () => {
  const zip = (id: string, secret: string) => lockedZip({ client_id: id, client_secret: secret }, 'locked');

  it('dry, says what would happen, and does nothing', async () => {
    const name = await aClient();
    const archive = await zip(`${name}-id`, aSecret());
    const etag = async () => (await send('GET', `/v1/clients/${name}`)).headers.get('etag');
    const before = await etag();
    const { json } = await broker.import(archive, { password: 'locked', name, dry_run: 'true' });
    expect(json).toMatchObject({ stored: false, items: [{ name, effect: 'secret_added' }] });
    expect(await etag()).toBe(before);
  });

  it('tested first, stores nothing that MobilePay refuses', async () => {
    const archive = await zip('unknown-to-mobilepay', aSecret());
    const fields = { password: 'locked', name: 'untested', test: 'true' };
    expect((await broker.import(archive, fields)).json['code']).toBe('credentials_rejected');
    expect((await send('GET', '/v1/clients/untested')).status).toBe(404);
  });

  it('of a new secret lets the old one live on until MobilePay drops it', async () => {
    const [old, next] = [aSecret(), aSecret()];
    const name = await aClient(old);
    const generation = (await send('GET', `/v1/clients/${name}`)).json['generation'];
    const { json } = await broker.import(await zip(`${name}-id`, next), { password: 'locked', name });
    expect(json).toMatchObject({ stored: true, items: [{ generation, secrets: [{}, {}] }] });
    expect((await broker.token(key, { client: name })).status).toBe(200);
  });
});

describe('callers', () => {
  it('are listed, changed in part and deleted, and their keys revoked', async () => {
    const own = await broker.addCaller('till', ['token'], [{ client: '*', merchants: ['*'] }]);
    expect((await send('PATCH', '/v1/callers/till', { roles: ['token', 'ops'] })).json).toMatchObject({
      roles: ['token', 'ops'],
      grants: [{ client: '*', merchants: ['*'], unrestricted: false }],
    });
    const { json, text } = await send('GET', '/v1/callers/till');
    const [{ id }] = json['keys'] as [{ id: string }];
    expect(text).not.toContain(own);
    expect((await send('GET', '/v1/callers')).json['items']).toContainEqual(expect.objectContaining({ name: 'till' }));
    const state = () => call('GET', `${broker.url}/v1/tokens`, { headers: bearer(own) });
    expect((await state()).status).toBe(200);
    expect((await send('DELETE', `/v1/callers/till/keys/${id}`)).status).toBe(204);
    expect((await state()).status).toBe(401);
    expect((await send('DELETE', '/v1/callers/till')).status).toBe(204);
    expect((await send('GET', '/v1/callers/till')).status).toBe(404);
  });
});

describe('the vault as a whole', () => {
  const settings = (VAULT_KEYS: string, path: string) => ({
    VAULT_KEYS,
    VAULT_PATH: path,
    ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
  });
  const as = (of: RunningBroker, method: string, path: string, body?: FormData) =>
    call(method, `${of.url}${path}`, { headers: bearer(of.adminKey), ...(body && { body }) });

  it('is sealed anew under a new master key while it serves, and then needs the old one no more', async () => {
    const [old, next] = [KeyRing.generate('old'), KeyRing.generate('next')];
    const path = join(aFolder(), 'vault.json');
    const first = await RunningBroker.start(sandbox, settings(old, path));
    for (const name of ['a', 'b', 'c']) await first.addClient(name);
    await first.process.stop();
    const second = await RunningBroker.start(sandbox, settings(`${next},${old}`, path));
    expect((await as(second, 'POST', '/v1/vault/rekey')).json).toEqual({ resealed: 3, left: 0, locked: [] });
    expect((await as(second, 'POST', '/v1/vault/rekey')).json).toEqual({ resealed: 0, left: 0, locked: [] });
    await second.process.stop();
    const third = await RunningBroker.start(sandbox, settings(next, path));
    expect((await as(third, 'GET', '/v1/clients')).json['items']).toHaveLength(3);
  }, 20_000);

  it('serves on without the records whose key is missing, and names them', async () => {
    const [old, next] = [KeyRing.generate('old'), KeyRing.generate('next')];
    const path = join(aFolder(), 'vault.json');
    const first = await RunningBroker.start(sandbox, settings(old, path));
    await first.addClient('locked-up');
    await first.process.stop();
    const second = await RunningBroker.start(sandbox, settings(`${next},${old}`, path));
    await second.addClient('open');
    await second.process.stop();
    const third = await RunningBroker.start(sandbox, settings(next, path));
    expect((await as(third, 'GET', '/v1/clients')).json).toMatchObject({
      items: [{ name: 'open' }],
      locked: ['locked-up'],
    });
    const logged = /"event":"record_locked","record":"client\/locked-up"/;
    expect(await eventually(() => logged.exec(third.process.output()) ?? undefined)).toHaveLength(1);
  }, 20_000);

  it('goes into a backup and comes back elsewhere; what is no backup changes nothing', async () => {
    const keys = KeyRing.generate('shared');
    const first = await RunningBroker.start(sandbox, settings(keys, join(aFolder(), 'vault.json')));
    await first.addClient('kept');
    const shop = await first.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
    const backup = await as(first, 'GET', '/v1/vault/backup');
    expect([backup.headers.get('content-type'), backup.headers.get('cache-control')]).toEqual([
      'application/jose',
      'no-store',
    ]);
    const other = await RunningBroker.start(sandbox, settings(keys, join(aFolder(), 'vault.json')));
    await other.addClient('gone');
    const form = (text: string) => {
      const data = new FormData();
      data.set('backup', new Blob([text]), 'vault.jwe');
      return data;
    };
    for (const wrong of ['', 'nonsense', `${backup.text.slice(0, -3)}AAA`]) {
      expect((await as(other, 'POST', '/v1/vault/restore', form(wrong))).status).toBe(400);
    }
    expect((await as(other, 'POST', '/v1/vault/restore')).status).toBe(400);
    expect((await as(other, 'GET', '/v1/clients')).json['items']).toMatchObject([{ name: 'gone' }]);
    expect((await as(other, 'POST', '/v1/vault/restore', form(backup.text))).json).toEqual({ clients: 1, callers: 1 });
    expect((await as(other, 'GET', '/v1/clients')).json['items']).toMatchObject([{ name: 'kept' }]);
    expect((await other.token(shop, { client: 'kept', merchant_vat: vat })).status).toBe(200);
  }, 20_000);
});
