import { randomUUID } from 'node:crypto';

import { SpanKind, SpanStatusCode } from '@opentelemetry/api';

import { RunningBroker } from '../support/broker.js';
import { basic, bearer, call, callForm } from '../support/http.js';
import { eventually, root } from '../support/processes.js';
import { rawRequest } from '../support/raw-http.js';
import { RunningRedis } from '../support/redis.js';
import { Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';
import { aCanary, anAsciiCanary, SecretWatch } from '../support/secret-watch.js';
import { type RecordedSpan, SpanRecorder } from '../support/spans.js';
import { RawUpstream } from '../support/upstream.js';

const CALLER_SPAN = '00f067aa0ba902b7';
const GRANT: readonly object[] = [{ client: '*', merchants: ['*'], unrestricted: true }];

let answer: { status?: number; seconds?: number; delayMs?: number } = {};
let upstream: RawUpstream;
let sandbox: RunningSandbox;
let [vats, traces] = [10_000_000, 0];

const aVat = () => `DK${(vats += 1)}`;
const aTrace = () => (traces += 1).toString(16).padStart(32, 'a');
const from = (trace: string) => `00-${trace}-${CALLER_SPAN}-01`;

beforeAll(async () => {
  upstream = await RawUpstream.start((response) => {
    const { status = 200, seconds = 3_600, delayMs = 0 } = answer;
    setTimeout(() => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ access_token: `opaque-${randomUUID()}`, expires_in: seconds }));
    }, delayMs);
  });
  sandbox = await RunningSandbox.start();
});
beforeEach(() => {
  answer = {};
});

/** A broker whose spans are recorded, with a client and a caller. */
class TracedBroker {
  private constructor(
    readonly broker: RunningBroker,
    readonly recorder: SpanRecorder,
    readonly key: string,
  ) {}

  static async start(env: Record<string, string> = {}, secret = 'a-secret'): Promise<TracedBroker> {
    const recorder = new SpanRecorder();
    const settings = { UPSTREAM_SANDBOX_URL: `${upstream.url}/auth`, UPSTREAM_RETRIES: '1', ...recorder.env, ...env };
    const broker = await RunningBroker.start(sandbox, settings);
    const client = { environment: 'sandbox', client_id: 'acme-id', client_secret: secret };
    expect((await broker.admin('PUT', '/v1/clients/acme', client)).status).toBe(201);
    const { status } = await broker.admin('PUT', '/v1/callers/shop', { roles: ['token'], grants: GRANT });
    expect(status).toBe(201);
    const { json } = await broker.admin('POST', '/v1/callers/shop/keys', {});
    return new TracedBroker(broker, recorder, String(json['key']));
  }

  /** Asks for a token, as a caller that is traced.
   *  @returns the spans of its trace, the request's among them */
  async traced(merchant_vat: string, headers: Record<string, string> = {}) {
    const trace = aTrace();
    const body = { client: 'acme', merchant_vat };
    const got = await this.broker.token(this.key, body, { traceparent: from(trace), ...headers });
    return { ...got, trace, spans: await this.spansOf(trace) };
  }

  /** When the request's own span has ended, all below it have. */
  spansOf(trace: string): Promise<RecordedSpan[]> {
    return this.recorder.until(this.broker.process, (all) => {
      const ours = all.filter(({ traceId }) => traceId === trace);
      return ours.some(({ kind }) => kind === SpanKind.SERVER) ? ours : undefined;
    });
  }

  all(): Promise<readonly RecordedSpan[]> {
    return this.recorder.until(this.broker.process, (spans) => (spans.length > 0 ? spans : undefined));
  }
}

const named = (spans: readonly RecordedSpan[], name: string) => spans.find((span) => span.name === name)!;

