import fc from 'fast-check';

import { RunningBroker } from '../support/broker.js';
import { type Answer, bearer, call, callJson } from '../support/http.js';
import { expectNothingRepeated, expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { RunningSandbox } from '../support/sandbox.js';

const whole = { environment: 'sandbox', client_id: 'other-id', client_secret: 'other-secret' };
const notThere = '0000000000000000';

let broker: RunningBroker;
let sandbox: RunningSandbox;
let key: string;

beforeAll(async () => {
  sandbox = await RunningSandbox.start();
  broker = await RunningBroker.start(sandbox, { UPSTREAM_RETRIES: '0' });
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: ['*'] }]);
});
afterEach(async () => {
  await expectUnharmed(broker, key);
  for (const [kind, name] of [
    ['clients', 'acme'],
    ['callers', 'shop'],
  ]) {
    const { json } = await send('GET', `/v1/${kind}`);
    expect(json['items']).toEqual([expect.objectContaining({ name })]);
  }
});

const send = (method: string, path: string, body?: unknown): Promise<Answer> =>
  body === undefined
    ? call(method, broker.url + path, { headers: bearer(broker.adminKey) })
    : callJson(method, broker.url + path, body, bearer(broker.adminKey));
const put = (change: object) => send('PUT', '/v1/clients/other', { ...whole, ...change });

const wrongTexts: [string, unknown][] = [
  ['missing', undefined],
  ['null', null],
  ['empty', ''],
  ['a number', 5],
  ['true', true],
  ['an array', [WRONG]],
  ['an object', { [WRONG]: 1 }],
  ['513 characters', 'x'.repeat(513)],
  ['50000 characters', WRONG.repeat(5_000)],
];
const controls: [string, string][] = [
  ['a line break', `x\n${WRONG}`],
  ['NUL', `x\0${WRONG}`],
  ['a control character of Latin-1', `x\u0085${WRONG}`],
  ['a lone surrogate', `x\ud800${WRONG}`],
  ['300 letters of 4 bytes', '\u{1f511}'.repeat(300)],
];
/** What cannot be stored, and the field at fault. */
const unfit: [string, object, string][] = [
  ['a client_id with a colon', { client_id: `x:${WRONG}` }, 'client_id'],
  ...controls.map(([what, client_id]): [string, object, string] => [
    `a client_id of ${what}`,
    { client_id },
    'client_id',
  ]),
  ...controls.map(([what, client_secret]): [string, object, string] => [
    `a client_secret of ${what}`,
    { client_secret },
    'client_secret',
  ]),
  ...[
    { '': 'x' },
    { [`${WRONG} x`]: 'x' },
    { [`${WRONG}:`]: 'x' },
    { ['x'.repeat(65)]: 'x' },
    { x: '' },
    { x: ` ${WRONG}` },
    { x: `${WRONG}\r\nHost: x` },
    { x: `${WRONG}\u00fc` },
    { x: 'x'.repeat(513) },
  ].map((extra_headers): [string, object, string] => [
    `the header ${JSON.stringify(extra_headers).slice(0, 40)}`,
    { extra_headers },
    'extra_headers',
  ]),
];

