import 'reflect-metadata';

import { once as eventOf } from 'node:events';
import { connect } from 'node:tls';
import { inspect, types } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { gzipSync } from 'node:zlib';

import { HttpService } from '@nestjs/axios';
import { Logger } from '@nestjs/common';
import axios from 'axios';

import { IssuerError, tokenKey, type TokenSubject } from '#token';
import { type ClientCredentials, KeyRing, MemoryVaultStore, Secret, Vault } from '#vault';

import type { BrokerConfig } from '../../apps/broker/src/config/broker-config.js';
import { readConfig } from '../../apps/broker/src/config/read-config.js';
import { HttpTokenIssuer } from '../../apps/broker/src/token/http-token-issuer.js';
import { Grants } from '../../apps/broker/src/upstream/grants.js';
import { upstreamAgents } from '../../apps/broker/src/upstream/upstream-agents.js';
import { type UpstreamCall, UpstreamCalls } from '../../apps/broker/src/upstream/upstream-calls.js';
import { aCertificate } from '../support/certificates.js';
import { RunningSandbox } from '../support/sandbox.js';
import { type Answering, RawUpstream } from '../support/upstream.js';

const VAULT_KEYS = KeyRing.generate('test');
const SECRET = 'canary+secret/%:æ';
const GOOD = JSON.stringify({ access_token: 'opaque', expires_in: 3_700, token_type: 'Bearer' });

interface Setup {
  readonly issuer: HttpTokenIssuer;
  readonly vault: Vault;
  readonly subject: TokenSubject;
  readonly issue: (signal?: AbortSignal) => ReturnType<HttpTokenIssuer['issue']>;
  /** What it throws; fails if it throws nothing, or what the core does not know. */
  readonly failure: () => Promise<IssuerError>;
  readonly calls: UpstreamCall[];
}

async function anIssuer(
  base: string,
  options: { client?: Partial<ClientCredentials>; upstream?: Partial<BrokerConfig['upstream']>; vat?: string } = {},
): Promise<Setup> {
  const config = readConfig({ VAULT_KEYS, ADMIN_KEY: 'an-admin-key-for-the-tests', UPSTREAM_SANDBOX_URL: base });
  const upstream = { ...config.upstream, timeoutMs: 400, ...options.upstream };
  const vault = await Vault.open(new MemoryVaultStore(), KeyRing.parse(VAULT_KEYS), Date.now);
  const client = {
    name: 'acme',
    environment: 'sandbox',
    clientId: 'acme-id',
    clientSecret: new Secret(SECRET),
  } as const;
  await vault.saveClients([{ ...client, ...options.client }]);
  const calls: UpstreamCall[] = [];
  const heard = new UpstreamCalls();
  heard.subscribe((call) => calls.push(call));
  const http = new HttpService(axios.create(upstreamAgents(upstream)));
  const issuer = new HttpTokenIssuer(new Grants(http, { ...config, upstream }, heard), vault);
  const { subject } = tokenKey({
    environment: 'sandbox',
    tokenUrl: `${base}/connect/token`,
    client: 'acme',
    credentialGeneration: vault.findClient('acme')!.generation,
    merchantVat: options.vat,
  });
  const issue = (signal = new AbortController().signal) => issuer.issue(subject, signal);
  const failure = async () => {
    const error: unknown = await issue().then(
      () => undefined,
      (e: unknown) => e,
    );
    if (!(error instanceof IssuerError)) throw new Error(`not an IssuerError: ${inspect(error)}`);
    return error;
  };
  return { issuer, vault, subject, issue, failure, calls };
}

/** An issuer whose upstream answers so. */
async function against(answer: Answering, options: Parameters<typeof anIssuer>[1] = {}) {
  const upstream = await RawUpstream.start(answer);
  return { upstream, ...(await anIssuer(upstream.url, options)) };
}