describe('a token that is not in memory', () => {
  let traced: TracedBroker;
  beforeAll(async () => {
    traced = await TracedBroker.start();
  });

  it('is a trace: request, under it the lease and the refresh, under that the call to MobilePay', async () => {
    const { spans, json, trace } = await traced.traced(aVat(), {
      'x-correlation-id': 'till-7',
      baggage: 'user=canary',
    });
    expect(spans.map(({ name }) => name)).toEqual(['lease', 'POST /auth/connect/token', 'refresh', 'POST /v1/tokens']);
    const [lease, attempt, refresh, request] = spans as [RecordedSpan, RecordedSpan, RecordedSpan, RecordedSpan];
    expect([request, lease, refresh, attempt].map(({ parentId }) => parentId)).toEqual([
      CALLER_SPAN,
      request.spanId,
      request.spanId,
      refresh.spanId,
    ]);
    const token = { 'token_broker.client': 'acme', 'token_broker.environment': 'sandbox' };
    const token_id = { 'token_broker.token_id': json['token_id'] };
    expect(request).toMatchObject({ kind: SpanKind.SERVER, status: { code: SpanStatusCode.UNSET } });
    expect(request.attributes).toEqual({
      ...token,
      ...token_id,
      'http.request.method': 'POST',
      'http.route': '/v1/tokens',
      'http.response.status_code': 200,
      'url.path': '/v1/tokens',
      'url.scheme': 'http',
      'token_broker.correlation_id': 'till-7',
      'token_broker.source': 'upstream',
    });
    const lead = { 'token_broker.cause': 'demand', 'token_broker.outcome': 'lead', 'token_broker.waited': false };
    expect(lease.attributes).toEqual({ ...token, ...lead });
    expect(refresh.attributes).toEqual({
      ...token,
      ...token_id,
      'token_broker.cause': 'demand',
      'token_broker.correlation_id': 'till-7',
    });
    expect(attempt).toMatchObject({ kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } });
    expect(attempt.attributes).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': upstream.port,
      'url.full': `${upstream.url}/auth/connect/token`,
    });
    const { headers } = upstream.requests.at(-1)!;
    expect(headers).toMatchObject({
      traceparent: `00-${trace}-${attempt.spanId}-01`,
      'x-correlation-id': 'till-7',
    });
    // What callers tell each other is nothing for MobilePay.
    expect(headers).not.toHaveProperty('baggage');
    for (const { startMs, endMs } of spans) {
      expect(startMs).toBeGreaterThan(request.startMs - 2);
      expect(endMs).toBeLessThan(request.endMs + 2);
      expect(endMs).toBeGreaterThanOrEqual(startMs);
    }
  });

  it('is one span from then on, which says so', async () => {
    const merchant_vat = aVat();
    await traced.traced(merchant_vat);
    const { spans, json } = await traced.traced(merchant_vat);
    expect(spans.map(({ name }) => name)).toEqual(['POST /v1/tokens']);
    expect(spans[0]!.attributes).toMatchObject({
      'token_broker.source': 'memory',
      'token_broker.client': 'acme',
      'token_broker.token_id': json['token_id'],
    });
  });

  it('that MobilePay does not give is an error in each span that it is one for', async () => {
    answer = { status: 500 };
    const { spans, status } = await traced.traced(aVat());
    expect(status).toBe(503);
    const attempts = spans.filter(({ kind }) => kind === SpanKind.CLIENT);
    expect(attempts.map(({ attributes }) => attributes['http.request.resend_count'])).toEqual([undefined, 1]);
    for (const each of attempts) {
      expect(each.status).toEqual({ code: SpanStatusCode.ERROR, message: 'the upstream answered 500' });
      const seen = { 'error.type': 'upstream_unavailable', 'http.response.status_code': 500 };
      expect(each.attributes).toMatchObject(seen);
    }
    expect(named(spans, 'refresh').status.code).toBe(SpanStatusCode.ERROR);
    expect(named(spans, 'refresh').attributes).toMatchObject({ 'error.type': 'upstream_unavailable' });
    expect(named(spans, 'lease').status.code).toBe(SpanStatusCode.UNSET);
    const request = named(spans, 'POST /v1/tokens');
    expect(request.status.code).toBe(SpanStatusCode.ERROR);
    expect(request.attributes).toMatchObject({ 'error.type': '503', 'http.response.status_code': 503 });
  });

  it('that MobilePay refuses is an error of the call, and none of the broker', async () => {
    answer = { status: 400 };
    const { spans } = await traced.traced(aVat());
    expect(spans.find(({ kind }) => kind === SpanKind.CLIENT)).toMatchObject({
      attributes: { 'error.type': 'merchant_rejected', 'http.response.status_code': 400 },
      status: { code: SpanStatusCode.ERROR },
    });
    expect(named(spans, 'POST /v1/tokens')).toMatchObject({
      attributes: { 'http.response.status_code': 422 },
      status: { code: SpanStatusCode.UNSET },
    });
  });

  it('whose caller hangs up is a span all the same', async () => {
    answer = { delayMs: 500 };
    const trace = aTrace();
    const hangUp = new AbortController();
    const headers = { ...bearer(traced.key), 'content-type': 'application/json', traceparent: from(trace) };
    const body = JSON.stringify({ client: 'acme', merchant_vat: aVat() });
    const calls = upstream.requests.length;
    const gone = call('POST', `${traced.broker.url}/v1/tokens`, { headers, body, signal: hangUp.signal });
    await eventually(() => upstream.requests.length > calls || undefined);
    hangUp.abort();
    await expect(gone).rejects.toThrow('abort');
    const request = named(await traced.spansOf(trace), 'POST /v1/tokens');
    expect(request.attributes).toMatchObject({ 'error.type': 'client_disconnected' });
    expect(request.attributes).not.toHaveProperty('http.response.status_code');
  });
});

