import { createHash, randomBytes } from 'node:crypto';

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import { RunningBroker } from '../support/broker.js';
import { EventStream } from '../support/event-stream.js';
import { type Answer, basic, bearer, call, callForm, callJson } from '../support/http.js';
import { Described, openApi } from '../support/openapi/described.js';
import { NOT_DESCRIBED } from '../support/openapi/document.js';
import { eventually } from '../support/processes.js';
import { allRoutes } from '../support/routes.js';
import { RunningSandbox } from '../support/sandbox.js';
import { cookie, FROM_THE_PAGE, sessionOf } from '../support/session.js';

const client = { environment: 'sandbox', client_id: 'acme-id', client_secret: 'one', extra_headers: { 'x-shop': '1' } };
const merchant_vat = 'DK12345678';
const described = new Described();
let broker: RunningBroker;
let shop: string;

beforeAll(async () => {
  const sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { SHUTDOWN_DELAY_MS: '20000' });
  await sandbox.register('acme-id', 'one');
  await admin('PUT', '/v1/clients/{name}', { name: 'acme' }, client);
  await admin('PUT', '/v1/callers/{name}', { name: 'shop' }, { roles: ['token'], grants: [{ client: 'nobody' }] });
  const grants = [{ client: 'ac*', merchants: ['*'], unrestricted: true }];
  await admin(
    'PUT',
    '/v1/callers/{name}',
    { name: 'shop' },
    { roles: ['token'], grants, certificate_names: ['dns:a'] },
  );
  const made = await admin('POST', '/v1/callers/{name}/keys', { name: 'shop' }, { expires_in: 600 });
  shop = String(made.json['key']);
});

/** What an admin asks, answered as the document says. */
async function admin(method: string, path: string, at: Record<string, string> = {}, body?: object): Promise<Answer> {
  const [place, query = ''] = path.split('?');
  const url = `${place!.replaceAll(/\{(\w+)\}/g, (_, name: string) => at[name]!)}${query && `?${query}`}`;
  return described.check(method, place!, await broker.admin(method, url, body));
}

const token = async (body: object) =>
  described.check('POST', '/v1/tokens', await callJson('POST', `${broker.url}/v1/tokens`, body, bearer(shop)));

async function oauth(path: string, form: Record<string, string>, key = shop): Promise<Answer> {
  const answer = await callForm(`${broker.url}${path}`, form, basic('acme', key));
  return described.check('POST', path, answer);
}

