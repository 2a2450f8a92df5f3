import { join } from 'node:path';

import { RunningBroker } from '../support/broker.js';
import { basic, bearer, call, callForm } from '../support/http.js';
import { aFolder } from '../support/folder.js';
import { eventually } from '../support/processes.js';
import { rawRequest } from '../support/raw-http.js';
import { Replicas } from '../support/replicas.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, anAsciiCanary, SecretWatch } from '../support/secret-watch.js';
import { RawUpstream } from '../support/upstream.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const MADE = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

type Line = Record<string, unknown>;

/** Answers with a token that lives as long as it is told, or with the status that it is told. */
let answer: { status?: number; seconds?: number } = {};
let upstream: RawUpstream;
let sandbox: RunningSandbox;
let broker: RunningBroker;
let key: string;
let vats = 10_000_000;

const aVat = () => `DK${(vats += 1)}`;
const ask = (headers: Record<string, string> = {}, merchant_vat = aVat()) =>
  broker.token(key, { client: 'acme', merchant_vat }, headers);

/** The lines of the log with that event. */
function logged(event: string, output = broker.process.output()): Line[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{') && line.includes(`"event":"${event}"`))
    .map((line) => JSON.parse(line) as Line);
}

/** The line of the refresh that has this correlation id. */
const refreshedBy = (id: string | null) =>
  eventually(() => logged('token_refreshed').find((line) => line['correlation_id'] === id));

async function serve(env: Record<string, string> = {}, secret = 'a-secret'): Promise<[RunningBroker, string]> {
  const started = await RunningBroker.start(sandbox, { UPSTREAM_SANDBOX_URL: upstream.url, ...env });
  const put = await started.admin('PUT', '/v1/clients/acme', {
    environment: 'sandbox',
    client_id: 'acme-id',
    client_secret: secret,
  });
  expect(put.status).toBe(201);
  return [started, await started.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }])];
}

beforeAll(async () => {
  upstream = await RawUpstream.start((response) => {
    const { status = 200, seconds = 3_600 } = answer;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ access_token: `opaque-${upstream.requests.length}`, expires_in: seconds }));
  });
  sandbox = await RunningSandbox.start();
  [broker, key] = await serve({ UPSTREAM_RETRIES: '0' });
});
beforeEach(() => {
  answer = {};
});

describe('a correlation id', () => {
  const sentUpstream = () => upstream.requests.at(-1)!.headers;

  it('is what the caller calls it: in the answer, in the log, at MobilePay', async () => {
    const { headers } = await ask({ 'x-correlation-id': 'till-7:42', traceparent: TRACEPARENT });
    expect(headers.get('x-correlation-id')).toBe('till-7:42');
    expect(sentUpstream()).toMatchObject({ 'x-correlation-id': 'till-7:42', traceparent: TRACEPARENT });
    expect(await refreshedBy('till-7:42')).toMatchObject({ trace_id: TRACE });
  });

  it('is that of its trace, which goes on to MobilePay as it came', async () => {
    const { headers } = await ask({ traceparent: TRACEPARENT, tracestate: 'vendor=1', baggage: 'user=1' });
    expect(headers.get('x-correlation-id')).toBe(TRACE);
    expect(sentUpstream()).toMatchObject({ 'x-correlation-id': TRACE, traceparent: TRACEPARENT });
    expect(Object.keys(sentUpstream())).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/tracestate|baggage/)]),
    );
    expect(await refreshedBy(TRACE)).toMatchObject({ trace_id: TRACE });
  });

  it('is made where there is none', async () => {
    const { headers } = await ask();
    const made = headers.get('x-correlation-id');
    expect(made).toMatch(MADE);
    expect(sentUpstream()).toMatchObject({ 'x-correlation-id': made });
    expect(sentUpstream()).not.toHaveProperty('traceparent');
    expect(await refreshedBy(made)).not.toHaveProperty('trace_id');
  });

  it.each(['canary with blanks', 'c'.repeat(129), 'tbk_canary', 'eyJjYW5hcnk', 'canary<'])(
    'that is none, %s, is neither answered nor logged nor sent on',
    async (garbage) => {
      const sent = { 'x-correlation-id': garbage, traceparent: `00-${garbage}-00f067aa0ba902b7-01` };
      const asked = await ask(sent);
      await refreshedBy(asked.headers.get('x-correlation-id'));
      for (const each of [asked, await broker.token('tbk_wrong', {}, sent)]) {
        expect(each.headers.get('x-correlation-id')).toMatch(MADE);
        expect(`${each.text}${JSON.stringify([...each.headers])}`).not.toContain(garbage);
      }
      expect(JSON.stringify(sentUpstream())).not.toContain(garbage);
      expect(broker.process.output()).not.toContain(garbage);
    },
  );

  it('stands in every answer, and is the one in the problem document', async () => {
    const { url } = broker;
    const given = { 'x-correlation-id': 'here' };
    const vat = aVat();
    await ask({}, vat);
    for (const each of [
      await ask(given, vat),
      await broker.token('tbk_wrong', {}, given),
      await broker.token(key, '{', given),
      await call('GET', `${url}/nowhere`, { headers: given }),
      await call('GET', `${url}/health/live`, { headers: given }),
      await call('GET', `${url}/metrics`, { headers: { ...given, ...bearer(broker.adminKey) } }),
      await callForm(`${url}/connect/token`, {}, { ...given, ...basic('acme', key) }),
      await rawRequest('GET', url, '/%zz', given, ''),
    ]) {
      expect(each.headers.get('x-correlation-id')).toBe('here');
      expect(each.json['correlation_id'] ?? 'here').toBe('here');
    }
  });

  it('goes along with a test of a client', async () => {
    const headers = { ...bearer(broker.adminKey), 'content-type': 'application/json', 'x-correlation-id': 'by-hand' };
    const { status } = await call('POST', `${broker.url}/v1/clients/acme/test`, { headers, body: '{}' });
    expect(status).toBe(200);
    expect(sentUpstream()).toMatchObject({ 'x-correlation-id': 'by-hand' });
  });
});

