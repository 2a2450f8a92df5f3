import { RunningBroker } from '../support/broker.js';
import { basic, bearer, call, callForm, callJson } from '../support/http.js';
import { expectNothingRepeated, expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { rawExchange, rawRequest, readAnswer } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

const routes: [string, string, string | undefined][] = [
  ['POST', '/v1/tokens', 'token'],
  ['POST', '/v1/tokens/invalidate', 'token or admin'],
  ['PUT', '/v1/callers/shop', 'admin'],
  ['POST', '/v1/callers/shop/keys', 'admin'],
  ['GET', '/v1/clients', 'admin'],
  ['POST', '/v1/clients/import', 'admin'],
  ['GET', '/health/live', undefined],
  ['GET', '/health/ready', undefined],
  ['POST', '/connect/token', undefined],
  ['POST', '/integrator-authentication/connect/token', undefined],
];
const guarded = [
  ...routes,
  ['GET', '/v1/clients/acme', 'admin'],
  ['PUT', '/v1/clients/acme', 'admin'],
  ['PATCH', '/v1/clients/acme', 'admin'],
  ['DELETE', '/v1/clients/acme', 'admin'],
  ['POST', '/v1/clients/acme/secrets', 'admin'],
  ['DELETE', '/v1/clients/acme/secrets/0000000000000000', 'admin'],
  ['POST', '/v1/clients/acme/test', 'admin'],
  ['GET', '/v1/callers', 'admin'],
  ['GET', '/v1/callers/shop', 'admin'],
  ['PATCH', '/v1/callers/shop', 'admin'],
  ['DELETE', '/v1/callers/shop', 'admin'],
  ['DELETE', '/v1/callers/shop/keys/000000000000', 'admin'],
  ['POST', '/v1/vault/rekey', 'admin'],
  ['GET', '/v1/vault/backup', 'admin'],
  ['POST', '/v1/vault/restore', 'admin'],
  ['GET', '/v1/tokens', 'ops'],
  ['GET', '/v1/tokens/explain', 'ops'],
  ['GET', '/metrics', 'ops'],
].filter(([, , role]) => role !== undefined) as [string, string, string][];
const host = 'Host: broker\r\n';

let broker: RunningBroker;
let key: string;
let watcherKey: string;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
  watcherKey = await broker.addCaller('watcher', ['ops']);
});
afterEach(() => expectUnharmed(broker, key));

describe.each(guarded)('%s %s', (method, path, role) => {
  const send = (authorization: string | undefined) =>
    method === 'GET'
      ? call(method, broker.url + path, { headers: { ...(authorization !== undefined && { authorization }) } })
      : callJson(method, broker.url + path, {}, { ...(authorization !== undefined && { authorization }) });

  it.each<[string, () => string | undefined]>([
    ['nothing', () => undefined],
    ['an empty header', () => ''],
    ['a scheme alone', () => 'Bearer'],
    ['a key without a scheme', () => key],
    ['a wrong key', () => `Bearer ${WRONG}`],
    ['a key with something behind it', () => `Bearer ${key} ${WRONG}`],
    ['a key with a letter changed', () => `Bearer ${key.slice(0, -1)}x`],
    ['a key cut short', () => `Bearer ${key.slice(0, -1)}`],
    ['half of the admin’s key', () => `Bearer ${broker.adminKey.slice(0, 20)}`],
    ['a key of the right shape', () => `Bearer tbk_${'0'.repeat(12)}${'A'.repeat(43)}${'0'.repeat(8)}`],
    ['Basic', () => basic('shop', key)['authorization']],
    ['Digest', () => `Digest username="${WRONG}"`],
    ['two keys', () => `Bearer ${key}, Bearer ${key}`],
    ['8000 characters', () => `Bearer ${'a'.repeat(8_000)}`],
  ])('is closed to who shows %s', async (_, authorization) => {
    const answer = await send(authorization());
    expectProblem(answer, 401, 'unauthenticated');
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm=/);
    expect(answer.text).not.toContain(key);
  });

  it('is closed to a caller without the role', async () => {
    expectProblem(await send(`Bearer ${role.startsWith('token') ? watcherKey : key}`), 403, 'forbidden');
  });
});

/** What else there is to do under the same path. */
const BESIDES: Readonly<Record<string, readonly string[]>> = {
  '/v1/tokens': ['GET'],
  '/v1/callers/shop': ['GET', 'PATCH', 'DELETE'],
  // A client may have this name.
  '/v1/clients/import': ['GET', 'PUT', 'PATCH', 'DELETE'],
};

describe.each(routes)('%s %s takes no other method:', (method, path) => {
  const taken = new Set([method, ...(BESIDES[path] ?? [])]);
  const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];
  it.each(others.filter((each) => !taken.has(each)))('%s', async (other) => {
    const answer = await rawRequest(other, broker.url, path, bearer(broker.adminKey));
    expectProblem(answer, 404, 'not_found');
    expect(answer.json['detail']).toMatch(new RegExp(`this path takes .*${method}`));
  });
});

