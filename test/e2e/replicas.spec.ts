import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { RunningBroker } from '../support/broker.js';
import { aFolder } from '../support/folder.js';
import { bearer, call, callJson } from '../support/http.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { RunningSandbox } from '../support/sandbox.js';

const vat = 'DK12345678';
let redis: RunningRedis;
let sandbox: RunningSandbox;
let replicas: RunningBroker[];
let key: string;
let ops: string;

const get = (broker: RunningBroker, path: string, who = ops) =>
  call('GET', `${broker.url}${path}`, { headers: bearer(who) });

// Nothing in common but their settings: the vault is in Redis as well.
beforeAll(async () => {
  [redis, sandbox] = await Promise.all([RunningRedis.start(), RunningSandbox.start()]);
  const settings = {
    REDIS_URL: redis.url,
    VAULT_STORE: 'redis',
    VAULT_KEYS: KeyRing.generate('shared'),
    ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
    UPSTREAM_RETRIES: '0',
  };
  replicas = await Promise.all([1, 2, 3].map(() => RunningBroker.start(sandbox, settings)));
  const [first, ...others] = replicas as [RunningBroker, ...RunningBroker[]];
  key = await first.addCaller('shop', ['token'], [{ client: '*', merchants: ['*'], unrestricted: true }]);
  ops = await first.addCaller('ops', ['ops']);
  for (const broker of others) {
    await eventually(async () => (await get(broker, '/v1/tokens')).status === 200 || undefined, 1_000);
  }
});

/** A client that every replica knows. */
async function aClient(name: string): Promise<string> {
  await replicas[0]!.addClient(name);
  for (const broker of replicas) {
    await eventually(
      async () => (await get(broker, `/v1/tokens/explain?client=${name}`)).status === 200 || undefined,
      1_000,
    );
  }
  return name;
}

describe('replicas with nothing in common but Redis and their settings', () => {
  it('share clients and callers within a second', async () => {
    const client = await aClient('shared-client');
    const answers = await Promise.all(replicas.map((broker) => broker.token(key, { client })));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('share one token, and one call', async () => {
    const client = await aClient('one-call');
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, i) => replicas[i % 3]!.token(key, { client, merchant_vat: vat })),
    );
    expect(new Set(answers.map(({ status, json }) => `${status} ${String(json['token_id'])}`)).size).toBe(1);
    expect(await sandbox.calls('one-call-id')).toBe(1);
  });

  it('share an invalidation', async () => {
    const client = await aClient('invalidated');
    const bodies = await Promise.all(replicas.map((broker) => broker.token(key, { client })));
    const { token_id } = bodies[0]!.json;
    expect((await replicas[1]!.invalidate(key, { client, token_id })).json).toEqual({ invalidated: true });
    await eventually(async () => {
      const states = await Promise.all(replicas.map((broker) => get(broker, `/v1/tokens/explain?client=${client}`)));
      return states.every(({ json }) => Object(json['memory']).token === null) || undefined;
    }, 1_000);
    const again = await Promise.all(replicas.map((broker) => broker.token(key, { client })));
    expect(new Set(again.map(({ json }) => json['token_id'])).size).toBe(1);
    expect(again[0]!.json['token_id']).not.toBe(token_id);
    expect(await sandbox.calls('invalidated-id')).toBe(2);
  });

  it('share a refusal of the credentials, and try new ones at once', async () => {
    const client = await aClient('rotated');
    await sandbox.register('rotated-id', 'set by MobilePay');
    const vats = ['DK00000001', 'DK00000002', 'DK00000003'];
    await replicas[0]!.token(key, { client, merchant_vat: vats[0] });
    for (const [i, broker] of replicas.entries()) {
      const { json } = await broker.token(key, { client, merchant_vat: vats[i] });
      expect(json['code']).toBe('credentials_rejected');
    }
    expect(await sandbox.calls('rotated-id')).toBe(1);
    await replicas[2]!.addClient(client, 'set by MobilePay');
    for (const [i, broker] of replicas.entries()) {
      await eventually(
        async () => (await broker.token(key, { client, merchant_vat: vats[i] })).status === 200 || undefined,
      );
    }
  });

  it.each([
    ['switched off', 'PATCH', { enabled: false }, 'client_disabled'],
    ['deleted', 'DELETE', undefined, 'not_found'],
  ])('stop within a second when a client is %s', async (how, method, body, code) => {
    const client = await aClient(`client-${how.replace(' ', '-')}`);
    for (const broker of replicas) expect((await broker.token(key, { client })).status).toBe(200);
    const url = `${replicas[0]!.url}/v1/clients/${client}`;
    const headers = bearer(replicas[0]!.adminKey);
    const { status } = body ? await callJson(method, url, body, headers) : await call(method, url, { headers });
    expect(status).toBeLessThan(300);
    expect((await replicas[0]!.token(key, { client })).json['code']).toBe(code);
    for (const broker of replicas) {
      await eventually(async () => (await broker.token(key, { client })).json['code'] === code || undefined, 1_000);
    }
  });

  it('are held back together when MobilePay asks one of them to wait', async () => {
    const client = await aClient('held-back');
    await sandbox.fault({ kind: 'status', status: 429, retry_after: 60, client_id: 'held-back-id' });
    await replicas[0]!.token(key, { client, merchant_vat: vat });
    for (const broker of replicas) {
      const { status, headers } = await broker.token(key, { client, merchant_vat: 'FI12345678' });
      expect([status, Number(headers.get('retry-after')) > 50]).toEqual([503, true]);
    }
    expect(await sandbox.calls('held-back-id')).toBe(1);
    await sandbox.clearFaults();
  });
});

