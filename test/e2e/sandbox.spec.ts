import { get } from 'node:http';

import { createRemoteJWKSet, jwtVerify } from 'jose';

import { basic, call, callForm, callJson } from '../support/http.js';
import { runToEnd } from '../support/processes.js';
import { RunningSandbox } from '../support/sandbox.js';

const [id, secret] = ['till-client', 'not+a/real:secret%=='];
let sandbox: RunningSandbox;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  await sandbox.register(id, secret);
});
afterEach(() => sandbox.clearFaults());

const grant = (form: Record<string, string> = {}) => sandbox.token(id, secret, form);
const accessToken = async (form: Record<string, string> = {}) => String((await grant(form)).json['access_token']);

describe('the token endpoint', () => {
  it('answers as MobilePay does, with a token that discovery and JWKS verify', async () => {
    const { status, json, headers } = await grant({ merchant_vat: 'DK12345678' });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(json).toEqual({
      access_token: expect.any(String),
      expires_in: 3_700,
      token_type: 'Bearer',
      scope: 'integrator_scope',
    });
    const base = `${sandbox.url}/integrator-authentication`;
    const { json: discovery } = await call('GET', `${base}/.well-known/openid-configuration`);
    expect(discovery).toMatchObject({ issuer: base, token_endpoint: `${base}/connect/token` });
    const keys = createRemoteJWKSet(new URL(String(discovery['jwks_uri'])));
    const { payload, protectedHeader } = await jwtVerify(String(json['access_token']), keys, { issuer: base });
    expect(protectedHeader.alg).toBe('RS256');
    expect(payload).toMatchObject({ client_id: id, merchant_vat: 'DK12345678' });
    expect(payload.exp! - payload.iat!).toBe(3_700);
  });

  it('takes Basic credentials plain and form-encoded', async () => {
    const encoded = await sandbox.token(encodeURIComponent(id), encodeURIComponent(secret));
    expect([(await grant()).status, encoded.status]).toEqual([200, 200]);
  });

  it.each([
    ['an unknown client', () => sandbox.token('nobody', secret), 401, 'invalid_client'],
    ['a wrong secret', () => sandbox.token(id, 'wrong'), 401, 'invalid_client'],
    ['an empty secret', () => sandbox.token(id, ''), 401, 'invalid_client'],
    ['no grant type', () => grant({ grant_type: '' }), 400, 'unsupported_grant_type'],
    ['another grant type', () => grant({ grant_type: 'password' }), 400, 'unsupported_grant_type'],
    ['a wrong VAT number', () => grant({ merchant_vat: 'SE12345678' }), 400, 'invalid_request'],
    ['an unknown scope', () => grant({ scope: 'everything' }), 400, 'invalid_scope'],
  ])('refuses %s', async (_, ask, status, error) => {
    const answer = await ask();
    expect([answer.status, answer.json['error']]).toEqual([status, error]);
  });

  it('refuses what is repeated, and bodies of another kind', async () => {
    const url = `${sandbox.url}/integrator-authentication/connect/token`;
    const twice = new URLSearchParams('grant_type=client_credentials&merchant_vat=DK12345678&merchant_vat=DK87654321');
    expect(await call('POST', url, { headers: basic(id, secret), body: twice })).toMatchObject({ status: 400 });
    expect(await callJson('POST', url, '{}', basic(id, secret))).toMatchObject({ status: 400 });
    expect(await call('POST', url, { body: 'x' })).toMatchObject({ status: 415, json: { error: 'invalid_request' } });
    expect(await callForm(url, {})).toMatchObject({ status: 401 });
  });

  it('counts its calls by client and merchant', async () => {
    await call('DELETE', `${sandbox.url}/_sandbox/stats`);
    await grant({ merchant_vat: 'FI12345678' });
    await sandbox.token(id, 'wrong');
    const now = Date.now();
    expect(await sandbox.stats()).toEqual({
      token_calls: 2,
      issued: 1,
      clients: [
        { client_id: id, merchant_vat: 'FI12345678', calls: 1, issued: 1, times: [expect.any(Number)] },
        { client_id: id, merchant_vat: null, calls: 1, issued: 0, times: [expect.any(Number)] },
      ],
    });
    expect(Math.abs(now - (await sandbox.stats()).clients[0]!.times[0]!)).toBeLessThan(5_000);
  });
});

