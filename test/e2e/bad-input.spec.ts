import fc from 'fast-check';

import { RunningBroker } from '../support/broker.js';
import { bearer, call, callJson } from '../support/http.js';
import { expectNothingRepeated, expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { RunningSandbox } from '../support/sandbox.js';

const client = 'acme';
const merchant_vat = 'DK12345678';
const token_id = 'abcdefghijklmnop';

let broker: RunningBroker;
let key: string;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient(client);
  key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
});
afterEach(() => expectUnharmed(broker, key));

/** JSON that `JSON.stringify` would not write. */
const raw = (text: string) => text;

const wrongClients: [string, unknown][] = [
  ['missing', undefined],
  ['empty', ''],
  ['a number', 5],
  ['true', true],
  ['null', null],
  ['an object', { toString: WRONG }],
  ['an array', [client]],
  ['upper case', 'Acme'],
  ['with a space', ' acme'],
  ['with a line break', 'acme\n'],
  ['with NUL', 'acme\0'],
  ['a lone surrogate', '\ud800'],
  ['with a hyphen in front', '-acme'],
  ['a path', `../${WRONG}`],
  ['64 characters', 'a'.repeat(64)],
  ['60000 characters', 'a'.repeat(60_000)],
];
const wrongVats: [string, unknown][] = [
  ['7 digits', 'DK1234567'],
  ['9 digits', 'DK123456789'],
  ['of Sweden', 'SE12345678'],
  ['lower case', 'dk12345678'],
  ['with a space', 'DK 12345678'],
  ['with a space behind', 'DK12345678 '],
  ['with a line break', 'DK12345678\n'],
  ['without a country', '12345678'],
  ['with a digit of another script', 'DK1234567\u0668'],
  ['with a wildcard', 'DK*'],
  ['empty', ''],
  ['a number', 12_345_678],
  ['null', null],
  ['an array', [merchant_vat]],
  ['an object', {}],
  ['60000 characters', `DK${WRONG.repeat(5_000)}`],
];

describe('POST /v1/tokens refuses', () => {
  it.each(wrongClients)('a client that is %s', async (_, value) => {
    expectProblem(await broker.token(key, { client: value, merchant_vat }), 400, 'invalid_request', ['client']);
  });

  it.each(wrongVats)('a VAT number %s', async (_, value) => {
    expectProblem(await broker.token(key, { client, merchant_vat: value }), 400, 'invalid_request', ['merchant_vat']);
  });

  it.each([
    ['a string', '"60"'],
    ['negative', '-1'],
    ['over 600', '601'],
    ['a fraction', '1.5'],
    ['beyond all numbers', '1e400'],
    ['null', 'null'],
    ['true', 'true'],
    ['an array', '[60]'],
    ['an object', '{}'],
  ])('a min_validity that is %s', async (_, value) => {
    const answer = await broker.token(key, raw(`{"client":"acme","min_validity":${value}}`));
    expectProblem(answer, 400, 'invalid_request', ['min_validity']);
  });

  it.each([
    ['its value', { client, x: WRONG }],
    ['its name', { client, [WRONG]: 1 }],
    ['a name that every object has', { client, constructor: WRONG }],
    ['another such name', { client, hasOwnProperty: true }],
  ])('an unknown field, without repeating it (%s)', async (_, body) => {
    expectProblem(await broker.token(key, body), 400, 'invalid_request', ['body']);
  });

  it('everything that is wrong, at once', async () => {
    const answer = await broker.token(key, { client: WRONG, merchant_vat: WRONG, min_validity: WRONG, more: WRONG });
    expectProblem(answer, 400, 'invalid_request', ['client', 'merchant_vat', 'min_validity', 'body']);
  });

  it('a field given twice by its last value', async () => {
    const answer = await broker.token(key, raw(`{"client":"acme","client":"${WRONG}"}`));
    expectProblem(answer, 400, 'invalid_request', ['client']);
  });
});

describe('POST /v1/tokens/invalidate refuses', () => {
  it.each(wrongClients)('a client that is %s', async (_, value) => {
    expectProblem(await broker.invalidate(key, { client: value, token_id }), 400, 'invalid_request', ['client']);
  });

  it.each(wrongVats)('a VAT number %s', async (_, value) => {
    const answer = await broker.invalidate(key, { client, merchant_vat: value, token_id });
    expectProblem(answer, 400, 'invalid_request', ['merchant_vat']);
  });

  it.each<[string, object, string[]]>([
    ['no token_id and no access_token', {}, ['token_id']],
    ['both', { token_id, access_token: 'x' }, ['token_id']],
    ['a token_id that is empty', { token_id: '' }, ['token_id']],
    ['a token_id of 15 characters', { token_id: 'a'.repeat(15) }, ['token_id']],
    ['a token_id of 17 characters', { token_id: 'a'.repeat(17) }, ['token_id']],
    ['a token_id of other characters', { token_id: WRONG.padEnd(16, '/') }, ['token_id']],
    ['a token_id that is a number', { token_id: 5 }, ['token_id']],
    ['a token_id that is null', { token_id: null }, ['token_id']],
    ['a token_id that is an array', { token_id: [token_id] }, ['token_id']],
    ['an access_token that is empty', { access_token: '' }, ['access_token']],
    ['an access_token that is too long', { access_token: 'a'.repeat(16_385) }, ['access_token']],
    ['an access_token that is a number', { access_token: 5 }, ['access_token']],
    ['an access_token that is null', { access_token: null }, ['access_token']],
    ['an access_token that is an object', { access_token: {} }, ['access_token']],
    ['an unknown field', { token_id, [WRONG]: 1 }, ['body']],
    ['a field that every object has', { token_id, toString: WRONG }, ['body']],
    ['much at once', { merchant_vat: WRONG, access_token: 5, x: 1 }, ['merchant_vat', 'access_token', 'body']],
  ])('%s', async (_, body, fields) => {
    expectProblem(await broker.invalidate(key, { client, ...body }), 400, 'invalid_request', fields);
  });
});

