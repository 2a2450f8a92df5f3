import fc from 'fast-check';

import { RunningBroker } from '../support/broker.js';
import { type Answer, bearer, call } from '../support/http.js';
import { expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const wrong = encodeURIComponent(WRONG);
const clients = ['acme', 'best', 'zeta'];
const cursorOf = (text: string | Uint8Array) => Buffer.from(text).toString('base64url');

describe.each(['memory', 'redis'])('with the tokens in %s,', (store) => {
  let broker: RunningBroker;
  let key: string;

  beforeAll(async () => {
    const settings = store === 'redis' ? { REDIS_URL: (await RunningRedis.start()).url } : {};
    broker = await RunningBroker.start(await RunningSandbox.start(), settings);
    key = await broker.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
    for (const client of clients) {
      await broker.addClient(client);
      await broker.token(key, { client, merchant_vat: 'DK12345678' });
    }
  }, 20_000);
  afterEach(() => expectUnharmed(broker, key));

  const get = (path: string): Promise<Answer> => call('GET', broker.url + path, { headers: bearer(broker.adminKey) });
  const listed = async (query: string) => {
    const { status, json } = await get(`/v1/tokens?${query}`);
    expect(status).toBe(200);
    return (json['items'] as { client: string }[]).map(({ client }) => client);
  };

  it.each([
    ['limit', ['', '-1', '1.5', '%201', '0x10', 'NaN', '%00', '9'.repeat(40), '1&limit=2', wrong]],
    ['cursor', ['', '!', 'AA==', 'A+A', '%00', 'a'.repeat(4_097), 'AA&cursor=AA', wrong]],
    ['client', ['', 'Acme', '*', 'acme%00', '%ff', 'a'.repeat(64), 'acme&client=acme', wrong]],
    ['merchant_vat', ['', 'DK*', 'DK1234567', 'DK12345678%0a', 'DK12345678&merchant_vat=DK12345678', wrong]],
    ['state', ['', 'Fresh', 'fresh,dead', 'constructor', 'fresh&state=dead', wrong]],
  ])('GET /v1/tokens refuses a wrong %s', async (field, values) => {
    for (const value of values) {
      expectProblem(await get(`/v1/tokens?${field}=${value}`), 400, 'invalid_request', [field]);
    }
  });

  it.each([
    ['', 'client'],
    ['client=', 'client'],
    ['client=Acme', 'client'],
    [`client=${wrong}`, 'client'],
    ['client=acme&merchant_vat=', 'merchant_vat'],
    [`client=acme&merchant_vat=${wrong}`, 'merchant_vat'],
    ['client=acme&merchant_vat=DK12345678&merchant_vat=DK12345678', 'merchant_vat'],
    ['client=acme&limit=1', 'query'],
    ['client=acme&client[]=acme', 'query'],
    [`client=acme&${wrong}=${wrong}`, 'query'],
  ])('GET /v1/tokens/explain?%s is refused', async (query, field) => {
    expectProblem(await get(`/v1/tokens/explain?${query}`), 400, 'invalid_request', [field]);
  });

  it('a client that is not there has no keys, and is not explained', async () => {
    expect(await listed('client=nobody')).toEqual([]);
    expectProblem(await get('/v1/tokens/explain?client=nobody'), 404, 'not_found');
  });

  it.each(['/v1/tokens?', '/v1/tokens/explain?client=acme&'])('GET %s… refuses what every object has', async (path) => {
    expectProblem(await get(`${path}constructor=${wrong}`), 400, 'invalid_request', ['query']);
  });

  it('a cursor that no page gave leads to what comes behind it', async () => {
    expect(await listed(`cursor=${cursorOf('b')}`)).toEqual(['best', 'zeta']);
    expect(await listed(`cursor=${cursorOf('\0')}`)).toEqual(clients);
    expect(await listed(`cursor=${cursorOf('~')}`)).toEqual([]);
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 100 });
    await fc.assert(fc.asyncProperty(bytes, async (some) => void (await listed(`limit=2&cursor=${cursorOf(some)}`))));
  });

  it('a cursor before a client leads to that client’s keys alone', async () => {
    expect(await listed(`client=zeta&cursor=${cursorOf('b')}`)).toEqual(['zeta']);
  });

  it('a cursor behind a client leads to nothing', async () => {
    expect(await listed(`client=acme&cursor=${cursorOf('b')}`)).toEqual([]);
  });
});