/** What ends a time limit that only a weak reference holds: Node 20 does that to `AbortSignal.any`. */
const collectGarbage = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

const good: Answering = (response) => response.end(GOOD);
const fails =
  (status: number, headers: Record<string, string> = {}, body = ''): Answering =>
  (response) =>
    response.writeHead(status, headers).end(body);

beforeAll(() => Logger.overrideLogger(false));

describe('a grant request', () => {
  it('is what MobilePay documents', async () => {
    const { upstream, issue } = await against(good);
    const { token, lifeMs } = await issue();
    expect([token.reveal(), lifeMs]).toEqual(['opaque', 3_700_000]);
    expect(upstream.requests).toHaveLength(1);
    const [{ method, url, headers, body }] = upstream.requests as [never];
    expect({ method, url, body }).toEqual({
      method: 'POST',
      url: '/connect/token',
      body: 'grant_type=client_credentials',
    });
    expect(headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      authorization: `Basic ${Buffer.from(`acme-id:${SECRET}`).toString('base64')}`,
    });
  });

  it('form-encodes both halves of Basic for a client that wants it (RFC 6749 §2.3.1)', async () => {
    const client = { clientId: 'a:b c', basicEncoding: 'form' } as const;
    const { upstream, issue } = await against(good, { client });
    await issue();
    const sent = upstream.requests[0]!.headers.authorization!.slice('Basic '.length);
    expect(Buffer.from(sent, 'base64').toString()).toBe('a%3Ab+c:canary%2Bsecret%2F%25%3A%C3%A6');
  });

  it('carries the merchant and the client’s fixed headers, which replace none of ours', async () => {
    const extraHeaders = { 'x-ibm-client-id': 'old-gateway', Authorization: 'Basic bm8=', accept: 'text/html' };
    const { upstream, issue, vault } = await against(
      (response, { body }) => response.end(JSON.stringify({ access_token: 'opaque', expires_in: 60, echo: body })),
      { vat: 'FI90000040' },
    );
    // As a record of before such headers were refused.
    await vault.changeClient('acme', (client) => client && { ...client, extraHeaders });
    await issue();
    const { body, headers } = upstream.requests[0]!;
    expect(body).toBe('grant_type=client_credentials&merchant_vat=FI90000040');
    expect(headers).toMatchObject({ 'x-ibm-client-id': 'old-gateway', accept: 'application/json' });
    expect(headers.authorization).not.toContain('bm8=');
  });

  it('is understood by the sandbox, which checks the secret as MobilePay would', async () => {
    const sandbox = await RunningSandbox.start();
    await sandbox.register('acme-id', SECRET);
    for (const basicEncoding of ['plain', 'form'] as const) {
      const { issue } = await anIssuer(`${sandbox.url}/integrator-authentication`, {
        client: { basicEncoding },
        vat: 'DK90000028',
        upstream: { timeoutMs: 2_000 },
      });
      const { token, lifeMs } = await issue();
      expect(lifeMs).toBeLessThanOrEqual(3_700_000);
      expect(await sandbox.pointOfSale('stores', token.reveal())).toMatchObject({ status: 200 });
    }
  });

  it('reuses its connection', async () => {
    const { upstream, issue } = await against(good);
    for (let i = 0; i < 5; i += 1) await issue();
    expect(upstream.requests.map(({ connection }) => connection)).toEqual([1, 1, 1, 1, 1]);
  });

  it('goes nowhere near a proxy that the environment names', async () => {
    const proxy = await RawUpstream.start(good);
    const { upstream, issue } = await against(good);
    process.env['HTTP_PROXY'] = proxy.url;
    await issue().finally(() => delete process.env['HTTP_PROXY']);
    expect([proxy.requests.length, upstream.requests.length]).toEqual([0, 1]);
  });

  it('is not sent with credentials that were replaced meanwhile', async () => {
    const { upstream, vault, failure } = await against(good);
    await vault.saveClients([
      { name: 'acme', environment: 'sandbox', clientId: 'acme-id', clientSecret: new Secret('newer') },
    ]);
    expect(await failure()).toMatchObject({ code: 'credentials_rejected' });
    expect(upstream.requests).toHaveLength(0);
  });
});