describe.each([
  ['POST', '/v1/tokens', () => key],
  ['POST', '/v1/tokens/invalidate', () => key],
  ['PUT', '/v1/callers/other', () => broker.adminKey],
  ['POST', '/v1/callers/shop/keys', () => broker.adminKey],
  ['PATCH', '/v1/callers/shop', () => broker.adminKey],
  ['PUT', '/v1/clients/other', () => broker.adminKey],
  ['PATCH', '/v1/clients/acme', () => broker.adminKey],
  ['POST', '/v1/clients/acme/secrets', () => broker.adminKey],
  ['POST', '/v1/clients/acme/test', () => broker.adminKey],
])('%s %s', (method, path, keyOf) => {
  const send = (body: RequestInit['body'] | undefined, headers: Record<string, string>) =>
    call(method, broker.url + path, {
      headers: { ...bearer(keyOf()), ...headers },
      ...(body !== undefined && { body }),
    });
  const sendJson = (text: string) => send(text, { 'content-type': 'application/json' });

  it.each([
    ['nothing', ''],
    ['half an object', `{"client": "${WRONG}`],
    ['one brace', '{'],
    ['a brace too many', '{}}'],
    ['a word', WRONG],
    ['single quotes', `{'client': '${WRONG}'}`],
    ['NaN', 'NaN'],
    ['NUL', '\0'],
    ['an object of a poisoned prototype', `{"__proto__": {"${WRONG}": 1}}`],
    ['one of a poisoned constructor', `{"constructor": {"prototype": {"${WRONG}": 1}}}`],
    ['null', 'null'],
    ['an array', '[]'],
    ['an array of an object', `[{"client": "${WRONG}"}]`],
    ['a string', `"${WRONG}"`],
    ['a number', '5'],
    ['a boolean', 'true'],
    ['an array, nested deeply', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
  ])('refuses a body of %s', async (_, text) => {
    expectProblem(await sendJson(text), 400, 'invalid_request', ['body']);
  });

  it.each([
    ['an object', '{"a":', '}', 10_000],
    ['an array', '[', ']', 25_000],
  ])('refuses a field that is %s, nested deeply', async (_, open, close, depth) => {
    const deep = `${open.repeat(depth)}1${close.repeat(depth)}`;
    for (const name of ['client', 'roles', 'grants', 'expires_in', 'extra_headers']) {
      const answer = await sendJson(`{"${name}":${deep}}`);
      expect([answer.status, answer.json['code']]).toEqual([400, 'invalid_request']);
      expect(answer.json['errors']).not.toHaveLength(0);
    }
  });

  it.each([
    ['text', 'text/plain'],
    ['XML', 'application/xml'],
    ['almost JSON', 'application/jsonx'],
    ['a form', 'application/x-www-form-urlencoded'],
    ['no type at all', WRONG],
  ])('refuses a content type of %s', async (_, type) => {
    expectProblem(await send('{}', { 'content-type': type }), 415, 'unsupported_media_type');
  });

  it('refuses a body without a content type, a multipart one, and none', async () => {
    expectProblem(await send(new Blob(['{}']), {}), 415, 'unsupported_media_type');
    const form = new FormData();
    form.set('client', WRONG);
    expectProblem(await send(form, {}), 400, 'invalid_request', ['body']);
    expectProblem(await send(undefined, {}), 400, 'invalid_request', ['body']);
  });

  it('refuses a body of 1 MiB', async () => {
    expectProblem(await sendJson(`{"client":"${'a'.repeat(1_048_576)}"}`), 413, 'payload_too_large');
  });
});

const jsonText = () => fc.json({ depthSize: 'medium' });

it('whatever JSON is sent to POST /v1/tokens, the answer is a token or a documented problem', async () => {
  const likely = <T>(value: T) => fc.oneof(fc.constant(value), fc.jsonValue(), fc.string({ unit: 'binary' }));
  const bodies = fc.record(
    { client: likely(client), merchant_vat: likely(merchant_vat), min_validity: likely(60), x: fc.jsonValue() },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        bodies.map((body) => JSON.stringify(body)),
        jsonText(),
        fc.string(),
      ),
      async (text) => {
        const answer = await broker.token(key, text);
        expect([200, 400, 404]).toContain(answer.status);
        const { code, type } = answer.json;
        expect(type).toBe(answer.status === 200 ? undefined : `urn:token-broker:problem:${String(code)}`);
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

it('whatever JSON makes a caller, tokens are given to it or refused', async () => {
  const grant = fc.record(
    { client: fc.constantFrom<unknown>('*', 'acme', 5), merchants: fc.jsonValue(), unrestricted: fc.jsonValue() },
    { requiredKeys: [] },
  );
  const grants = fc.oneof(fc.array(fc.oneof(grant, fc.jsonValue()), { maxLength: 3 }), fc.jsonValue());
  const shown = await broker.addCaller('any', ['token']);
  await fc.assert(
    fc.asyncProperty(grants, async (value) => {
      const admin = bearer(broker.adminKey);
      const put = await callJson('PUT', `${broker.url}/v1/callers/any`, { roles: ['token'], grants: value }, admin);
      expect([200, 400]).toContain(put.status);
      expectNothingRepeated(put);
      expect([200, 403]).toContain((await broker.token(shown, { client, merchant_vat })).status);
    }),
    { numRuns: 150 },
  );
}, 60_000);
