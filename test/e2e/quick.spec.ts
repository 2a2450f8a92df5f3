import { once } from 'node:events';
import { connect } from 'node:net';

import fc from 'fast-check';

import { type Answer, basic, bearer, call } from '../support/http.js';
import { RunningBroker } from '../support/broker.js';
import { eventually } from '../support/processes.js';
import { rawRequest, readAnswer } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

/** What a token from memory goes through is not what other requests go through: both must come to the same. */
const vat = 'DK12345678';
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const keys: Record<string, string> = { wrong: `tbk_${'0'.repeat(12)}${'A'.repeat(43)}${'0'.repeat(8)}` };
let broker: RunningBroker;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start(), { RATE_LIMIT_PER_KEY: '100000' });
  for (const client of ['acme', 'other', 'off']) await broker.addClient(client);
  const all = [{ client: '*', merchants: ['*'], unrestricted: true }];
  keys['all'] = await broker.addCaller('all', ['token'], all);
  keys['some'] = await broker.addCaller('some', ['token'], [{ client: 'acme', merchants: ['DK1*'] }]);
  keys['none'] = await broker.addCaller('none', ['token'], []);
  keys['ops'] = await broker.addCaller('ops', ['ops', 'admin'], all);
  for (const client of ['acme', 'other', 'off']) {
    for (const merchant_vat of [vat, 'FI12345678', undefined]) {
      expect(await broker.token(keys['all'], { client, merchant_vat })).toMatchObject({ status: 200 });
    }
  }
  await broker.admin('PATCH', '/v1/clients/off', { enabled: false });
  await eventually(async () => (await broker.token(keys['all']!, { client: 'off' })).status === 409 || undefined);
});

/** All that tells two answers to one request apart but what must differ. */
function essence({ status, headers, json }: Answer) {
  const { expires_in: seconds, correlation_id: _, ...rest } = json;
  const names = [...headers.keys()].filter((name) => !['keep-alive', 'retry-after'].includes(name)).toSorted();
  return { status, names, type: headers.get('content-type'), isCounted: typeof seconds, rest };
}

interface Sent {
  readonly path: string;
  readonly type: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

async function bothWays({ path, type, authorization, body }: Sent) {
  const headers = { 'content-type': type, ...(authorization !== undefined && { authorization }) };
  return {
    // Over a connection that stays open.
    quick: essence(await call('POST', `${broker.url}${path}`, { headers, body })),
    // Over one that is to be closed, which nothing is answered on at once. A letter for each byte of UTF-8.
    whole: essence(await rawRequest('POST', broker.url, path, headers, Buffer.from(body).toString('latin1'))),
  };
}

const client = fc.constantFrom('acme', 'other', 'off', 'nobody', 'A B', '', 7, null);
const merchant = fc.constantFrom(vat, 'FI12345678', 'DK1', 'DK99999999x', '', 0, null);
const validity = fc.constantFrom(0, 60, 600, 601, -1, 1.5, '60', null);
const fields = fc.record(
  {
    client,
    merchant_vat: merchant,
    min_validity: validity,
    more: fc.constant(1),
    ['__proto__']: fc.constant({ a: 1 }),
  },
  { requiredKeys: ['client'] },
);
const jsonBody = fc.oneof(
  { weight: 6, arbitrary: fields.map((each) => JSON.stringify(each)) },
  { weight: 4, arbitrary: fc.constantFrom(vat, 'FI12345678').map((v) => `{"client":"acme","merchant_vat":"${v}"}`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"client":"acme","client":"other"}',
      '{"client":"acme","__proto__":{}}',
      '{"client":"acme","constructor":{"prototype":1}}',
      '\ufeff{"client":"acme"}',
      ' {"client" : "acme"} ',
      '{"client":"acme"',
      '{"client":"acm\\u0065"}',
      '[]',
      'null',
      '"acme"',
      '7',
    ),
  },
);
const formBody = fc.constantFrom(
  `grant_type=client_credentials&merchant_vat=${vat}`,
  `grant_type=client_credentials&merchant_vat=${vat}`,
  'grant_type=client_credentials',
  'grant_type=client_credentials&merchant_vat=',
  'grant_type=client_credentials&merchant_vat=FI12345678&unknown=1',
  `grant_type=client_credentials&merchant_vat=${vat}&merchant_vat=${vat}`,
  'grant_type=client_credentials&merchant_vat=DK1',
  `grant_type=password&merchant_vat=${vat}`,
  `merchant_vat=${vat}`,
  'grant_type=client_credentials&scope=%00',
);
const key = fc.constantFrom('all', 'some', 'none', 'ops', 'wrong');
const bearers = fc.oneof(
  fc.constantFrom('all', 'some').map((who) => `Bearer ${keys[who]}`),
  key.map((who) => `Bearer ${keys[who]}`),
  key.map((who) => `bearer   ${keys[who]} `),
  key.map((who) => `Basic ${keys[who]}`),
  key.map((who) => `${keys[who]}`),
  key.map((who) => `Bearer ${keys[who]}x`),
  fc.constantFrom(undefined, '', 'Bearer', 'Bearer ', 'Bearer eyJhbGciOiJub25lIn0.e30.'),
);
const basics = fc.tuple(fc.constantFrom('acme', 'other', 'off', 'nobody', 'A B'), key);
const credentials: fc.Arbitrary<{ authorization?: string | undefined; extra: string }> = fc.oneof(
  fc.constantFrom('all', 'some').map((who) => ({ ...basic('acme', keys[who]!), extra: '' })),
  fc.constantFrom('all', 'some').map((who) => ({ extra: `&client_id=acme&client_secret=${keys[who]}` })),
  basics.map(([name, who]) => ({ ...basic(name, keys[who]!), extra: '' })),
  basics.map(([name, who]) => ({ authorization: undefined, extra: `&client_id=${name}&client_secret=${keys[who]}` })),
  basics.map(([name, who]) => ({ ...basic(name, keys[who]!), extra: `&client_id=${name}` })),
  basics.map(([name, who]) => ({ ...basic(name, keys[who]!), extra: `&client_secret=${keys[who]}` })),
  key.map((who) => ({ ...bearer(keys[who]!), extra: '' })),
  fc.constant({ authorization: undefined, extra: '' }),
);
const type = (usual: string) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(usual, `${usual}; charset=utf-8`) },
    { weight: 1, arbitrary: fc.constantFrom(JSON_TYPE, FORM_TYPE, 'text/plain', `${usual};charset=utf-8`) },
  );

