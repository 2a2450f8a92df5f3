import { bearer, call } from '../support/http.js';
import { RunningBroker } from '../support/broker.js';
import { RunningSandbox } from '../support/sandbox.js';

const vat = 'DK12345678';
let sandbox: RunningSandbox;
let broker: RunningBroker;
let key: string;
let clients = 0;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0', UPSTREAM_TIMEOUT_MS: '500' });
  key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
});
afterEach(() => sandbox.clearFaults());

/** A client that no other test uses. */
async function aClient(): Promise<string> {
  const name = `client-${(clients += 1)}`;
  await broker.addClient(name);
  return name;
}

describe('a token', () => {
  it('is what MobilePay issued, bound to the merchant, and good for its calls', async () => {
    const client = await aClient();
    const { status, headers, json } = await broker.token(key, { client, merchant_vat: vat });
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(json).toEqual({
      access_token: expect.stringMatching(/^eyJ/),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      scope: 'integrator_scope',
      client,
      merchant_vat: vat,
      token_id: expect.stringMatching(/^[\w-]{16}$/),
    });
    expect(json['expires_in']).toBeGreaterThan(3_690);
    expect(json['expires_in']).toBeLessThanOrEqual(3_700);
    const leftMs = Date.parse(String(json['expires_at'])) - Date.now();
    expect(Math.abs(leftMs / 1000 - Number(json['expires_in']))).toBeLessThan(5);
    expect(await sandbox.pointOfSale('stores', String(json['access_token']))).toMatchObject({ status: 200 });
  });

  it('bound to no merchant names the header that each call must carry', async () => {
    const client = await aClient();
    const { json } = await broker.token(key, { client });
    expect(json).not.toHaveProperty('merchant_vat');
    const header = { [String(json['merchant_vat_header'])]: vat };
    expect(await sandbox.pointOfSale('stores', String(json['access_token']), header)).toMatchObject({ status: 200 });
  });

  it('is fetched once for 1000 callers at once, and stays the same for those who come later', async () => {
    const client = await aClient();
    await sandbox.fault({ kind: 'latency', latency_ms: 300, client_id: `${client}-id` });
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, () => broker.token(key, { client, merchant_vat: vat })),
    );
    answers.push(await broker.token(key, { client, merchant_vat: vat }));
    expect(new Set(answers.map(({ status, json }) => `${status} ${String(json['token_id'])}`)).size).toBe(1);
    expect(await sandbox.calls(`${client}-id`)).toBe(1);
  }, 30_000);

  it('of one merchant is not another’s', async () => {
    const client = await aClient();
    const ids = await Promise.all(
      [vat, 'FI12345678', undefined].map((each) => broker.token(key, { client, merchant_vat: each })),
    );
    expect(new Set(ids.map(({ json }) => json['token_id'])).size).toBe(3);
    expect(await sandbox.calls(`${client}-id`)).toBe(3);
  });

  it('has the life that was asked for, or the caller is told that there is none', async () => {
    const client = await aClient();
    await sandbox.fault({ kind: 'expires_in', value: 300, client_id: `${client}-id` });
    expect(await broker.token(key, { client, min_validity: 200 })).toMatchObject({ status: 200 });
    expect(await broker.token(key, { client, min_validity: 600 })).toMatchObject({
      status: 400,
      json: {
        code: 'invalid_request',
        errors: [{ field: 'min_validity', detail: expect.stringContaining('s of life') }],
      },
    });
    expect(await sandbox.calls(`${client}-id`)).toBe(1);
  });

  it('of replaced credentials is handed out no more', async () => {
    const client = await aClient();
    const before = await broker.token(key, { client });
    await broker.replaceClient(client, 'another-secret');
    const after = await broker.token(key, { client });
    expect(after.status).toBe(200);
    expect(after.json['token_id']).not.toBe(before.json['token_id']);
  });

  it('that MobilePay no longer accepts is replaced once, however many report it', async () => {
    const client = await aClient();
    const old = (await broker.token(key, { client, merchant_vat: vat })).json;
    await sandbox.revokeTokens();
    expect(await sandbox.pointOfSale('stores', String(old['access_token']))).toMatchObject({ status: 401 });
    const reports = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const which = i % 2 ? { token_id: old['token_id'] } : { access_token: old['access_token'] };
        return broker.invalidate(key, { client, merchant_vat: vat, ...which });
      }),
    );
    expect(reports.filter(({ json }) => json['invalidated'] === true)).toHaveLength(1);
    expect(reports.every(({ status }) => status === 200)).toBe(true);
    const { json } = await broker.token(key, { client, merchant_vat: vat });
    expect(await sandbox.pointOfSale('stores', String(json['access_token']))).toMatchObject({ status: 200 });
    expect(await sandbox.calls(`${client}-id`)).toBe(2);
  });
});