describe('another attempt', () => {
  it.each<[string, Answering, number]>([
    ['5xx', fails(503), 3],
    ['HTML in place of a token', fails(200, {}, '<html>'), 3],
    ['a cut connection', (response) => response.destroy(), 3],
    ['half an answer', (response) => response.writeHead(200, { 'content-length': 99 }).end(GOOD), 3],
    ['4xx', fails(400, {}, '{"error":"invalid_client"}'), 1],
    ['401', fails(401), 1],
    ['429', fails(429), 1],
    ['5xx that says when to come back', fails(503, { 'retry-after': '9' }), 1],
    ['a redirect', fails(302, { location: '/elsewhere' }), 1],
    ['a token for another merchant', fails(200, {}, bound('DK11111111')), 1],
  ])('after %s: as often as may help, and each is told of', async (_, answer, count) => {
    const { upstream, failure, calls } = await against(answer, { vat: 'DK12345678' });
    const { code } = await failure();
    expect(upstream.requests).toHaveLength(count);
    expect(calls.map(({ result, environment }) => [result, environment])).toEqual(
      Array.from({ length: count }, () => [code, 'sandbox']),
    );
  });

  it('may bring what the first one did not', async () => {
    const { upstream, issue, calls } = await against((response, request, count) =>
      (count < 3 ? fails(500) : good)(response, request, count),
    );
    expect((await issue()).token.reveal()).toBe('opaque');
    expect(calls.map(({ result }) => result)).toEqual(['upstream_unavailable', 'upstream_unavailable', 'ok']);
    expect(Math.min(...calls.map(({ tookMs }) => tookMs))).toBeGreaterThan(0);
    expect(upstream.requests).toHaveLength(3);
  });

  it.each([0, 1, 5])(
    'is made as often as is set: %i',
    async (retries) => {
      const { upstream, failure } = await against(fails(502), { upstream: { retries } });
      await failure();
      expect(upstream.requests).toHaveLength(retries + 1);
    },
    15_000,
  );

  it('is not made for whoever does not want it any more', async () => {
    const aborter = new AbortController();
    const { upstream, issue } = await against((response) => {
      aborter.abort();
      response.writeHead(503).end();
    });
    await expect(issue(aborter.signal)).rejects.toMatchObject({ code: 'upstream_unavailable' });
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('an answer', () => {
  const once = { upstream: { retries: 0 } };

  it('that never comes, or trickles in for ever, is cut off at the time limit', async () => {
    const trickle: Answering = (response) => {
      const timer = setInterval(() => {
        response.write(' ');
        collectGarbage();
      }, 20);
      response.once('close', () => clearInterval(timer));
    };
    for (const answer of [() => undefined, trickle]) {
      const { failure } = await against(answer, once);
      const before = performance.now();
      expect(await failure()).toMatchObject({ code: 'upstream_unavailable', message: 'no answer within 400 ms' });
      expect(performance.now() - before).toBeLessThan(2_000);
    }
  });

  it.each([
    [
      'as long as it says',
      (body: string): Answering =>
        (response) =>
          response.end(body),
    ],
    [
      'longer than it says',
      (body: string): Answering =>
        (response) =>
          response.writeHead(200, {}).end(body),
    ],
    [
      'packed',
      (body: string): Answering =>
        (response) =>
          response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body)),
    ],
  ])('of more than 64 KiB is refused, %s', async (_, answering) => {
    const padded = (bytes: number) => GOOD + ' '.repeat(bytes - GOOD.length);
    // However long this process itself takes to pack it.
    const unhurried = { upstream: { ...once.upstream, timeoutMs: 10_000 } };
    expect((await (await against(answering(padded(65_536)), unhurried)).issue()).token.reveal()).toBe('opaque');
    for (const bytes of [65_537, 20_000_000]) {
      const { failure } = await against(answering(padded(bytes)), unhurried);
      expect(await failure()).toMatchObject({ code: 'upstream_invalid' });
    }
  });

  it('that sends us elsewhere is not followed', async () => {
    const elsewhere = await RawUpstream.start(good);
    const { failure } = await against(fails(307, { location: `${elsewhere.url}/connect/token` }), once);
    expect(await failure()).toMatchObject({ code: 'upstream_invalid' });
    expect(elsewhere.requests).toHaveLength(0);
  });

  it('of nobody is an upstream that cannot be reached', async () => {
    const { failure } = await anIssuer('http://127.0.0.1:1', once);
    expect(await failure()).toMatchObject({
      code: 'upstream_unavailable',
      message: 'the connection failed (ECONNREFUSED)',
    });
  });

  it('that fails, in whatever way, takes no secret, header or request with it', async () => {
    const ways: Answering[] = [
      (response) => response.destroy(),
      () => undefined,
      fails(400, {}, `{"error":"${SECRET}"}`),
      fails(500, {}, SECRET),
      fails(200, {}, `{"access_token":"${SECRET} x"}`),
      fails(200, {}, 'x'.repeat(70_000)),
      fails(302, { location: 'http://127.0.0.1:1/' }),
    ];
    const basic = Buffer.from(`acme-id:${SECRET}`).toString('base64');
    for (const way of ways) {
      const error = await (await against(way, once)).failure();
      const shown = `${inspect(error, { depth: 9, showHidden: true })} ${JSON.stringify(error)} ${error.stack}`;
      for (const secret of [SECRET, basic, 'uthorization', 'AxiosError']) expect(shown).not.toContain(secret);
      expect(error.cause).toBeUndefined();
      expect(types.isNativeError(error)).toBe(true);
    }
  });
});

describe('TLS', () => {
  const own = aCertificate();
  const once = { retries: 0, ca: own.cert };

  async function overTls(tls: object, upstream: Partial<BrokerConfig['upstream']>) {
    const server = await RawUpstream.start(good, { ...own, ...tls });
    return { server, ...(await anIssuer(server.url, { upstream: { timeoutMs: 2_000, ...upstream } })) };
  }

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s is spoken, with an authority of our own', async (version) => {
    const { issue } = await overTls({ minVersion: version, maxVersion: version }, once);
    expect((await issue()).token.reveal()).toBe('opaque');
  });

  it('older than 1.2 is not spoken', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const { server, failure } = await overTls(old, once);
    expect(await failure()).toMatchObject({ code: 'upstream_unavailable', message: 'the connection failed (EPROTO)' });
    // By whoever speaks it, the server is understood.
    const client = connect({ ...old, host: '127.0.0.1', port: server.port, ca: own.cert });
    await eventOf(client, 'secureConnect');
    expect(client.getProtocol()).toBe('TLSv1.1');
    client.destroy();
    expect(server.requests).toHaveLength(0);
  });

  it.each([
    ['nobody vouches for', {}, { retries: 0 }, 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['names another host', aCertificate('DNS:elsewhere.example'), undefined, 'ERR_TLS_CERT_ALTNAME_INVALID'],
  ])('with a certificate that %s ends before anything is said', async (_, tls, upstream, code) => {
    const ca = 'cert' in tls ? tls.cert : undefined;
    const { server, failure } = await overTls(tls, upstream ?? { retries: 0, ca });
    expect(await failure()).toMatchObject({ code: 'upstream_unavailable', message: expect.stringContaining(code) });
    expect(server.requests).toHaveLength(0);
  });
});

function bound(merchant_vat: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return JSON.stringify({ access_token: `${part({ alg: 'none' })}.${part({ merchant_vat })}.x`, expires_in: 60 });
}