describe('a fault', () => {
  it.each([
    [
      { kind: 'status', status: 429, retry_after: 7 },
      { status: 429, text: '' },
    ],
    [
      { kind: 'status', status: 502, body: 'bad gateway' },
      { status: 502, text: 'bad gateway' },
    ],
    [{ kind: 'html' }, { status: 200, text: expect.stringContaining('<html>') }],
    [
      { kind: 'error', error: 'invalid_scope' },
      { status: 400, json: { error: 'invalid_scope' } },
    ],
    [
      { kind: 'wrong_json', body: '{"access_token":' },
      { status: 200, text: '{"access_token":' },
    ],
    [{ kind: 'expires_in' }, { status: 200, json: expect.not.objectContaining({ expires_in: expect.anything() }) }],
    [
      { kind: 'expires_in', value: -5 },
      { status: 200, json: expect.objectContaining({ expires_in: -5 }) },
    ],
    [
      { kind: 'opaque' },
      { status: 200, json: expect.objectContaining({ access_token: expect.stringMatching(/^opaque-/) }) },
    ],
  ])('%j shows', async (fault, expected) => {
    await sandbox.fault(fault);
    expect(await grant()).toMatchObject(expected);
  });

  it.each(['reset', 'truncated'])('%s breaks the connection', async (kind) => {
    await sandbox.fault({ kind });
    await expect(grant()).rejects.toThrow(/fetch failed|terminated/);
  });

  it('hang keeps the caller waiting until he gives up', async () => {
    await sandbox.fault({ kind: 'hang' });
    const url = `${sandbox.url}/integrator-authentication/connect/token`;
    await expect(call('POST', url, { signal: AbortSignal.timeout(300) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
  });

  it('latency delays, and a retry hint may be a date', async () => {
    const retryAfter = 'Wed, 21 Oct 2026 07:28:00 GMT';
    await sandbox.fault({ kind: 'status', status: 503, retry_after: retryAfter, latency_ms: 200 });
    const before = performance.now();
    expect((await grant()).headers.get('retry-after')).toBe(retryAfter);
    expect(performance.now() - before).toBeGreaterThan(190);
  });

  it('strikes only those it names, as often as it says', async () => {
    await sandbox.register('other', secret);
    await sandbox.fault({ kind: 'status', status: 500, client_id: id, merchant_vat: 'DK12345678', times: 1 });
    const statuses = [
      await sandbox.token('other', secret, { merchant_vat: 'DK12345678' }),
      await grant({ merchant_vat: 'DK87654321' }),
      await grant({ merchant_vat: 'DK12345678' }),
      await grant({ merchant_vat: 'DK12345678' }),
    ].map(({ status }) => status);
    expect(statuses).toEqual([200, 200, 500, 200]);
  });

  it.each([
    ['{"kind":"flood"}', 'latency, hang, reset'],
    ['{"kind":"hang","often":2}', 'additional properties'],
    ['{"kind":"hang","times":"2"}', 'times must be integer'],
    ['{', 'JSON'],
  ])('%s is refused', async (body, reason) => {
    const { status, json } = await callJson('POST', `${sandbox.url}/_sandbox/faults`, body);
    expect([status, json['error']]).toEqual([400, 'invalid_request']);
    expect(json['error_description']).toContain(reason);
  });
});

describe('PoS V10', () => {
  it.each(['stores', 'pointofsales'])('lists %s of the merchant in the token', async (path) => {
    const token = await accessToken({ merchant_vat: 'DK12345678' });
    expect(await sandbox.pointOfSale(path, token)).toMatchObject({ status: 200 });
  });

  it('takes the merchant from the header if the token names none', async () => {
    const vat = { 'x-mobilepay-merchant-vat-number': 'FI90000040' };
    const { status, text } = await sandbox.pointOfSale('stores', await accessToken(), vat);
    expect(status).toBe(200);
    expect(text).toContain('FI90000040');
  });

  it.each([
    [1151, {}],
    [1159, { 'x-mobilepay-merchant-vat-number': 'DK1234' }],
    [1160, { 'x-mobilepay-client-system-name': ' ' }],
    [1161, { 'x-mobilepay-client-system-version': '1.0' }],
  ])('answers 400 with code %d to %j', async (code, headers) => {
    expect(await sandbox.pointOfSale('stores', await accessToken(), headers)).toMatchObject({
      status: 400,
      json: { code: String(code), message: expect.any(String), CorrelationId: expect.any(String) },
    });
  });

  it.each([
    [1152, 'x-mobilepay-client-system-name', []],
    [1153, 'x-mobilepay-client-system-version', []],
    [1155, 'x-mobilepay-merchant-vat-number', ['DK12345678', 'DK12345678']],
    [1156, 'x-mobilepay-client-system-name', ['a', 'a']],
    [1157, 'x-mobilepay-client-system-version', ['1.0.0', '1.0.0']],
  ])('answers code %d to %s given as %j', async (code, name, values) => {
    const headers = {
      authorization: `Bearer ${await accessToken()}`,
      'x-mobilepay-client-system-name': ['tests'],
      'x-mobilepay-client-system-version': ['1.0.0'],
      [name]: values,
    };
    const body = await new Promise<string>((resolve, reject) => {
      get(`${sandbox.url}/pos/v10/stores`, { headers }, (response) => {
        response.setEncoding('utf8').once('data', resolve);
      }).on('error', reject);
    });
    expect(JSON.parse(body)).toMatchObject({ code: String(code) });
  });

  it('answers 1182 to a token with an invalid merchant claim', async () => {
    await sandbox.fault({ kind: 'wrong_vat', claim: 'XX' });
    const token = await accessToken({ merchant_vat: 'DK12345678' });
    expect(await sandbox.pointOfSale('stores', token)).toMatchObject({ status: 400, json: { code: '1182' } });
  });

  it('answers 401 to no token, somebody else’s, and one that was revoked', async () => {
    const token = await accessToken({ merchant_vat: 'DK12345678' });
    await sandbox.revokeTokens();
    for (const each of ['', 'x.y.z', token]) {
      expect(await sandbox.pointOfSale('stores', each)).toMatchObject({ status: 401 });
    }
  });
});

it.each([
  [{ SANDBOX_PORT: 'eighty' }, 'SANDBOX_PORT must be'],
  [{ SANDBOX_EXPIRES_IN: '0', SANDBOX_LATENCY_MS: '-1' }, 'SANDBOX_EXPIRES_IN'],
])('does not start with %j', async (env, message) => {
  const { code, output } = await runToEnd('sandbox', env);
  expect(code).toBe(1);
  expect(output).toContain(message);
  expect(output.trim().split('\n')).toHaveLength(1);
});

it('listens on 127.0.0.1 alone, unless it is told where', async () => {
  const elsewhere = (url: string) => call('GET', `http://127.0.0.2:${new URL(url).port}/_sandbox/stats`);
  await expect(elsewhere(sandbox.url)).rejects.toThrow('fetch failed');
  const open = await RunningSandbox.start({ SANDBOX_HOST: '0.0.0.0' });
  expect(await elsewhere(open.url)).toMatchObject({ status: 200 });
});

it('says that its port is in use', async () => {
  const { code, output } = await runToEnd('sandbox', { SANDBOX_PORT: new URL(sandbox.url).port });
  expect([code, output]).toEqual([1, expect.stringContaining('its port is in use')]);
});