it('every route is described, but for the pages', async () => {
  const routes = (await allRoutes()).map(({ name }) => name.replaceAll(/:(\w+)/g, '{$1}'));
  const paths = Object.entries(openApi.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect([...paths, ...NOT_DESCRIBED].toSorted()).toEqual(routes.toSorted());
});

describe('what is answered is what the document says, and no more:', () => {
  it('tokens', async () => {
    expect((await token({ client: 'acme', merchant_vat })).status).toBe(200);
    const { json } = await token({ client: 'acme', min_validity: 60 });
    expect((await token({ client: 'other' })).status).toBe(403);
    expect((await token({})).status).toBe(400);
    const form = { grant_type: 'client_credentials', merchant_vat };
    expect((await oauth('/connect/token', form)).status).toBe(200);
    expect((await oauth('/integrator-authentication/connect/token', form)).status).toBe(200);
    expect((await oauth('/connect/token', {})).status).toBe(400);
    expect((await oauth('/connect/token', form, 'wrong')).status).toBe(401);
    const whole = { ...form, client_id: 'acme', client_secret: shop, scope: 'no-such-scope' };
    const shown = await callForm(`${broker.url}/connect/token`, whole);
    expect(described.check('POST', '/connect/token', shown).json).toMatchObject({ error: 'invalid_scope' });
    const path = '/v1/tokens/invalidate';
    const { token_id } = json;
    const answer = await callJson('POST', `${broker.url}${path}`, { client: 'acme', token_id }, bearer(shop));
    expect(described.check('POST', path, answer).json).toEqual({ invalidated: true });
  });

  it('what is known of tokens', async () => {
    const { json } = await admin('GET', '/v1/tokens?limit=1');
    expect(json).toMatchObject({ items: [{ client: 'acme' }], next_cursor: expect.any(String) });
    await admin('GET', `/v1/tokens/explain?client=acme&merchant_vat=${merchant_vat}`);
    await admin('GET', '/v1/tokens/explain?client=acme&merchant_vat=FI12345678');
    await broker.sandbox.fault({ kind: 'status', status: 503, merchant_vat: 'DK00000503', times: 9 });
    expect((await token({ client: 'acme', merchant_vat: 'DK00000503' })).status).toBe(503);
    await admin('GET', '/v1/tokens/explain?client=acme&merchant_vat=DK00000503');
    expect((await admin('GET', '/v1/tokens?state=failing')).json['items']).toHaveLength(2);
    expect((await admin('GET', '/v1/tokens?state=no')).status).toBe(400);
  });

  it('clients', async () => {
    const acme = { name: 'acme' };
    expect((await admin('PUT', '/v1/clients/{name}', acme, client)).status).toBe(200);
    await admin('GET', '/v1/clients');
    expect((await admin('GET', '/v1/clients/{name}', { name: 'nobody' })).status).toBe(404);
    await admin('PATCH', '/v1/clients/{name}', acme, { enabled: true });
    const { json } = await admin('POST', '/v1/clients/{name}/secrets', acme, { client_secret: 'two' });
    const tested = await admin('POST', '/v1/clients/{name}/test', acme, { merchant_vat });
    expect(tested.json).toMatchObject({ secrets: [{ accepted: false }, { accepted: true }] });
    await admin('GET', '/v1/clients/{name}', acme);
    const { fingerprint } = (json['secrets'] as { fingerprint: string; in_use: boolean }[]).find(
      (each) => !each.in_use,
    )!;
    await admin('DELETE', '/v1/clients/{name}/secrets/{fingerprint}?force=true', { ...acme, fingerprint });
  });

  it('what is changed only from a version that is expected, and what is not', async () => {
    const writes = Object.entries(openApi.paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
        path.includes('{name}') && method !== 'get' ? [{ path, method, parameters }] : [],
      ),
    );
    expect(writes.length).toBeGreaterThan(9);
    const bodies: Record<string, object> = {
      'put /v1/clients/{name}': client,
      'patch /v1/clients/{name}': { enabled: true },
      'post /v1/clients/{name}/secrets': { client_secret: 'three' },
      'put /v1/callers/{name}': { roles: ['ops'] },
      'patch /v1/callers/{name}': {},
    };
    for (const { path, method, parameters } of writes) {
      const filled = path.replace('{name}', 'acme').replace(/\{\w+\}/, 'no-such-one');
      const body = bodies[`${method} ${path}`] ?? (method === 'post' ? {} : undefined);
      const headers = { ...bearer(broker.adminKey), 'if-match': '"1"' };
      const answer = body
        ? await callJson(method.toUpperCase(), `${broker.url}${filled}`, body, headers)
        : await call(method.toUpperCase(), `${broker.url}${filled}`, { headers });
      described.check(method.toUpperCase(), path, answer);
      const isExpected = parameters.some(({ name }) => name === 'If-Match');
      expect([method, path, answer.status === 412]).toEqual([method, path, isExpected]);
    }
  });

  it('an import', async () => {
    const archive = await lockedZip({ client_id: 'zipped', client_secret: randomBytes(9).toString('hex') }, 'pw');
    const imported = async (fields: Record<string, string>) =>
      described.check('POST', '/v1/clients/import', await broker.import(archive, { password: 'pw', ...fields }));
    expect((await imported({ dry_run: 'true' })).status).toBe(200);
    expect((await imported({ test: 'true' })).status).toBe(502);
    expect((await imported({})).status).toBe(201);
    expect((await imported({})).status).toBe(200);
    expect((await imported({ password: 'no' })).status).toBe(400);
    expect((await admin('DELETE', '/v1/clients/{name}', { name: 'zipped' })).status).toBe(204);
  });

  it('callers', async () => {
    const name = 'till';
    const till = { name };
    await admin('PUT', '/v1/callers/{name}', till, { roles: ['token', 'ops'] });
    await admin('GET', '/v1/callers');
    await admin('GET', '/v1/callers/{name}', { name: 'shop' });
    await admin('GET', `/v1/callers/{name}/can?client=acme&merchant_vat=${merchant_vat}`, { name: 'shop' });
    await admin('GET', '/v1/callers/{name}/can?client=nobody', till);
    await admin('PATCH', '/v1/callers/{name}', till, { roles: ['ops'] });
    const { json } = await admin('POST', '/v1/callers/{name}/keys', till, {});
    await admin('DELETE', '/v1/callers/{name}/keys/{id}', { name, id: String(json['id']) });
    await admin('DELETE', '/v1/callers/{name}', till);
    expect((await admin('DELETE', '/v1/callers/{name}', till)).status).toBe(404);
  });

  it('the vault', async () => {
    await admin('POST', '/v1/vault/rekey');
    const backup = await admin('GET', '/v1/vault/backup');
    const form = new FormData();
    form.set('backup', new Blob([backup.text]));
    const url = `${broker.url}/v1/vault/restore`;
    const restored = await call('POST', url, { headers: bearer(broker.adminKey), body: form });
    expect(described.check('POST', '/v1/vault/restore', restored).json).toEqual({ clients: 1, callers: 1 });
  });

  it('a session', async () => {
    const path = '/dashboard/session';
    const signedIn = await callJson('POST', `${broker.url}${path}`, { key: broker.adminKey });
    described.check('POST', path, signedIn);
    const headers = { ...cookie(sessionOf(signedIn)!.value), ...FROM_THE_PAGE };
    described.check('GET', path, await call('GET', `${broker.url}${path}`, { headers }));
    described.check('DELETE', path, await call('DELETE', `${broker.url}${path}`, { headers }));
    expect(described.check('GET', path, await call('GET', `${broker.url}${path}`)).status).toBe(401);
  });

  it('the state of it all', async () => {
    await admin('GET', '/v1/status');
    await admin('GET', '/metrics');
    const stream = await EventStream.open(broker, broker.adminKey);
    const { status, headers } = stream.response;
    described.check('GET', '/v1/status/stream', { status, headers, text: '', json: {} });
    const { events } = (await admin('GET', '/v1/status')).json as { events: unknown[] };
    described.checkAs('StatusNow', await eventually(() => stream.now));
    described.checkAs('TimelineEvent', events[0]);
    const parts = ['/health', '/health/live', '/health/ready'] as const;
    for (const path of parts) await admin('GET', path);
    broker.process.child.kill('SIGTERM');
    await eventually(async () => (await admin('GET', '/health/ready')).status === 503 || undefined);
    expect((await Promise.all(parts.map((path) => admin('GET', path)))).map((each) => each.status)).toEqual([
      503, 200, 503,
    ]);
    await broker.process.stop('SIGKILL');
  });

  it('and all of it was seen', () => {
    expect(Described.all.filter((each) => !described.seen.has(each))).toEqual([]);
  });
});