describe('the log', () => {
  it('has one line for each refresh, with its cause, its times and no token, and none for what memory answers', async () => {
    const asked = await ask();
    await refreshedBy(asked.headers.get('x-correlation-id'));
    const before = broker.process.output().length;
    const merchant_vat = aVat();
    const { json, headers } = await ask({}, merchant_vat);
    for (let n = 0; n < 20; n += 1) await ask({}, merchant_vat);
    for (let n = 0; n < 20; n += 1) await broker.token('tbk_wrong', {});
    const correlation_id = headers.get('x-correlation-id');
    await refreshedBy(correlation_id);
    const lines = broker.process.output().slice(before).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as Line)).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        room: 'token',
        event: 'token_refreshed',
        client: 'acme',
        merchant_vat,
        key: expect.stringMatching(/^[\w-]{43}$/),
        cause: 'demand',
        correlation_id,
        alone: false,
        took_ms: expect.any(Number),
        lease_ms: expect.any(Number),
        waited: false,
        token_id: json['token_id'],
        generation: expect.any(Number),
        life_ms: 3_600_000,
      },
    ]);
    expect(broker.process.output()).not.toContain(String(json['access_token']));
  });

  it('has a renewal ahead under an id of its own, which MobilePay sees too', async () => {
    const [own, caller] = await serve({ REFRESH_AT: '0.1', REFRESH_JITTER_SECONDS: '0', SAFETY_MARGIN_SECONDS: '1' });
    answer = { seconds: 10 };
    const body = { client: 'acme', merchant_vat: aVat() };
    await own.token(caller, body, { 'x-correlation-id': 'first' });
    answer = {};
    const line = await eventually(async () => {
      await own.token(caller, body, { 'x-correlation-id': 'bystander' });
      return logged('token_refreshed', own.process.output()).find(({ cause }) => cause === 'ahead');
    });
    expect(line['correlation_id']).toMatch(MADE);
    expect(upstream.requests.map(({ headers }) => headers['x-correlation-id'])).toContain(line['correlation_id']);
  });

  it('counts failures that repeat themselves: 300 of them are a handful of lines', async () => {
    const [own, caller] = await serve({ UPSTREAM_RETRIES: '0' });
    answer = { status: 400 };
    const all = Array.from({ length: 300 }, () => own.token(caller, { client: 'acme', merchant_vat: aVat() }));
    for (const { status } of await Promise.all(all)) expect(status).toBe(422);
    const failed = () => logged('token_failed', own.process.output());
    expect(await eventually(() => failed()[0])).toMatchObject({
      level: 'warn',
      client: 'acme',
      code: 'merchant_rejected',
      cause: 'demand',
    });
    answer = {};
    await own.token(caller, { client: 'acme', merchant_vat: aVat() });
    const count = await eventually(() => failed()[1]);
    expect(count).toMatchObject({ client: 'acme', code: 'merchant_rejected', repeated: 299 });
  });

  it('has the count of what was still counted when the broker stops', async () => {
    const [own, caller] = await serve({ UPSTREAM_RETRIES: '0' });
    answer = { status: 400 };
    for (let n = 0; n < 5; n += 1) await own.token(caller, { client: 'acme', merchant_vat: aVat() });
    expect(await own.process.stop()).toBe(0);
    const output = own.process.output();
    expect(logged('token_failed', output).map(({ repeated }) => repeated)).toEqual([undefined, 4]);
    expect(output.trimEnd().split('\n').at(-1)).toContain('"event":"stopped"');
  });

  it('tells of a replica that waited for another one’s refresh', async () => {
    const { url } = await RunningRedis.start();
    const replicas = await Replicas.start(2, sandbox, { REDIS_URL: url, LOG_LEVEL: 'debug' }, 1);
    const client = replicas.aClient();
    await replicas.fault(client, { kind: 'latency', latency_ms: 300 });
    const wanted = { client, merchant_vat: 'DK12345678' };
    await replicas.askAll(8, wanted);
    const lines = replicas.alive.flatMap((each) => {
      const output = each.process.output();
      return [...logged('token_refreshed', output), ...logged('token_lease', output)];
    });
    expect(lines).toHaveLength(2);
    expect(lines).toContainEqual(expect.objectContaining({ event: 'token_refreshed', waited: false }));
    expect(lines).toContainEqual(expect.objectContaining({ event: 'token_lease', outcome: 'hit', waited: true }));
    await replicas.stop();
  });
});