it.each([
  ['/health/live', 200],
  ['/health/ready', 200],
  ['/v1/clients', 200],
  ['/v1/clients/import', 404],
  ['/v1/callers/shop/keys', 404],
  ['/connect/token', 404],
])('HEAD %s answers %d, without a body', async (path, status) => {
  const answer = await call('HEAD', broker.url + path, { headers: bearer(broker.adminKey) });
  expect([answer.status, answer.text]).toEqual([status, '']);
});

describe('a path', () => {
  it.each([
    ['that is not there', '/nowhere', 404],
    ['that is the root', '/', 404],
    ['in other letters', '/V1/TOKENS', 404],
    ['with a slash behind', '/v1/tokens/', 404],
    ['with two slashes', '//v1/tokens', 404],
    ['with a name missing', '/v1/callers//keys', 404],
    ['that climbs', '/v1/callers/../tokens', 404],
    ['that climbs to a file', '/../../etc/passwd', 404],
    ['that climbs, encoded', '/v1/%2e%2e/%2e%2e/etc/passwd', 404],
    ['of a file of ours', '/data/vault.json', 404],
    ['that repeats nothing', `/${WRONG}?${WRONG}=${WRONG}`, 404],
    ['with a query that is broken', `/nowhere?%zz=${WRONG}`, 404],
    ['with a percent sign alone', `/${WRONG}%`, 400],
    ['with a wrong escape', `/v1/callers/%zz${WRONG}`, 400],
    ['that is not UTF-8', `/v1/callers/%ff${WRONG}`, 400],
    ['with a lone surrogate', `/v1/callers/%ed%a0%80${WRONG}`, 400],
  ])('%s', async (_, path, status) => {
    const [code, fields] = status === 404 ? (['not_found', []] as const) : (['invalid_request', ['path']] as const);
    for (const method of ['GET', 'POST', 'PUT']) {
      expectProblem(await rawRequest(method, broker.url, path, bearer(broker.adminKey)), status, code, fields);
    }
  });

  it('with a name of 101 characters', async () => {
    const path = `/v1/callers/${'a'.repeat(101)}`;
    const answers = [
      await rawRequest('PUT', broker.url, path, bearer(broker.adminKey)),
      await rawRequest('POST', broker.url, `${path}/keys`, bearer(broker.adminKey)),
    ];
    for (const answer of answers) expectProblem(answer, 400, 'invalid_request', ['path']);
  });

  it('of 20000 characters, and a header as long', async () => {
    const path = await rawRequest('GET', broker.url, `/${WRONG.repeat(2_000)}`);
    const headers = { 'x-long': WRONG.repeat(2_000) };
    for (const answer of [path, await rawRequest('GET', broker.url, '/health/live', headers)]) {
      expectProblem(answer, 400, 'invalid_request');
      expect(answer.json['detail']).toBe('the headers are larger than 16384 bytes');
    }
  });

  it('of GET, with a query and a body that nobody reads', async () => {
    for (const path of ['/health/live', '/health/ready', '/v1/clients']) {
      const headers = { ...bearer(broker.adminKey), 'content-type': 'application/json' };
      const answer = await rawRequest('GET', broker.url, `${path}?${WRONG}=%zz`, headers, `{${WRONG}`);
      expect(answer.status).toBe(200);
      expectNothingRepeated(answer);
    }
  });
});

it('a correlation id that is not one is replaced, and never repeated', async () => {
  for (const id of [WRONG, 'a'.repeat(129), 'a b', '<x>']) {
    expectProblem(
      await call('GET', `${broker.url}/nowhere`, { headers: { 'x-correlation-id': id } }),
      404,
      'not_found',
    );
  }
});

