import { readFile } from 'node:fs/promises';

import { RunningBroker } from '../support/broker.js';
import { type Answer, bearer, call, callJson } from '../support/http.js';
import { expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { rawExchange, rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

const password = 'fixture-password';
const fixture = async (name: string) =>
  Uint8Array.from(await readFile(new URL(`../fixtures/${name}.zip`, import.meta.url)));

let broker: RunningBroker;
let key: string;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: ['*'] }]);
});
afterEach(async () => {
  await expectUnharmed(broker, key);
  const { text } = await call('GET', `${broker.url}/v1/clients`, { headers: bearer(broker.adminKey) });
  expect(text.match(/"name":"[^"]*"/g)).toEqual(['"name":"acme"']);
});

function flipped(bytes: Uint8Array<ArrayBuffer>, at: number): Uint8Array<ArrayBuffer> {
  return bytes.with(at, bytes[at]! ^ 1);
}

describe('PUT /v1/callers/{name} refuses', () => {
  const put = (body: unknown) => callJson('PUT', `${broker.url}/v1/callers/other`, body, bearer(broker.adminKey));

  it.each<[string, unknown]>([
    ['missing', undefined],
    ['a string', 'token'],
    ['null', null],
    ['a number', 5],
    ['an object', {}],
    ['an object like an array', { 0: 'token', length: 1 }],
    ['with one twice', ['token', 'token']],
    ['with an unknown one', ['token', WRONG]],
    ['with a number', [5]],
    ['with null', [null]],
    ['with an array', [['token']]],
  ])('roles that are %s', async (_, roles) => {
    expectProblem(await put({ roles }), 400, 'invalid_request', ['roles']);
  });

  const grant = { client: 'acme', merchants: ['DK*'], unrestricted: false };
  it.each<[string, unknown, string[]]>([
    ['null', null, ['grants']],
    ['a string', WRONG, ['grants']],
    ['one object', grant, ['grants']],
    ['over 1000', Array.from({ length: 1_001 }, () => ({ client: '*' })), ['grants']],
    ['an array in an array', [[]], ['grants']],
    ['a grant in an array too many', [[grant]], ['grants']],
    ['a string in an array', [WRONG], ['grants', 'grants.0']],
    ['null in an array', [grant, null], ['grants', 'grants.1']],
    ['for no client', [{ merchants: ['*'] }], ['grants.0.client']],
    ['for a client that is empty', [{ client: '' }], ['grants.0.client']],
    ['for a client that is a number', [{ client: 5 }], ['grants.0.client']],
    ['for a client that is null', [{ client: null }], ['grants.0.client']],
    ['for an array of clients', [{ client: ['acme'] }], ['grants.0.client']],
    ['for a client in upper case', [{ client: 'Acme' }], ['grants.0.client']],
    ['for a wildcard in the middle', [{ client: 'a*b' }], ['grants.0.client']],
    ['for a client with a line break', [{ client: 'acme\n' }], ['grants.0.client']],
    ['for a client of 10000 characters', [{ client: WRONG.repeat(1_000) }], ['grants.0.client']],
    ['for merchants that are a string', [{ ...grant, merchants: '*' }], ['grants.0.merchants']],
    ['for merchants that are null', [{ ...grant, merchants: null }], ['grants.0.merchants']],
    ['for merchants that are numbers', [{ ...grant, merchants: [5] }], ['grants.0.merchants']],
    ['for merchants in an array too many', [{ ...grant, merchants: [['*']] }], ['grants.0.merchants']],
    ['for merchants of Sweden', [{ ...grant, merchants: ['SE*'] }], ['grants.0.merchants']],
    ['for merchants in lower case', [{ ...grant, merchants: ['dk12345678'] }], ['grants.0.merchants']],
    ['for 8 digits and a wildcard', [{ ...grant, merchants: ['DK12345678*'] }], ['grants.0.merchants']],
    ['for over 10000 merchants', [{ client: '*', merchants: Array(10_001).fill('*') }], ['grants.0.merchants']],
    ['unrestricted by a word', [{ ...grant, unrestricted: 'yes' }], ['grants.0.unrestricted']],
    ['unrestricted by null', [{ ...grant, unrestricted: null }], ['grants.0.unrestricted']],
    ['unrestricted by a number', [{ ...grant, unrestricted: 1 }], ['grants.0.unrestricted']],
    ['with an unknown field', [grant, { ...grant, [WRONG]: 1 }], ['grants.1']],
    ['with a field that every object has', [{ ...grant, valueOf: WRONG }], ['body']],
    ['wrong in many ways', [{ client: 5 }, { client: '*', x: 1 }], ['grants.0.client', 'grants.1']],
  ])('grants: %s', async (_, grants, fields) => {
    expectProblem(await put({ roles: ['token'], grants }), 400, 'invalid_request', fields);
  });

  it.each([
    ['its value', { roles: ['token'], x: WRONG }],
    ['its name', { roles: ['token'], [WRONG]: 1 }],
    ['a name that every object has', { roles: ['token'], constructor: { name: WRONG } }],
  ])('an unknown field, without repeating it (%s)', async (_, body) => {
    expectProblem(await put(body), 400, 'invalid_request', ['body']);
  });
});

describe.each([
  ['PUT', '/v1/callers/{}', '{"roles":["token"]}'],
  ['GET', '/v1/callers/{}', ''],
  ['PATCH', '/v1/callers/{}', '{}'],
  ['DELETE', '/v1/callers/{}', ''],
  ['POST', '/v1/callers/{}/keys', '{}'],
  ['DELETE', '/v1/callers/{}/keys/000000000000', ''],
  ['PUT', '/v1/clients/{}', '{"environment":"sandbox","client_id":"x","client_secret":"x"}'],
  ['GET', '/v1/clients/{}', ''],
  ['PATCH', '/v1/clients/{}', '{"enabled":true}'],
  ['DELETE', '/v1/clients/{}', ''],
  ['POST', '/v1/clients/{}/secrets', '{"client_secret":"x"}'],
  ['DELETE', '/v1/clients/{}/secrets/0000000000000000', ''],
  ['POST', '/v1/clients/{}/test', '{}'],
])('%s %s refuses a name', (method, path, body) => {
  it.each([
    ['in upper case', 'SHOP'],
    ['with an underline', 'sh_op'],
    ['with a hyphen in front', '-shop'],
    ['that climbs', '..%2f..'],
    ['that climbs, all of it encoded', '%2e%2e%2fvault.json'],
    ['with a slash', encodeURIComponent(WRONG)],
    ['with a backslash', '..%5c..'],
    ['with NUL', 'shop%00'],
    ['with a line break', 'shop%0a'],
    ['that is a space', '%20'],
    ['of every object', '__proto__'],
    ['of 64 characters', 'a'.repeat(64)],
  ])('%s', async (_, name) => {
    const headers = { ...bearer(broker.adminKey), ...(body && { 'content-type': 'application/json' }) };
    const answer = await rawRequest(method, broker.url, path.replace('{}', name), headers, body);
    expectProblem(answer, 400, 'invalid_request', ['name']);
  });

  it('of 10000 characters', async () => {
    const answer = await rawRequest(
      method,
      broker.url,
      path.replace('{}', 'a'.repeat(10_000)),
      bearer(broker.adminKey),
    );
    expectProblem(answer, 400, 'invalid_request', ['path']);
  });
});

describe('POST /v1/callers/{name}/keys refuses', () => {
  const post = (body: string, name = 'shop') =>
    callJson('POST', `${broker.url}/v1/callers/${name}/keys`, body, bearer(broker.adminKey));

  it.each(['0', '-1', '1.5', '315360001', '1e400', '"60"', 'null', 'true', '[60]', '{}'])(
    'an expires_in of %s',
    async (value) => {
      expectProblem(await post(`{"expires_in":${value}}`), 400, 'invalid_request', ['expires_in']);
    },
  );

  it('an unknown field, and a caller that is not there', async () => {
    expectProblem(await post(`{"${WRONG}":1}`), 400, 'invalid_request', ['body']);
    expectProblem(await post('{}', 'nobody'), 404, 'not_found');
  });
});

describe('POST /v1/clients/import refuses', () => {
  const good = { password, name: 'new' };
  const post = (form: FormData): Promise<Answer> =>
    call('POST', `${broker.url}/v1/clients/import`, { headers: bearer(broker.adminKey), body: form });
  const form = async (...parts: [string, string | Blob][]): Promise<FormData> => {
    const made = new FormData();
    for (const [name, value] of parts) made.append(name, value);
    return made;
  };
  const zip = async (name = 'zipcrypto') => new Blob([await fixture(name)]);

  it.each(['zipcrypto', 'aes256', '7z-zipcrypto'])('a wrong password (%s)', async (name) => {
    const answer = await broker.import(await fixture(name), { ...good, password: WRONG });
    expectProblem(answer, 400, 'invalid_request', ['archive']);
    expect(answer.json['detail']).toContain('the password is wrong');
  });

  it.each([
    ['bomb', 'unpacks to more than'],
    ['many', 'more than 20 entries'],
    ['nothing', 'no credentials found'],
    ['traversal', 'climbs out of its folder'],
  ])('an archive that no honest sender makes (%s)', async (name, detail) => {
    const answer = await broker.import(await fixture(name), good);
    expectProblem(answer, 400, 'invalid_request', ['archive']);
    expect(answer.json['detail']).toContain(detail);
  });

  it.each<[string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>]>([
    ['empty', () => new Uint8Array()],
    ['text', () => Uint8Array.from(Buffer.from(WRONG.repeat(100)))],
    ['zeros', () => new Uint8Array(1_000)],
    ['cut short', (bytes) => bytes.slice(0, bytes.length - 30)],
    ['without its beginning', (bytes) => bytes.slice(40)],
    ['damaged inside', (bytes) => flipped(bytes, Buffer.from(bytes).indexOf('PK\u0001\u0002') - 30)],
  ])('an archive that is %s', async (_, change) => {
    const answer = await broker.import(change(await fixture('zipcrypto')), good);
    expectProblem(answer, 400, 'invalid_request', ['archive']);
  });

  it.each<[string, Record<string, string>, string[]]>([
    ['no password', { name: 'new' }, ['password']],
    ['an empty password', { ...good, password: '' }, ['password']],
    ['a password of 1025 characters', { ...good, password: 'x'.repeat(1_025) }, ['password']],
    ['a name with a slash', { ...good, name: WRONG }, ['name']],
    ['a name that climbs', { ...good, name: '../../new' }, ['name']],
    ['an empty name', { ...good, name: '' }, ['name']],
    ['a name in upper case', { ...good, name: 'NEW' }, ['name']],
    ['a name with NUL', { ...good, name: 'new\0' }, ['name']],
    ['a name of 10000 characters', { ...good, name: 'a'.repeat(10_000) }, ['name']],
    ['an unknown environment', { ...good, environment: WRONG }, ['environment']],
    ['an empty environment', { ...good, environment: '' }, ['environment']],
    ['a dry_run of yes', { ...good, dry_run: 'yes' }, ['dry_run']],
    ['an empty dry_run', { ...good, dry_run: '' }, ['dry_run']],
    ['an unknown field', { ...good, [WRONG]: '1' }, ['body']],
    ['a field of every object', { ...good, constructor: WRONG }, ['body']],
    ['the prototype', { ...good, ['__proto__']: WRONG }, ['body']],
    ['a field of 100000 characters', { ...good, [WRONG]: 'x'.repeat(100_000) }, ['body']],
    ['20 fields', Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, WRONG])), ['body']],
    [
      'much at once',
      { password: '', name: WRONG, environment: WRONG, dry_run: WRONG },
      ['password', 'name', 'environment', 'dry_run'],
    ],
  ])('%s', async (_, fields, wrong) => {
    expectProblem(await broker.import(await fixture('zipcrypto'), fields), 400, 'invalid_request', wrong);
  });

  it.each<[string, () => Promise<FormData>, string[]]>([
    ['no archive', () => form(['password', password]), ['archive']],
    ['an archive that is text', () => form(['password', password], ['archive', WRONG]), ['archive']],
    ['two archives', async () => form(['archive', await zip()], ['archive', await zip('aes256')]), ['body']],
    ['another file', async () => form(['archive', await zip()], [WRONG, await zip()]), ['body']],
    ['an archive of another name', async () => form(['password', password], [WRONG, await zip()]), ['body']],
    ['a password that is a file', async () => form(['password', await zip()], ['archive', await zip()]), ['body']],
    [
      'two passwords',
      async () => form(['archive', await zip()], ['password', password], ['password', WRONG]),
      ['password'],
    ],
  ])('%s', async (_, make, fields) => {
    expectProblem(await post(await make()), 400, 'invalid_request', fields);
  });

  it('an archive of over 1 MiB', async () => {
    expectProblem(await broker.import(new Uint8Array(1_100_000), good), 413, 'payload_too_large');
  });

  const begin = '--x\r\nContent-Disposition: form-data; name="password"\r\n';
  it.each<[string, string, string, number]>([
    ['JSON', 'application/json', '{"password":"x"}', 400],
    ['a form', 'application/x-www-form-urlencoded', `password=${WRONG}`, 415],
    ['text', 'text/plain', WRONG, 415],
    ['multipart without a boundary', 'multipart/form-data', WRONG, 400],
    ['multipart of nothing', 'multipart/form-data; boundary=x', WRONG, 400],
    ['multipart without an end', 'multipart/form-data; boundary=x', `${begin}\r\n${WRONG}`, 400],
    ['a part of broken JSON', 'multipart/form-data; boundary=x', json('{'), 400],
    ['a part of deep JSON', 'multipart/form-data; boundary=x', json('['.repeat(8_000) + ']'.repeat(8_000)), 400],
    ['a part that is an object', 'multipart/form-data; boundary=x', json('{"length":5}'), 400],
    ['a part without a name', 'multipart/form-data; boundary=x', `--x\r\n\r\n${WRONG}\r\n--x--\r\n`, 400],
  ])('%s', async (_, type, body, status) => {
    const headers = { ...bearer(broker.adminKey), 'content-type': type };
    const {
      status: got,
      json: problem,
      text,
    } = await call('POST', `${broker.url}/v1/clients/import`, { headers, body });
    expect([got, problem['code']]).toEqual([status, status === 400 ? 'invalid_request' : 'unsupported_media_type']);
    expect(problem['errors'] ?? [1]).not.toHaveLength(0);
    expect(text).not.toContain(WRONG);
  });

  it('a form that ends in the middle, however it ends', async () => {
    for (const how of ['end', 'reset'] as const) {
      const head = `POST /v1/clients/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${broker.adminKey}\r\n`;
      const type = 'Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5000\r\n\r\n';
      const said = await rawExchange(broker.url, `${head}${type}${begin}\r\n${WRONG}`, how);
      expect(said).toMatch(how === 'end' ? /^HTTP\/1\.1 400 / : /^$/);
    }
  });

  function json(value: string): string {
    return `${begin}Content-Type: application/json\r\n\r\n${value}\r\n--x--\r\n`;
  }
});