describe('the state of a key', () => {
  it('is the same from every replica, whichever has the token in memory', async () => {
    const client = await aClient('explained');
    const before = await get(replicas[0]!, `/v1/tokens/explain?client=${client}&merchant_vat=${vat}`);
    expect(before.json).toMatchObject({
      next_answer: { from: 'upstream' },
      memory: { token: null, refreshing: false, failure: null },
      shared: { state: 'dead' },
      upstream: { held_back: null, breaker: { state: 'closed' } },
    });
    const { json } = await replicas[0]!.token(key, { client, merchant_vat: vat });
    const views = await Promise.all(
      replicas.map((broker) => get(broker, `/v1/tokens/explain?client=${client}&merchant_vat=${vat}`)),
    );
    expect(views.map((view) => Object(view.json['next_answer']).from as string)).toEqual(['memory', 'store', 'store']);
    for (const view of views) {
      expect(view.headers.get('cache-control')).toBe('no-store');
      expect(view.json['shared']).toMatchObject({ state: 'fresh', token_id: json['token_id'] });
      expect(view.text).not.toContain(json['access_token']);
    }
  });

  it('says who refreshes it, and how its last refresh failed', async () => {
    const client = await aClient('failing');
    await sandbox.fault({ kind: 'status', status: 503, latency_ms: 1_000, client_id: 'failing-id' });
    const answer = replicas[1]!.token(key, { client });
    const during = await eventually(async () => {
      const { json } = await get(replicas[0]!, `/v1/tokens/explain?client=${client}`);
      return Object(json['shared']).state === 'refreshing' ? json : undefined;
    });
    expect(during).toMatchObject({ shared: { lease: { replica: expect.stringMatching(/-\d+$/) } } });
    expect(during['next_answer']).toMatchObject({ from: 'refresh' });
    await answer;
    const { json } = await get(replicas[0]!, `/v1/tokens/explain?client=${client}`);
    expect(json).toMatchObject({
      next_answer: { from: 'refusal' },
      shared: { state: 'failing', last_error: { code: 'upstream_unavailable', in_a_row: 1 } },
    });
    await sandbox.clearFaults();
  });

  it('is listed by client and merchant, in pages, from any replica, without a token', async () => {
    const client = await aClient('listed');
    const vats = ['DK00000001', 'DK00000002', 'DK00000003', 'FI00000001'];
    const tokens = await Promise.all(vats.map((merchant_vat) => replicas[0]!.token(key, { client, merchant_vat })));
    const seen: unknown[] = [];
    let cursor = '';
    do {
      const { json, text } = await get(replicas[2]!, `/v1/tokens?client=${client}&limit=3${cursor}`);
      const next = json['next_cursor'] as string | undefined;
      seen.push(...(json['items'] as { merchant_vat: string }[]).map(({ merchant_vat }) => merchant_vat));
      for (const token of tokens) expect(text).not.toContain(token.json['access_token']);
      cursor = next === undefined ? '' : `&cursor=${next}`;
    } while (cursor !== '');
    expect(seen).toEqual(vats);
    const one = await get(replicas[1]!, `/v1/tokens?merchant_vat=FI00000001&state=fresh`);
    expect(one.json['items']).toEqual([
      expect.objectContaining({ client, merchant_vat: 'FI00000001', seconds_left: expect.any(Number) }),
    ]);
    expect((await get(replicas[1]!, `/v1/tokens?client=${client}&state=dead`)).json).toEqual({ items: [] });
  });

  it.each([
    ['/v1/tokens?client=No', 'client'],
    ['/v1/tokens?merchant_vat=SE1', 'merchant_vat'],
    ['/v1/tokens?state=lost', 'state'],
    ['/v1/tokens?limit=0', 'limit'],
    ['/v1/tokens?limit=1001', 'limit'],
    ['/v1/tokens?limit=1e2', 'limit'],
    ['/v1/tokens?cursor=*', 'cursor'],
    ['/v1/tokens?unheard_of=1', 'query'],
    ['/v1/tokens/explain', 'client'],
    ['/v1/tokens/explain?client=listed&merchant_vat=dk12345678', 'merchant_vat'],
    ['/v1/tokens/explain?client=listed&client=other', 'client'],
  ])('asked for wrongly, %s, is refused by field', async (path, field) => {
    const { status, json } = await get(replicas[0]!, path);
    expect([status, json['code']]).toEqual([400, 'invalid_request']);
    const errors = json['errors'] as { field: string; detail: string }[];
    expect(new Set(errors.map((error) => error.field))).toEqual(new Set([field]));
    expect(errors.every(({ detail }) => detail.startsWith('must '))).toBe(true);
  });

  it('is for operators alone', async () => {
    for (const path of ['/v1/tokens', '/v1/tokens/explain?client=listed', '/metrics']) {
      expect((await get(replicas[0]!, path, key)).status).toBe(403);
      expect((await get(replicas[0]!, path, 'nobody')).status).toBe(401);
    }
    expect((await get(replicas[0]!, '/v1/tokens/explain?client=nobody')).json['code']).toBe('not_found');
  });
});