describe('PUT /v1/clients/{name} refuses', () => {
  it.each(wrongTexts)('a client_id that is %s', async (_, client_id) => {
    expectProblem(await put({ client_id }), 400, 'invalid_request', ['client_id']);
  });

  it.each(wrongTexts)('a client_secret that is %s', async (_, client_secret) => {
    expectProblem(await put({ client_secret }), 400, 'invalid_request', ['client_secret']);
  });

  it.each<[string, unknown]>([
    ['environment', undefined],
    ['environment', null],
    ['environment', WRONG],
    ['environment', 'Sandbox'],
    ['environment', ['sandbox']],
    ['extra_headers', null],
    ['extra_headers', WRONG],
    ['extra_headers', []],
    ['extra_headers', [['x', WRONG]]],
    ['basic_encoding', null],
    ['basic_encoding', WRONG],
    ['basic_encoding', ['plain']],
    ['enabled', null],
    ['enabled', 'true'],
    ['enabled', 1],
    ['enabled', [true]],
  ])('%s: %j', async (field, value) => {
    expectProblem(await put({ [field]: value }), 400, 'invalid_request', [field]);
  });

  it.each([
    ['its value', { x: WRONG }],
    ['its name', { [WRONG]: 1 }],
    ['a member of the answer', { name: WRONG, secrets: [], generation: 1 }],
  ])('an unknown field, without repeating it (%s)', async (_, more) => {
    expectProblem(await put(more), 400, 'invalid_request', ['body']);
  });

  it.each([
    ['a field that every object has', { constructor: WRONG }],
    ['a header that every object has', { extra_headers: { valueOf: WRONG } }],
    ['headers nested deeply', { extra_headers: { x: [[[[[[[[WRONG]]]]]]]] } }],
  ])('%s', async (_, more) => {
    expectProblem(await put(more), 400, 'invalid_request', ['body']);
  });

  it.each(unfit)('%s, and names the field', async (_, change, field) => {
    expectProblem(await put(change), 400, 'invalid_request', [field]);
  });

  it.each<unknown>([5, null, true, ['x'], {}, { x: 'x' }])('a header of %j', async (x) => {
    const answer = await put({ extra_headers: { x } });
    await send('DELETE', '/v1/clients/other');
    expectProblem(answer, 400, 'invalid_request', ['extra_headers']);
  });

  it.each(['Content-Length', 'Transfer-Encoding'])('the header %s, which would spoil each grant', async (name) => {
    const answer = await put({ extra_headers: { [name]: '1' } });
    await send('DELETE', '/v1/clients/other');
    expectProblem(answer, 400, 'invalid_request', ['extra_headers']);
  });
});

it.each([
  ['a client id with a colon', { client_id: 'a:b', basic_encoding: 'form' }],
  ['one that is not ASCII', { client_id: 'bäckerei-\u{1f511}' }],
  ['one of 512 characters', { client_id: 'x'.repeat(512) }],
  ['a secret with every kind of character', { client_secret: ' :%+&=/\\"\u00fc\u{1f511} ' }],
  ['the same, form-encoded', { client_secret: ' :%+&=/\\"\u00fc\u{1f511} ', basic_encoding: 'form' }],
])('PUT /v1/clients/{name} takes %s, and so does MobilePay', async (_, change) => {
  const { client_id, client_secret } = { ...whole, ...change };
  await sandbox.register(client_id, client_secret);
  expect((await put(change)).status).toBe(201);
  expect((await send('POST', '/v1/clients/other/test', {})).json).toMatchObject({ accepted: true });
  expect((await send('DELETE', '/v1/clients/other')).status).toBe(204);
});

describe('what changes a part', () => {
  it.each<[string, string, string, unknown]>([
    ['PATCH', '/v1/clients/acme', 'enabled', undefined],
    ['PATCH', '/v1/clients/acme', 'enabled', null],
    ['PATCH', '/v1/clients/acme', 'enabled', 'false'],
    ['PATCH', '/v1/clients/acme', 'enabled', 0],
    ['PATCH', '/v1/clients/acme', 'enabled', {}],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', null],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', ''],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', WRONG],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', 'dk12345678'],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', 'DK12345678\n'],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', 12_345_678],
    ['POST', '/v1/clients/acme/test', 'merchant_vat', ['DK12345678']],
    ['PATCH', '/v1/callers/shop', 'roles', null],
    ['PATCH', '/v1/callers/shop', 'roles', 'token'],
    ['PATCH', '/v1/callers/shop', 'roles', [WRONG]],
    ['PATCH', '/v1/callers/shop', 'roles', ['ops', 'ops']],
    ['PATCH', '/v1/callers/shop', 'grants', null],
    ['PATCH', '/v1/callers/shop', 'grants', [[]]],
  ])('%s %s refuses %s: %j', async (method, path, field, value) => {
    expectProblem(await send(method, path, { [field]: value }), 400, 'invalid_request', [field]);
  });

  it.each(wrongTexts)('POST …/secrets refuses a client_secret that is %s', async (_, client_secret) => {
    const answer = await send('POST', '/v1/clients/acme/secrets', { client_secret });
    expectProblem(answer, 400, 'invalid_request', ['client_secret']);
  });

  it.each(controls)('POST …/secrets refuses a client_secret of %s', async (_, client_secret) => {
    const answer = await send('POST', '/v1/clients/acme/secrets', { client_secret });
    expectProblem(answer, 400, 'invalid_request', ['client_secret']);
  });

  it.each([
    ['PATCH', '/v1/clients/acme', { enabled: true }],
    ['POST', '/v1/clients/acme/secrets', { client_secret: 'x' }],
    ['POST', '/v1/clients/acme/test', {}],
    ['PATCH', '/v1/callers/shop', {}],
  ])('%s %s takes no unknown field, and no client or caller that is not there', async (method, path, body) => {
    for (const more of [{ x: WRONG }, { [WRONG]: 1 }, { toString: WRONG }, { name: WRONG }]) {
      expectProblem(await send(method, path, { ...body, ...more }), 400, 'invalid_request', ['body']);
    }
    expectProblem(await send(method, path.replace(/acme|shop/, 'nobody'), body), 404, 'not_found');
  });

  it('an unknown field is answered with the known ones', async () => {
    const { json } = await send('PATCH', '/v1/clients/acme', { enabled: true, x: 1 });
    expect(json['detail']).toMatch(/no other fields than enabled$/);
  });
});