it('for people it is lines that can be read, without colours in a pipe and without a secret', async () => {
  const [secret, adminKey] = [aCanary('secret'), anAsciiCanary('admin')];
  const watch = new SecretWatch({ secret, adminKey });
  const settings = { ADMIN_KEY: adminKey, LOG_FORMAT: 'pretty', LOG_LEVEL: 'trace', UPSTREAM_RETRIES: '0' };
  const [own, caller] = await serve(settings, secret);
  watch.canaries.add('caller', caller);
  const { json } = await own.token(caller, { client: 'acme', merchant_vat: aVat() });
  answer = { status: 401 };
  await own.token(caller, { client: 'acme', merchant_vat: aVat() });
  expect(await own.process.stop()).toBe(0);
  const output = own.process.output();
  expect(output).toMatch(
    /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: started \{"tokens":"in memory, one replica","clients":0\}$/m,
  );
  expect(output).toMatch(/^\[.*\] INFO: token token_refreshed \{"client":"acme",.*"cause":"demand",.*\}$/m);
  expect(output).toMatch(/^\[.*\] WARN: token token_failed \{.*"code":"credentials_rejected",.*\}$/m);
  expect(output).toMatch(/^token-broker listening on http:\/\/127\.0\.0\.1:\d+$/m);
  expect(output.trimEnd()).toMatch(/INFO: stopped$/);
  expect(output).not.toContain('\u001b');
  expect(watch.canaries.in(output)).toEqual([]);
  expect(output).not.toContain(String(json['access_token']));
});

it('is for people in development, and JSON in production', async () => {
  const path = join(aFolder(), 'vault.json');
  for (const [NODE_ENV, line] of [
    ['development', /^\[.*\] INFO: started /m],
    ['production', /^\{"level":"info","time":"[^"]+","event":"started",/m],
  ] as const) {
    const VAULT_KEYS = `first:${Buffer.alloc(32, 1).toString('base64')}`;
    const env = { NODE_ENV, VAULT_KEYS, VAULT_PATH: path, HOST: '127.0.0.1', LOG_FORMAT: '', SHUTDOWN_DELAY_MS: '0' };
    const own = await RunningBroker.start(sandbox, env);
    expect(own.process.output()).toMatch(line);
    await own.process.stop();
  }
});
