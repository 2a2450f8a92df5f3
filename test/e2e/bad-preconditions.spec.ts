import { RunningBroker } from '../support/broker.js';
import { bearer, call } from '../support/http.js';
import { expectProblem, expectUnharmed, WRONG } from '../support/problems.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningSandbox } from '../support/sandbox.js';

let broker: RunningBroker;
let key: string;
let before: string[];

/** With what is there, and in which version. */
const etags = async (): Promise<string[]> => {
  const paths = ['/v1/clients/acme', '/v1/callers/shop'];
  const answers = await Promise.all(
    paths.map((path) => call('GET', broker.url + path, { headers: bearer(broker.adminKey) })),
  );
  return answers.map(({ headers }) => String(headers.get('etag')));
};

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
  await broker.addClient('acme');
  key = await broker.addCaller('shop', ['token'], [{ client: 'acme', merchants: ['*'] }]);
  before = await etags();
});
afterEach(async () => {
  await expectUnharmed(broker, key);
  expect(await etags()).toEqual(before);
});

describe.each<[string, string, string]>([
  ['PUT', '/v1/clients/acme', '{"environment":"sandbox","client_id":"x","client_secret":"x"}'],
  ['PATCH', '/v1/clients/acme', '{"enabled":false}'],
  ['DELETE', '/v1/clients/acme', ''],
  ['POST', '/v1/clients/acme/secrets', '{"client_secret":"x"}'],
  ['DELETE', '/v1/clients/acme/secrets/0000000000000000', ''],
  ['PUT', '/v1/callers/shop', '{"roles":[]}'],
  ['PATCH', '/v1/callers/shop', '{"roles":[]}'],
  ['DELETE', '/v1/callers/shop', ''],
])('%s %s is not done', (method, path, body) => {
  const change = (headers: Record<string, string>, name = path) => {
    const type = { ...(body && { 'content-type': 'application/json' }) };
    return rawRequest(method, broker.url, name, { ...bearer(broker.adminKey), ...type, ...headers }, body);
  };

  it.each([
    '',
    WRONG,
    '"',
    `"${WRONG}"`,
    '1',
    '"1',
    "'1'",
    'W/"1"',
    '"1", "2"',
    '*, "1"',
    '**',
    '"-1"',
    '"1.5"',
    '"0x1"',
  ])('by an If-Match of %s', async (value) => {
    expectProblem(await change({ 'if-match': value }), 400, 'invalid_request', ['If-Match']);
  });

  it.each([16, 8_000])('by an If-Match of %d digits', async (digits) => {
    const answer = await change({ 'if-match': `"${'9'.repeat(digits)}"` });
    expectProblem(answer, 400, 'invalid_request', ['If-Match']);
  });

  it.each(['', WRONG, '"1"', 'W/"*"', '"*"', '*, *'])('by an If-None-Match of %s', async (value) => {
    expectProblem(await change({ 'if-none-match': value }), 400, 'invalid_request', ['If-None-Match']);
  });

  it('by an If-Match and an If-None-Match', async () => {
    expectProblem(await change({ 'if-match': '*', 'if-none-match': '*' }), 400, 'invalid_request', ['If-Match']);
  });

  it('to another version, and not to what is there or is not', async () => {
    expectProblem(await change({ 'if-match': '"1"' }), 412, 'precondition_failed');
    expectProblem(await change({ 'if-match': `"${'9'.repeat(15)}"` }), 412, 'precondition_failed');
    expectProblem(await change({ 'if-none-match': '*' }), 412, 'precondition_failed');
    const nobody = path.replace(/acme|shop/, 'nobody');
    expectProblem(await change({ 'if-match': '*' }, nobody), 412, 'precondition_failed');
  });
});