it('a caller without a trace begins one, and a traceparent that is none is ignored', async () => {
  const traced = await TracedBroker.start();
  const body = { client: 'acme', merchant_vat: aVat() };
  const { headers } = await traced.broker.token(traced.key, body, { traceparent: '00-canary-canary-01' });
  const id = headers.get('x-correlation-id');
  const request = await traced.recorder.until(traced.broker.process, (spans) =>
    spans.find(
      ({ name, attributes }) => name === 'POST /v1/tokens' && attributes['token_broker.correlation_id'] === id,
    ),
  );
  expect(request.parentId).toBeUndefined();
  expect(upstream.requests.at(-1)!.headers['traceparent']).toContain(request.traceId);
});

it('a renewal ahead is a trace of its own', async () => {
  const env = { REFRESH_AT: '0.1', REFRESH_JITTER_SECONDS: '0', SAFETY_MARGIN_SECONDS: '1' };
  const traced = await TracedBroker.start(env);
  answer = { seconds: 10 };
  const merchant_vat = aVat();
  await traced.traced(merchant_vat);
  answer = {};
  const ahead = await eventually(async () => {
    await traced.traced(merchant_vat);
    const spans = await traced.all();
    const refresh = spans.find(({ attributes }) => attributes['token_broker.cause'] === 'ahead');
    return refresh && spans.filter(({ traceId }) => traceId === refresh.traceId);
  });
  expect(ahead.map(({ name }) => name)).toEqual(['POST /auth/connect/token', 'refresh']);
  expect(ahead.map(({ parentId }) => parentId)).toEqual([ahead[1]!.spanId, undefined]);
});