describe('what goes by its id', () => {
  it.each([
    ['/v1/clients/acme/secrets', notThere],
    ['/v1/clients/acme/secrets', '__proto__'],
    ['/v1/clients/nobody/secrets', notThere],
    ['/v1/callers/shop/keys', '000000000000'],
    ['/v1/callers/shop/keys', 'constructor'],
    ['/v1/callers/nobody/keys', '000000000000'],
  ])('DELETE %s/%s is not there', async (path, id) => {
    expectProblem(await send('DELETE', `${path}/${id}`), 404, 'not_found');
  });

  it.each(['/v1/clients/acme/secrets', '/v1/callers/shop/keys'])('DELETE %s/… repeats no id', async (path) => {
    const answer = await send('DELETE', `${path}/${encodeURIComponent(WRONG)}`);
    expect([400, 404]).toContain(answer.status);
    expectNothingRepeated(answer);
  });

  it.each([
    ['force=yes', 'force'],
    ['force=', 'force'],
    ['force=TRUE', 'force'],
    ['force=true&force=true', 'force'],
    [`x=${WRONG}`, 'query'],
    [`${WRONG}=1`, 'query'],
  ])('DELETE …/secrets/{fingerprint}?%s is refused', async (query, field) => {
    const answer = await send('DELETE', `/v1/clients/acme/secrets/${notThere}?${query}`);
    expectProblem(answer, 400, 'invalid_request', [field]);
  });
});

it('whatever JSON makes a client, it is kept or refused, and can be tested', async () => {
  const likely = <T>(value: T) =>
    fc.oneof({ weight: 3, arbitrary: fc.constant(value) }, fc.jsonValue(), fc.string({ unit: 'binary' }));
  const headers = fc.dictionary(fc.string({ maxLength: 5 }), fc.oneof(fc.string(), fc.jsonValue()), { maxKeys: 2 });
  const bodies = fc.record(
    {
      environment: fc.constantFrom<unknown>('sandbox', 'sandbox', 'production', 5),
      client_id: likely('other-id'),
      client_secret: likely('other-secret'),
      extra_headers: fc.oneof(headers, fc.jsonValue()),
      basic_encoding: fc.constantFrom<unknown>('plain', 'form', null),
      enabled: likely(true),
    },
    { requiredKeys: ['environment', 'client_id', 'client_secret'] },
  );
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(bodies, async (body) => {
      const { status } = await send('PUT', '/v1/clients/other', body);
      expect([200, 201, 400]).toContain(status);
      if (status === 400) return;
      kept += 1;
      expect((await send('POST', '/v1/clients/other/test', {})).json).toMatchObject({ accepted: false });
    }),
    { numRuns: 300 },
  );
  expect(kept).toBeGreaterThan(5);
  expect((await send('DELETE', '/v1/clients/other')).status).toBe(204);
}, 60_000);