describe('when MobilePay', () => {
  it.each([
    ['does not know the client', { kind: 'error', status: 401 }, 502, 'credentials_rejected'],
    ['says invalid_client', { kind: 'error', error: 'invalid_client' }, 502, 'credentials_rejected'],
    ['refuses the merchant', { kind: 'error', error: 'invalid_request' }, 422, 'merchant_rejected'],
    ['is overloaded', { kind: 'status', status: 429, retry_after: 7 }, 503, 'upstream_unavailable'],
    ['is down', { kind: 'status', status: 503 }, 503, 'upstream_unavailable'],
    ['hangs', { kind: 'hang' }, 503, 'upstream_unavailable'],
    ['resets the connection', { kind: 'reset' }, 503, 'upstream_unavailable'],
    ['cuts its answer short', { kind: 'truncated' }, 503, 'upstream_unavailable'],
    ['answers HTML', { kind: 'html' }, 502, 'upstream_invalid'],
    ['answers other JSON', { kind: 'wrong_json' }, 502, 'upstream_invalid'],
    ['answers broken JSON', { kind: 'wrong_json', body: '{"access_token":"eyJ' }, 502, 'upstream_invalid'],
    ['redirects', { kind: 'status', status: 302 }, 502, 'upstream_invalid'],
    ['binds the token to another merchant', { kind: 'wrong_vat' }, 502, 'upstream_invalid'],
    ['gives a life of 0', { kind: 'expires_in', value: 0 }, 502, 'upstream_invalid'],
    ['gives a life of less than the margin', { kind: 'expires_in', value: 30 }, 502, 'upstream_invalid'],
    ['gives a life that is no number', { kind: 'expires_in', value: 'soon' }, 502, 'upstream_invalid'],
  ])('%s, the answer says so, and nobody calls again for a while', async (_, fault, status, code) => {
    const client = await aClient();
    await sandbox.fault({ ...fault, client_id: `${client}-id` });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => broker.token(key, { client, merchant_vat: vat })),
    );
    answers.push(await broker.token(key, { client, merchant_vat: vat }));
    for (const { status: each, headers, json } of answers) {
      expect(each).toBe(status);
      expect(headers.get('content-type')).toContain('application/problem+json');
      expect(json).toMatchObject({ code, status, title: expect.any(String), detail: expect.any(String) });
      expect(headers.get('retry-after')).toBe(String(json['retry_after']));
    }
    expect(await sandbox.calls(`${client}-id`)).toBe(1);
  });

  it('asks to wait, it is heeded for every merchant of the client', async () => {
    const client = await aClient();
    await sandbox.fault({ kind: 'status', status: 429, retry_after: 120, client_id: `${client}-id` });
    await broker.token(key, { client, merchant_vat: vat });
    const { headers } = await broker.token(key, { client, merchant_vat: 'FI12345678' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(100);
    expect(await sandbox.calls(`${client}-id`)).toBe(1);
  });

  it('refuses the credentials, no other merchant of the client is tried; new ones are tried at once', async () => {
    const client = await aClient();
    await sandbox.register(`${client}-id`, 'rotated-by-mobilepay');
    const codes = [vat, 'FI12345678', undefined].map(async (merchant_vat) => {
      return (await broker.token(key, { client, merchant_vat })).json['code'];
    });
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['credentials_rejected']));
    await broker.addClient(client, 'rotated-by-mobilepay');
    expect(await broker.token(key, { client, merchant_vat: vat })).toMatchObject({ status: 200 });
  });

  it.each([
    ['gives an opaque token', { kind: 'opaque' }],
    ['leaves expires_in out', { kind: 'expires_in' }],
    ['claims an absurd life', { kind: 'expires_in', value: 1e12 }],
    ['gives expires_in as a string', { kind: 'expires_in', value: '3700' }],
  ])('%s, the token is taken, for no longer than it can be trusted', async (_, fault) => {
    const client = await aClient();
    await sandbox.fault({ ...fault, client_id: `${client}-id` });
    const { status, json } = await broker.token(key, { client, merchant_vat: vat });
    expect(status).toBe(200);
    expect(json['expires_in']).toBeLessThanOrEqual(3_700);
  });
});

it('renews a token ahead of its expiry while callers go on getting the valid one', async () => {
  const short = await RunningSandbox.start({ SANDBOX_EXPIRES_IN: '4', SANDBOX_LATENCY_MS: '300' });
  const settings = { REFRESH_AT: '0.5', REFRESH_JITTER_SECONDS: '0', SAFETY_MARGIN_SECONDS: '1' };
  const other = await RunningBroker.start(short, settings);
  const shop = await other.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
  await other.addClient('acme');
  await other.token(shop, { client: 'acme', merchant_vat: vat });
  const seen = new Map<unknown, number>();
  let slowestMs = 0;
  for (const endMs = performance.now() + 6_000; performance.now() < endMs;) {
    const before = performance.now();
    const { status, json } = await other.token(shop, { client: 'acme', merchant_vat: vat });
    slowestMs = Math.max(slowestMs, performance.now() - before);
    expect(status).toBe(200);
    expect(json['expires_in']).toBeGreaterThanOrEqual(1);
    seen.set(json['token_id'], Number(json['expires_in']));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(seen.size).toBeGreaterThanOrEqual(3);
  expect(await short.calls('acme-id')).toBeLessThanOrEqual(seen.size + 1);
  // Nobody waited for one of the renewals, which take 300 ms each.
  expect(slowestMs).toBeLessThan(250);
}, 20_000);

it('liveness and readiness are open to everybody', async () => {
  expect(await call('GET', `${broker.url}/health/live`)).toMatchObject({ status: 200, json: { status: 'ok' } });
  expect(await call('GET', `${broker.url}/health/ready`)).toMatchObject({ status: 200, json: { status: 'ok' } });
  expect(await call('GET', `${broker.url}/health/ready`, { headers: bearer('nonsense') })).toMatchObject({
    status: 200,
  });
});
