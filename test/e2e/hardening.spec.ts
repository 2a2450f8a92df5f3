import { readFileSync } from 'node:fs';

import { RunningBroker } from '../support/broker.js';
import { basic, bearer, callJson } from '../support/http.js';
import { expectProblem } from '../support/problems.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

let broker: RunningBroker;
let key: string;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token', 'ops'], [{ client: 'acme', merchants: ['*'] }]);
});

const json = { 'content-type': 'application/json' };
const body = '{"client":"acme","merchant_vat":"DK12345678"}';

describe.each<[string, number, () => ReturnType<typeof rawRequest>]>([
  ['a token', 200, () => rawRequest('POST', broker.url, '/v1/tokens', { ...bearer(key), ...json }, body)],
  [
    'an OAuth token',
    200,
    () =>
      rawRequest(
        'POST',
        broker.url,
        '/connect/token',
        { ...basic('acme', key), 'content-type': 'application/x-www-form-urlencoded' },
        'grant_type=client_credentials&merchant_vat=DK12345678',
      ),
  ],
  ['a health', 200, () => rawRequest('GET', broker.url, '/health/ready')],
  ['metrics', 200, () => rawRequest('GET', broker.url, '/metrics', bearer(key))],
  ['a list', 200, () => rawRequest('GET', broker.url, '/v1/clients', bearer(broker.adminKey))],
  ['a mistake', 400, () => rawRequest('POST', broker.url, '/v1/tokens', { ...bearer(key), ...json }, '{')],
  ['a refusal', 401, () => rawRequest('POST', broker.url, '/v1/tokens', json, body)],
  ['a path that is none', 400, () => rawRequest('GET', broker.url, '/%zz')],
  ['a path with nothing under it', 404, () => rawRequest('GET', broker.url, '/dashboard/../etc/passwd')],
])('the answer with %s', (_, status, send) => {
  it('is no page, belongs in no frame, is what it says, and tells nobody what made it', async () => {
    const { status: got, headers } = await send();
    expect(got).toBe(status);
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    const names = [...headers.keys()].join();
    expect(names).not.toMatch(/server|powered|via|version|access-control|set-cookie/);
    expect(JSON.stringify([...headers])).not.toMatch(/fastify|nest|express|node\b/i);
  });
});

describe('a page of another origin', () => {
  it('is allowed nothing', async () => {
    const origin = {
      origin: 'https://evil.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    };
    for (const method of ['OPTIONS', 'GET', 'POST']) {
      const { status, headers } = await rawRequest(method, broker.url, '/v1/tokens', origin);
      expect(status).toBeGreaterThanOrEqual(400);
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });
});

describe('a prototype', () => {
  it.each([
    '{"client":"acme","merchant_vat":"DK12345678","__proto__":{"roles":["admin"]}}',
    '{"client":"acme","merchant_vat":"DK12345678","constructor":{"prototype":{"roles":["admin"]}}}',
    '{"__proto__":{"client":"acme","merchant_vat":"DK12345678"}}',
  ])('is not reached by a body for a token: %s', async (text) => {
    expectProblem(await callJson('POST', `${broker.url}/v1/tokens`, text, bearer(key)), 400, 'invalid_request', [
      'body',
    ]);
  });

  it.each([
    ['PUT', '/v1/callers/x', '{"roles":["token"],"__proto__":{"polluted":1}}'],
    [
      'PUT',
      '/v1/callers/x',
      '{"roles":["token"],"grants":[{"client":"a","merchants":[],"constructor":{"prototype":{"polluted":1}}}]}',
    ],
    [
      'PUT',
      '/v1/clients/x',
      '{"environment":"sandbox","client_id":"a","client_secret":"b","extra_headers":{"__proto__":{"polluted":"1"}}}',
    ],
    ['PUT', '/v1/callers/__proto__', '{"roles":["token"]}'],
    ['PUT', '/v1/clients/constructor', '{"environment":"sandbox","client_id":"a","client_secret":"b","toString":"x"}'],
  ])('is not reached by %s %s %s', async (method, path, text) => {
    const { status } = await callJson(method, `${broker.url}${path}`, text, bearer(broker.adminKey));
    expect(status).toBe(400);
    const { text: callers } = await broker.admin('GET', '/v1/callers');
    expect(callers).not.toContain('polluted');
    expect((await callJson('POST', `${broker.url}/v1/tokens`, body, bearer(key))).status).toBe(200);
  });

  it('is not reached by a form or a query', async () => {
    const form = 'grant_type=client_credentials&merchant_vat=DK12345678&__proto__[roles]=admin&constructor=x';
    const headers = { ...basic('acme', key), 'content-type': 'application/x-www-form-urlencoded' };
    expect((await rawRequest('POST', broker.url, '/connect/token', headers, form)).status).toBe(200);
    expect((await rawRequest('GET', broker.url, '/v1/tokens?__proto__[x]=1&constructor=1', bearer(key))).status).toBe(
      400,
    );
  });
});

describe('the process', () => {
  it('makes no file that others can read', async () => {
    const { pid } = broker.process.child;
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Umask:\s+0077$/m);
  });

  it('opens no debugger to whoever can send it a signal', async () => {
    broker.process.child.kill('SIGUSR1');
    expect((await callJson('POST', `${broker.url}/v1/tokens`, body, bearer(key))).status).toBe(200);
    expect(broker.process.output()).not.toMatch(/debugger/i);
  });
});