describe('the page and the document', () => {
  let own: RunningBroker;
  beforeAll(async () => {
    own = await RunningBroker.start(await RunningSandbox.start());
  });

  it('are for everybody, and compressed', async () => {
    const document = await call('GET', `${own.url}/openapi.json`);
    expect([document.status, document.headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(document.headers.get('content-encoding')).toBe('gzip');
    expect(document.json).toEqual(openApi);
    // Behind a proxy's path prefix as well.
    expect(openApi.servers.map(({ url }) => new URL(url, 'https://host/prefix/openapi.json').href)).toEqual([
      'https://host/prefix/',
    ]);
    const page = await call('GET', `${own.url}/docs`);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    const etag = page.headers.get('etag')!;
    expect((await call('GET', `${own.url}/docs`, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('may do nothing: of styles, the page has its own alone', async () => {
    const { headers, text } = await call('GET', `${own.url}/docs`);
    const [, style = ''] = /<style>([^]*)<\/style>/.exec(text)!;
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'`,
    );
    expect(text).not.toMatch(/<script|<img|<link|style=|onclick|https?:/);
  });

  it('of the page, every link leads to a place in it, and every operation and schema has one', async () => {
    const { text } = await call('GET', `${own.url}/docs`);
    const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
    const links = [...text.matchAll(/href="([^"]+)"/g)].map(([, to]) => to!);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(links.filter((to) => !ids.includes(to.slice(1))))).toEqual(new Set(['openapi.json']));
    const operations = Object.values(openApi.paths).flatMap((methods) => Object.values(methods));
    expect(ids).toEqual(expect.arrayContaining(operations.map((each) => each.operationId)));
    expect(ids).toEqual(
      expect.arrayContaining(Object.keys(openApi.components.schemas).map((name) => `schema-${name}`)),
    );
  });
});