it('a request on another replica shows how long it waited for the lease', async () => {
  const { url } = await RunningRedis.start();
  const recorders = [new SpanRecorder(), new SpanRecorder()];
  const replicas = await Replicas.start(2, sandbox, (n) => ({ REDIS_URL: url, ...recorders[n]!.env }), 1);
  const client = replicas.aClient();
  await replicas.fault(client, { kind: 'latency', latency_ms: 400 });
  const ids = [aTrace(), aTrace()];
  const wanted = { client, merchant_vat: aVat() };
  await Promise.all(
    replicas.alive.map((each, n) => each.token(replicas.callerKey, wanted, { traceparent: from(ids[n]!) })),
  );
  const seen = await Promise.all(
    replicas.alive.map((each, n) =>
      recorders[n]!.until(each.process, (all) => {
        const ours = all.filter(({ traceId }) => traceId === ids[n]);
        return ours.some(({ kind }) => kind === SpanKind.SERVER) ? ours : undefined;
      }),
    ),
  );
  const waiting = seen.find((spans) => named(spans, 'lease').attributes['token_broker.waited'])!;
  const leading = seen.find((spans) => spans !== waiting)!;
  expect(leading.map(({ name }) => name)).toContain('refresh');
  expect(waiting.map(({ name }) => name)).toEqual(['lease', 'POST /v1/tokens']);
  const [lease, request] = waiting as [RecordedSpan, RecordedSpan];
  expect(lease.attributes).toMatchObject({ 'token_broker.outcome': 'hit' });
  expect(lease.parentId).toBe(request.spanId);
  expect(lease.endMs - lease.startMs).toBeGreaterThan(200);
  expect(request.attributes).toMatchObject({ 'token_broker.source': 'store' });
  await replicas.stop();
});

it('no secret and no merchant stands in any span, wherever it was sent', async () => {
  const [secret, adminKey] = [aCanary('secret'), anAsciiCanary('admin')];
  const watch = new SecretWatch({ secret, adminKey });
  const traced = await TracedBroker.start({ ADMIN_KEY: adminKey, UPSTREAM_RETRIES: '0' }, secret);
  const { broker, key } = traced;
  watch.canaries.add('caller', key);
  const vat = aVat();
  const { json, trace } = await traced.traced(vat);
  watch.canaries.add('token', String(json['access_token']));
  for (const status of [400, 401, 500]) {
    answer = { status };
    await traced.traced(aVat());
  }
  for (const canary of [secret, adminKey, key]) {
    const encoded = encodeURIComponent(canary);
    const asAdmin = { ...bearer(adminKey), 'content-type': 'application/json' };
    for (const path of [
      `/v1/callers/${encoded}`,
      `/v1/clients/${encoded}/test`,
      `/${encoded}`,
      `/v1/tokens?x=${encoded}`,
    ]) {
      for (const method of ['GET', 'POST', 'PUT']) await rawRequest(method, broker.url, path, asAdmin, '{}');
    }
    await broker.token(key, { client: canary, merchant_vat: canary });
    await broker.token(encoded, {}, { 'x-correlation-id': encoded, traceparent: encoded, tracestate: `a=${encoded}` });
    await callForm(`${broker.url}/connect/token`, { grant_type: canary, scope: canary }, basic('acme', encoded));
  }
  // What was written with this one has all before it.
  await traced.traced(vat);
  const spans = JSON.stringify(await traced.all());
  expect(spans).toContain(trace);
  expect(spans.split('"http.route"').length).toBeGreaterThan(30);
  expect(watch.canaries.in(spans)).toEqual([]);
  expect(spans).not.toContain(vat);
});

it('the example of the docs makes traces, and none is lost at the end', async () => {
  const NODE_OPTIONS = `--import ${root}/docs/tracing.mjs`;
  const broker = await RunningBroker.start(sandbox, { UPSTREAM_SANDBOX_URL: upstream.url, NODE_OPTIONS });
  const trace = aTrace();
  await call('GET', `${broker.url}/health/live`, { headers: { traceparent: from(trace) } });
  expect(await broker.process.stop()).toBe(0);
  const output = broker.process.output();
  expect(output).toContain(`traceId: '${trace}'`);
  expect(output).toContain("'http.route': '/health/live'");
  expect(output).toContain("'service.name': 'token-broker'");
});