it('metrics count refreshes, and calls without a lease, without the name of a merchant or a caller', async () => {
  const { text, headers } = await get(replicas[0]!, '/metrics');
  expect(headers.get('content-type')).toContain('text/plain');
  expect(text).toMatch(/^token_broker_refreshes_total\{cause="demand",result="ok"\} [1-9]/m);
  expect(text).toMatch(/^token_broker_unleased_calls_total 0$/m);
  expect(text).toMatch(/^token_broker_duplicate_tokens_total 0$/m);
  expect(text).toMatch(/^token_broker_redis_up 1$/m);
  expect(text).not.toMatch(/DK\d{8}|shop/);
});

it('a replica that starts asks Redis for no token until it is asked for one', async () => {
  const own = await RunningRedis.start();
  // Every look at a token reads its expiry.
  let looks = 0;
  // Of all that a client sends as it starts nothing may come in while it turns into a monitor: ioredis takes it for an answer.
  await own.client.ping();
  const monitor = await own.client.monitor();
  monitor.on('monitor', (_: string, command: string[]) => {
    if (command[0]?.toLowerCase() === 'hmget' && command.includes('tx')) looks += 1;
  });
  const settings = {
    REDIS_URL: own.url,
    VAULT_PATH: join(aFolder(), 'vault.json'),
    VAULT_KEYS: KeyRing.generate('own'),
    ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
  };
  const early = await RunningBroker.start(sandbox, settings);
  await early.addClient('kept');
  const shop = await early.addCaller('shop', ['token'], [{ client: '*', unrestricted: true, merchants: [] }]);
  const { json } = await early.token(shop, { client: 'kept' });
  await early.process.stop();
  expect(looks).toBeGreaterThan(0);
  looks = 0;
  const late = await RunningBroker.start(sandbox, settings);
  expect(looks).toBe(0);
  expect((await late.token(shop, { client: 'kept' })).json['token_id']).toBe(json['token_id']);
  await eventually(() => looks > 0 || undefined);
  monitor.disconnect();
  expect(await sandbox.calls('kept-id')).toBe(1);
});

it('a replica that stops gives its lease back: nobody waits for it to run out', async () => {
  const own = await RunningRedis.start();
  const settings = {
    REDIS_URL: own.url,
    VAULT_PATH: join(aFolder(), 'vault.json'),
    VAULT_KEYS: KeyRing.generate('own'),
    ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
    UPSTREAM_TIMEOUT_MS: '9000',
    UPSTREAM_RETRIES: '0',
    LEASE_MS: '30000',
    SHUTDOWN_TIMEOUT_MS: '500',
  };
  const leader = await RunningBroker.start(sandbox, settings);
  const other = await RunningBroker.start(sandbox, settings);
  await leader.addClient('given-back');
  const shop = await leader.addCaller('shop', ['token'], [{ client: '*', unrestricted: true, merchants: [] }]);
  await sandbox.fault({ kind: 'latency', latency_ms: 8_000, client_id: 'given-back-id', times: 1 });
  const lost = leader.token(shop, { client: 'given-back' }).catch((error: unknown) => error);
  await eventually(async () => (await sandbox.calls('given-back-id')) === 1 || undefined);
  await eventually(async () => (await other.token(shop, { client: 'nobody' })).status === 404 || undefined);
  const waiting = other.token(shop, { client: 'given-back' });
  expect(await leader.process.stop()).toBe(0);
  const before = performance.now();
  expect((await waiting).status).toBe(200);
  expect(performance.now() - before).toBeLessThan(5_000);
  await lost;
}, 30_000);

it('without a message, replicas find a change of the vault within half a minute', async () => {
  const settings = {
    VAULT_PATH: join(aFolder(), 'vault.json'),
    VAULT_KEYS: KeyRing.generate('own'),
    ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
  };
  // Without Redis there is nobody to bring a message.
  const [one, other] = [await RunningBroker.start(sandbox, settings), await RunningBroker.start(sandbox, settings)];
  await one.addClient('found-later');
  const path = '/v1/tokens/explain?client=found-later';
  expect((await get(other, path, other.adminKey)).status).toBe(404);
  await eventually(async () => (await get(other, path, other.adminKey)).status === 200 || undefined, 31_000);
}, 40_000);