describe('what is not HTTP', () => {
  const post = `POST /v1/tokens HTTP/1.1\r\n${host}Content-Type: application/json\r\n`;
  it.each([
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['a word', `${WRONG}\r\n\r\n`],
    ['an unknown method', `${WRONG} /health/live HTTP/1.1\r\n${host}\r\n`],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an unknown version', `GET /health/live HTTP/3.0\r\n${host}\r\n`],
    ['a path without a slash', `GET ${WRONG} HTTP/1.1\r\n${host}\r\n`],
    ['a path of raw bytes', `GET /\xff\xfe HTTP/1.1\r\n${host}\r\n`],
    ['a header without a colon', `GET /health/live HTTP/1.1\r\n${host}${WRONG}\r\n\r\n`],
    ['a header with NUL', `GET /health/live HTTP/1.1\r\n${host}X: a\0${WRONG}\r\n\r\n`],
    ['bare line feeds', 'GET /health/live HTTP/1.1\nHost: x\n\n'],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ['a length and chunks', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length that is a word', `${post}Content-Length: ${WRONG}\r\n\r\n{}`],
    ['a negative length', `${post}Content-Length: -1\r\n\r\n{}`],
    ['a chunk without a size', `${post}Transfer-Encoding: chunked\r\n\r\n${WRONG}\r\n`],
  ])('is answered with a problem, and hung up on: %s', async (_, text) => {
    expectProblem(readAnswer(await rawExchange(broker.url, text)), 400, 'invalid_request');
  });

  it.each(routes.filter(([method]) => method !== 'GET'))(
    '%s %s with half a body, however it ends',
    async (method, path) => {
      const headers = `Authorization: Bearer ${broker.adminKey}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n`;
      const text = `${method} ${path} HTTP/1.1\r\n${host}${headers}\r\n{"client":"${WRONG}`;
      expectProblem(readAnswer(await rawExchange(broker.url, text, 'end')), 400, 'invalid_request');
      expect(await rawExchange(broker.url, text, 'reset')).toBe('');
    },
  );

  it('no host', async () => {
    // Node itself refuses this one (RFC 9112 §3.2), with an empty body.
    const answer = readAnswer(await rawExchange(broker.url, 'GET /health/live HTTP/1.1\r\n\r\n'));
    expect(answer.status).toBe(400);
    expectNothingRepeated(answer);
  });
});

describe('POST /connect/token refuses', () => {
  const grant_type = 'client_credentials';
  it.each<[string, Record<string, string>, () => Record<string, string>, string]>([
    [
      'a VAT number of 7 digits',
      { grant_type, merchant_vat: 'DK1234567' },
      () => basic('acme', key),
      'invalid_request',
    ],
    ['one in lower case', { grant_type, merchant_vat: 'dk12345678' }, () => basic('acme', key), 'invalid_request'],
    ['one with a space', { grant_type, merchant_vat: 'DK12345678 ' }, () => basic('acme', key), 'invalid_request'],
    ['one with NUL', { grant_type, merchant_vat: `DK\0${WRONG}` }, () => basic('acme', key), 'invalid_request'],
    [
      '60000 characters of one',
      { grant_type, merchant_vat: '1'.repeat(60_000) },
      () => basic('acme', key),
      'invalid_request',
    ],
    ['an empty grant type', { grant_type: '' }, () => basic('acme', key), 'invalid_request'],
    [
      'a grant type in upper case',
      { grant_type: 'CLIENT_CREDENTIALS' },
      () => basic('acme', key),
      'unsupported_grant_type',
    ],
    ['a grant type of its own', { grant_type: WRONG }, () => basic('acme', key), 'unsupported_grant_type'],
    ['a scope with a line break', { grant_type, scope: `a\n${WRONG}` }, () => basic('acme', key), 'invalid_scope'],
    ['21 scopes', { grant_type, scope: Array(21).fill('a').join(' ') }, () => basic('acme', key), 'invalid_scope'],
    ['a scope of 129 characters', { grant_type, scope: 'a'.repeat(129) }, () => basic('acme', key), 'invalid_scope'],
    ['a client name that cannot be', { grant_type }, () => basic(encodeURIComponent(WRONG), key), 'invalid_client'],
    ['the key in place of the name', { grant_type }, () => basic(key, key), 'invalid_client'],
    ['the same in the body', { grant_type, client_id: key, client_secret: key }, () => ({}), 'invalid_client'],
    ['an empty client name', { grant_type, client_id: '', client_secret: key }, () => ({}), 'invalid_client'],
    ['an empty secret', { grant_type }, () => basic('acme', ''), 'invalid_client'],
    ['a secret with NUL', { grant_type }, () => basic('acme', `${key}\0`), 'invalid_client'],
    ['a secret that is not ASCII', { grant_type }, () => basic('acme', `${WRONG}\u{1f511}`), 'invalid_client'],
    [
      'the prototype for a name',
      { grant_type, client_id: '__proto__', client_secret: key },
      () => ({}),
      'invalid_client',
    ],
  ])('%s', async (_, form, headers, error) => {
    const answer = await callForm(`${broker.url}/connect/token`, form, headers());
    expect(answer.status).toBe(error === 'invalid_client' ? 401 : 400);
    expect(answer.json).toEqual({
      error,
      error_description: expect.stringMatching(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/),
    });
    expect(answer.text).not.toContain(key);
    expectNothingRepeated(answer);
  });

  it.each<[string, string | undefined, string, number]>([
    ['a client twice', 'application/x-www-form-urlencoded', 'client_id=acme&client_id=acme&grant_type=x', 400],
    ['a broken escape', 'application/x-www-form-urlencoded', `grant_type=%zz${WRONG}`, 400],
    ['multipart', 'multipart/form-data; boundary=x', `--x\r\n${WRONG}\r\n--x--`, 400],
    ['broken JSON', 'application/json', `{${WRONG}`, 400],
    ['no content type', undefined, `grant_type=${WRONG}`, 415],
  ])('%s', async (_, type, body, status) => {
    const headers = { ...basic('acme', key), ...(type !== undefined && { 'content-type': type }) };
    const answer = await call('POST', `${broker.url}/connect/token`, { headers, body: new Blob([body]) });
    expect([answer.status, typeof answer.json['error']]).toEqual([status, 'string']);
    expectNothingRepeated(answer);
  });
});
