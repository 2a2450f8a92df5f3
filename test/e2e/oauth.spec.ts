import * as oauth from 'openid-client';

import { RunningBroker } from '../support/broker.js';
import { basic, bearer, call, callForm } from '../support/http.js';
import { RunningSandbox } from '../support/sandbox.js';

const vat = 'DK12345678';
const paths = ['/connect/token', '/integrator-authentication/connect/token'];
const grant_type = 'client_credentials';

let sandbox: RunningSandbox;
let broker: RunningBroker;
let key: string;
let opsKey: string;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0' });
  await broker.addClient('acme');
  await broker.addClient('broken');
  await sandbox.register('broken-id', 'rotated by MobilePay');
  key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['DK*'], unrestricted: true }]);
  opsKey = await broker.addCaller('ops', ['ops']);
});

describe.each(paths)('a stock OAuth client at %s', (path) => {
  it.each([
    ['in the header', oauth.ClientSecretBasic],
    ['in the body', oauth.ClientSecretPost],
  ])('that shows its secret %s gets a token that MobilePay accepts', async (_, authentication) => {
    const server = { issuer: broker.url, token_endpoint: `${broker.url}${path}` };
    const config = new oauth.Configuration(server, 'acme', key, authentication());
    // oxlint-disable-next-line typescript/no-deprecated -- the way to plain http, on loopback
    oauth.allowInsecureRequests(config);
    const answer = await oauth.clientCredentialsGrant(config, { merchant_vat: vat, scope: 'integrator_scope' });
    expect(answer.token_type).toBe('bearer');
    expect(answer.expiresIn()).toBeGreaterThan(3_600);
    expect(await sandbox.pointOfSale('stores', answer.access_token)).toMatchObject({ status: 200 });
  });

  it('is told in the standard’s words that its secret is wrong', async () => {
    const server = { issuer: broker.url, token_endpoint: `${broker.url}${path}` };
    const config = new oauth.Configuration(server, 'acme', 'wrong', oauth.ClientSecretPost());
    // oxlint-disable-next-line typescript/no-deprecated
    oauth.allowInsecureRequests(config);
    await expect(oauth.clientCredentialsGrant(config)).rejects.toMatchObject({ status: 401 });
  });
});

describe('the answer', () => {
  it('is RFC 6749’s, and the same token that /v1/tokens gives', async () => {
    const { status, headers, json } = await broker.oauth('acme', key, { merchant_vat: vat });
    expect(status).toBe(200);
    expect([headers.get('cache-control'), headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(headers.get('content-type')).toMatch(/^application\/json/);
    expect(json).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: 'integrator_scope',
    });
    const own = await broker.token(key, { client: 'acme', merchant_vat: vat });
    expect(own.json['access_token']).toBe(json['access_token']);
  });

  it('is another token for another scope, and the same for the same said otherwise', async () => {
    const scopes = ['integrator_scope', 'integrator_scope integrator_scope', ''];
    const answers = scopes.map((scope) => broker.oauth('acme', key, { merchant_vat: vat, scope }));
    const [one, same, none] = (await Promise.all(answers)).map(({ json }) => json['access_token']);
    expect(same).toBe(one);
    expect(none).not.toBe(one);
  });
});

describe('what is wrong is said as RFC 6749 §5.2 has it:', () => {
  const encoded = encodeURIComponent;
  const form = { grant_type, merchant_vat: vat };

  it.each<[string, Record<string, string>, () => Record<string, string>, number, string]>([
    ['no credentials at all', form, () => ({}), 401, 'invalid_client'],
    ['a client name alone', { ...form, client_id: 'acme' }, () => ({}), 401, 'invalid_client'],
    ['a wrong secret', form, () => basic('acme', 'tbk_wrong'), 401, 'invalid_client'],
    ['a bearer key', form, () => bearer(key), 401, 'invalid_client'],
    ['Basic that is not base64', form, () => ({ authorization: 'Basic ***' }), 401, 'invalid_client'],
    ['Basic without a colon', form, () => ({ authorization: 'Basic YWNtZQ==' }), 401, 'invalid_client'],
    ['Basic that is not form-encoded', form, () => basic('acme', '%zz'), 401, 'invalid_client'],
    ['the secret in both places', { ...form, client_secret: 'x' }, () => basic('acme', key), 400, 'invalid_request'],
    ['two client names', { ...form, client_id: 'other' }, () => basic('acme', key), 400, 'invalid_request'],
    [
      'a client that no grant names',
      { grant_type, merchant_vat: 'FI12345678' },
      () => basic('acme', key),
      400,
      'unauthorized_client',
    ],
    ['a caller without the role', form, () => basic('acme', opsKey), 400, 'unauthorized_client'],
    ['a client that is not there', form, () => basic('nobody', key), 401, 'invalid_client'],
    ['a client name that cannot be', form, () => basic(encoded('No Such/Name'), key), 401, 'invalid_client'],
    ['no grant type', { merchant_vat: vat }, () => basic('acme', key), 400, 'invalid_request'],
    ['another grant type', { grant_type: 'password' }, () => basic('acme', key), 400, 'unsupported_grant_type'],
    [
      'a wrong VAT number',
      { grant_type, merchant_vat: 'SE12345678' },
      () => basic('acme', key),
      400,
      'invalid_request',
    ],
    ['a wrong scope', { grant_type, scope: '"' }, () => basic('acme', key), 400, 'invalid_scope'],
    [
      'a scope that MobilePay refuses',
      { grant_type, scope: 'unheard-of' },
      () => basic('acme', key),
      400,
      'invalid_scope',
    ],
    ['credentials that MobilePay refuses', form, () => basic('broken', key), 502, 'server_error'],
  ])('%s', async (_, body, headers, status, error) => {
    const answer = await callForm(`${broker.url}/connect/token`, body, headers());
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({
      error,
      error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
    });
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect([answer.headers.get('cache-control'), answer.headers.get('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(answer.headers.get('www-authenticate') ?? '').toMatch(status === 401 ? /^Basic realm=/ : /^$/);
    expect(answer.text).not.toContain(key);
  });

  it('MobilePay is down', async () => {
    await sandbox.fault({ kind: 'status', status: 503 });
    const { status, headers, json } = await broker.oauth('acme', key, { scope: 'never-asked-before' });
    await sandbox.clearFaults();
    expect([status, json['error']]).toEqual([503, 'temporarily_unavailable']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  });

  it.each([
    ['JSON', 'application/json', '{"grant_type":"client_credentials"}', 400],
    ['text', 'text/plain', 'grant_type=client_credentials', 415],
    ['an unheard-of type', 'application/x-unheard-of', 'x', 415],
    ['too much', 'application/x-www-form-urlencoded', `grant_type=${'x'.repeat(1_048_576)}`, 413],
  ])('%s in place of a form', async (_, type, body, status) => {
    const headers = { ...basic('acme', key), 'content-type': type };
    const answer = await call('POST', `${broker.url}/connect/token`, { headers, body });
    expect([answer.status, answer.json['error']]).toEqual([status, 'invalid_request']);
  });

  it('a parameter twice', async () => {
    const body = `grant_type=${grant_type}&merchant_vat=${vat}&merchant_vat=${vat}`;
    const headers = { ...basic('acme', key), 'content-type': 'application/x-www-form-urlencoded' };
    const { status, json } = await call('POST', `${broker.url}/connect/token`, { headers, body });
    expect([status, json['error']]).toEqual([400, 'invalid_request']);
  });
});