it('a token by JSON is given, or refused, just as the whole way does', async () => {
  const sent = fc.record({
    path: fc.constant('/v1/tokens'),
    type: type(JSON_TYPE),
    authorization: bearers,
    body: jsonBody,
  });
  let given = 0;
  await fc.assert(
    fc.asyncProperty(sent, async (request) => {
      const { quick, whole } = await bothWays(request);
      expect(quick).toEqual(whole);
      if (quick.status === 200) given += 1;
    }),
    { numRuns: 600 },
  );
  expect(given).toBeGreaterThan(20);
}, 60_000);

it('a token by OAuth is given, or refused, just as the whole way does', async () => {
  const path = fc.constantFrom('/connect/token', '/integrator-authentication/connect/token');
  const sent = fc.tuple(path, type(FORM_TYPE), credentials, formBody);
  let given = 0;
  await fc.assert(
    fc.asyncProperty(sent, async ([at, contentType, { authorization, extra }, form]) => {
      const { quick, whole } = await bothWays({ path: at, type: contentType, authorization, body: form + extra });
      expect(quick).toEqual(whole);
      if (quick.status === 200) given += 1;
    }),
    { numRuns: 400 },
  );
  expect(given).toBeGreaterThan(20);
}, 60_000);

/** Sends a request over a connection that stays open, and reads its answer as it came. */
async function asItComes(): Promise<string> {
  const { hostname, port } = new URL(broker.url);
  const socket = connect(Number(port), hostname).setEncoding('latin1');
  const body = JSON.stringify({ client: 'acme', merchant_vat: vat });
  const head = `POST /v1/tokens HTTP/1.1\r\nHost: broker\r\nAuthorization: Bearer ${keys['all']}\r\n`;
  socket.write(`${head}Content-Type: ${JSON_TYPE}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const [said] = (await once(socket, 'data')) as [string];
  socket.destroy();
  return said;
}

it('is the quick way indeed: it writes the names of its own headers otherwise', async () => {
  const quick = await asItComes();
  expect(readAnswer(quick)).toMatchObject({ status: 200, json: { client: 'acme' } });
  expect(quick).toContain('\r\nContent-Length: ');
});

it('takes the whole way once the broker is shutting down, and closes its connections', async () => {
  const own = await RunningBroker.start(broker.sandbox, { SHUTDOWN_DELAY_MS: '1500' });
  await own.addClient('acme');
  const shop = await own.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'] }]);
  const ask = () => own.token(shop, { client: 'acme', merchant_vat: vat });
  expect((await ask()).status).toBe(200);
  expect((await ask()).headers.get('connection')).not.toBe('close');
  own.process.child.kill('SIGTERM');
  await eventually(async () => (await ask()).headers.get('connection') === 'close' || undefined);
  expect((await ask()).status).toBe(200);
});
